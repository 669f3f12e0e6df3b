"""The kept shell: a screen that is switched on while center is down opens, and says that the connection is lost."""

import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.browser import scenes
from tests.browser.conftest import OpenScreen
from tests.browser.fixture_center import DIST, FixtureCenter

pytestmark = pytest.mark.browser

KEPT = """
async () => {
  const kept = {};
  for (const name of await caches.keys()) {
    kept[name] = (await (await caches.open(name)).keys()).map((request) => new URL(request.url).pathname);
  }
  return kept;
}
"""
IN_CHARGE = """
async (version) => {
  for (let tries = 0; tries < 600; tries++, await new Promise((resolve) => setTimeout(resolve, 100))) {
    const known = await navigator.serviceWorker.getRegistration();
    const settled = known?.active?.state === 'activated' && !known.installing && !known.waiting;
    const newest = (await caches.keys()).at(-1) ?? '';
    if (settled && navigator.serviceWorker.controller === known.active && newest.startsWith(version)) return;
  }
  throw new Error('no worker keeps the shell');
}
"""

# Open since the evening, and its own minute is the first.
LONG_OPEN = """
const began = performance.now.bind(performance);
performance.now = () => began() + 8 * 3600 * 1000;
Math.random = () => 0;
"""


def wait_until_kept(page: Page) -> dict[str, list[str]]:
    page.evaluate(IN_CHARGE, "shell-")
    kept: dict[str, list[str]] = page.evaluate(KEPT)
    return kept


def port_of(center: FixtureCenter) -> int:
    return int(center.address.rpartition(":")[2])


def test_the_shell_opens_while_center_is_down_and_begins_anew_with_it(screen: OpenScreen) -> None:
    scene = scenes.flood()
    with FixtureCenter(scene) as center, screen(center.address) as wall:
        wall.expected = ("ERR_CONNECTION_REFUSED", "WebSocket connection to")
        page = wall.open("/wall")
        expect(page.locator("section[data-region=alerts] li")).to_have_count(7)
        wait_until_kept(page)
        center.stop()
        page.reload()
        header = page.locator("header")
        expect(header).to_contain_text("MẤT KẾT NỐI 0:")
        expect(page.locator("[data-count=critical]")).to_have_text("–")  # nobody knows, which is not none
        expect(page.locator("section[data-region=alerts]")).to_contain_text("Đang chờ dữ liệu")
        assert page.evaluate("document.fonts.check('28px \"Inter Variable\"', 'Aạư')")
        with FixtureCenter(scene, port=port_of(center)):
            expect(header).to_contain_text("Trực tiếp", timeout=60_000)
            expect(page.locator("section[data-region=alerts] li")).to_have_count(7)
            # It knows the catalogue again, which it had opened without.
            expect(page.locator(".sectors > section")).to_have_count(3)


def test_only_the_shell_is_kept(screen: OpenScreen) -> None:
    with FixtureCenter(scenes.flood()) as center, screen(center.address) as wall:
        page = wall.open("/wall")
        kept = wait_until_kept(page)
        assert len(kept) == 1
        files = {f"/{file.relative_to(DIST)}" for file in DIST.rglob("*") if file.is_file() and file.name[0] != "."}
        assert {path for paths in kept.values() for path in paths} == files - {"/index.html", "/sw.js"} | {"/wall"}
        page.reload()
        expect(page.locator("section[data-region=alerts] li")).to_have_count(7)
        assert page.evaluate(KEPT) == kept


def test_a_wall_begins_anew_at_a_quiet_moment_of_the_night(screen: OpenScreen) -> None:
    local = datetime.now(ZoneInfo("Asia/Ho_Chi_Minh"))
    night = local.replace(hour=3, minute=31, second=0) + timedelta(days=1)
    with FixtureCenter(scenes.calm()) as center, screen(center.address) as wall:
        center.ahead_s = (night - local).total_seconds()
        wall.page.add_init_script(LONG_OPEN)
        page = wall.open("/wall")
        expect(page.locator("header .clock")).to_have_text(re.compile("03:3[12]:"))
        with page.expect_navigation(timeout=60_000):
            pass
        expect(page.locator("header")).to_contain_text("Trực tiếp")


def test_a_new_build_wins_on_the_next_load(screen: OpenScreen, tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    shutil.copytree(DIST, dist)
    with FixtureCenter(scenes.calm(), dist) as center, screen(center.address) as wall:
        page = wall.open("/wall")
        (before,) = wait_until_kept(page)
        index = dist / "index.html"
        index.write_text(index.read_text().replace("<title>CityWatch<", "<title>Newer<"))
        worker = dist / "sw.js"
        worker.write_text(worker.read_text().replace(before.removeprefix("shell-"), "0123456789ab"))
        page.reload()
        expect(page).to_have_title("Newer")
        page.evaluate(IN_CHARGE, "shell-0123456789ab")
        wall.expected = ("ERR_CONNECTION_REFUSED", "WebSocket connection to")
        center.stop()
        page.reload()
        expect(page).to_have_title("Newer")
