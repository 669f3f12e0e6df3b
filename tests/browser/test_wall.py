"""The wall in a real browser, against a center that does what a test says."""

import json
import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import scenes
from tests.browser.conftest import OpenScreen, Screen, wait_until
from tests.browser.fixture_center import FixtureCenter
from tests.browser.scenes import stamp

pytestmark = pytest.mark.browser

REGIONS = {
    "header": (0, 0, 1920, 88),
    ".sectors > section:nth-child(1)": (16, 104, 464, 309),
    ".sectors > section:nth-child(2)": (16, 429, 464, 309),
    ".sectors > section:nth-child(3)": (16, 754, 464, 309),
    ".map": (496, 104, 800, 640),
    "section[data-region=incidents]": (496, 760, 800, 304),
    "section[data-region=alerts]": (1312, 104, 592, 640),
    "section[data-region=reports]": (1312, 760, 592, 304),
}
MAP_READY = 30_000

TEXTS = """
() => {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize) / 10;
  const walker = document.createTreeWalker(document.querySelector('.wall'), NodeFilter.SHOW_TEXT);
  const found = [];
  for (let node; (node = walker.nextNode()); ) {
    const text = node.data.trim();
    const element = node.parentElement;
    if (text === '' || !element.checkVisibility({ opacityProperty: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const tail = element.closest('.tail'); // citizens' own words have no bound and may be cut
    const box = (tail ?? range).getBoundingClientRect();
    const line = element.closest('.parts')?.getBoundingClientRect();
    if (box.width === 0 || (line && box.top >= line.bottom - 1)) continue; // a part that was left out
    const svg = element.ownerSVGElement;
    const scale = svg ? svg.getScreenCTM().a / rem : 1;
    const region = element.closest('header, section, .map').getBoundingClientRect();
    let cut = false;
    for (let e = element; e && !e.matches('.wall, .tail'); e = e.parentElement) {
      cut ||= getComputedStyle(e).textOverflow === 'ellipsis' && e.scrollWidth > e.clientWidth + 1;
    }
    found.push({
      text,
      size: parseFloat(getComputedStyle(element).fontSize) / (svg ? 1 : rem) * scale,
      inside: box.left >= region.left - 1 && box.right <= region.right + 1
        && box.top >= region.top - 1 && box.bottom <= region.bottom + 1,
      cut,
    });
  }
  return found;
}
"""

# Counts how often a row was made for each alert, whatever became of it afterwards.
ROWS_MADE = """
window.made = {};
new MutationObserver((changes) => {
  for (const node of changes.flatMap(({ addedNodes }) => [...addedNodes])) {
    if (node.nodeType !== 1 || !node.closest('section[data-region=alerts]')) continue;
    for (const row of [node, ...node.querySelectorAll('*')]) {
      const id = row.dataset?.alert;
      if (id !== undefined) made[id] = (made[id] ?? 0) + 1;
    }
  }
}).observe(document, { childList: true, subtree: true });
"""


def boxes(page: Page) -> dict[str, tuple[int, ...]]:
    """Where the regions are on the wall, which itself stands up to 2 px aside against burn-in."""
    wall = page.locator(".wall").bounding_box()
    assert wall is not None
    assert max(abs(wall["x"]), abs(wall["y"])) <= 2 * wall["width"] / 1920 + 0.01
    found = {}
    for selector in REGIONS:
        box = page.locator(selector).bounding_box()
        assert box is not None, selector
        place = (box["x"] - wall["x"], box["y"] - wall["y"], box["width"], box["height"])
        found[selector] = tuple(round(n) for n in place)
    return found


def wait_for_wall(page: Page) -> None:
    expect(page.locator("header .city b")).to_contain_text("Hồ Chí Minh", timeout=MAP_READY)


def wait_for_wall_in(page: Page, language: str) -> None:
    city = "Hồ Chí Minh" if language == "vi" else "Ho Chi Minh"
    expect(page.locator("header .city b")).to_contain_text(city, timeout=MAP_READY)


def wait_for_map(page: Page) -> None:
    expect(page.locator(".map")).to_have_attribute("data-map", "webgl", timeout=MAP_READY)


def test_the_wall_paints_and_has_nothing_to_complain_of(screen: OpenScreen) -> None:
    with FixtureCenter(scenes.flood()) as center, screen(center.address) as wall:
        page = wall.open("/wall")
        wait_for_wall(page)
        wait_for_map(page)
        assert boxes(page) == REGIONS
        expect(page.locator("section[data-region=alerts] li")).to_have_count(7)
        expect(page.locator("[data-count=critical]")).to_have_text("2")
        expect(page.locator("header")).to_contain_text("MÔ PHỎNG")
        expect(page.locator("header")).to_contain_text("Trực tiếp")


@pytest.mark.parametrize(("width", "height", "ratio"), [(3840, 2160, 1), (1920, 1080, 2)])
def test_4k_is_the_same_layout_at_twice_the_pixels(screen: OpenScreen, width: int, height: int, ratio: float) -> None:
    factor = width // 1920
    with FixtureCenter(scenes.flood()) as center, screen(center.address, width, height, ratio) as wall:
        page = wall.open("/wall")
        wait_for_wall(page)
        assert boxes(page) == {name: tuple(factor * n for n in box) for name, box in REGIONS.items()}


@pytest.mark.parametrize("scene", ["flood", "crowded", "dead_feed", "calm", "stalled"])
@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_text_is_legible_and_inside_its_region(screen: OpenScreen, scene: str, language: str) -> None:
    with FixtureCenter(scenes.ALL[scene]()) as center, screen(center.address) as wall:
        page = wall.open(f"/wall?lang={language}")
        expect(page.locator(".map")).to_contain_text("83", timeout=MAP_READY)
        wait_until(page, f"({TEXTS})().length > 30")
        texts = page.evaluate(TEXTS)
        assert [t for t in texts if t["size"] < 27.99] == []
        assert [t for t in texts if not t["inside"]] == []
        assert [t for t in texts if t["cut"]] == []


def test_the_worst_is_drawn_over_what_is_less_bad(screen: OpenScreen) -> None:
    with FixtureCenter(scenes.flood()) as center, screen(center.address) as wall:
        page = wall.open("/wall")
        wait_for_map(page)
        drawn = page.locator(".map [data-pin]").evaluate_all("(pins) => pins.map((pin) => pin.dataset.pin)")
        severities = [center.scene.alerts[alert]["severity"] for alert in drawn]
        assert {"warning", "critical"} <= set(severities)
        assert severities == sorted(severities, key=["warning", "critical", "emergency"].index)


def test_a_smaller_screen_drops_rows_and_keeps_the_type(screen: OpenScreen) -> None:
    with FixtureCenter(scenes.flood()) as center, screen(center.address) as wall:
        page = wall.open("/wall?inch=55&dist=4")
        wait_for_wall(page)
        texts = page.evaluate(TEXTS)
        floor = 28 * (98 / 55) * (4 / 5)
        assert [t for t in texts if t["size"] < floor - 0.1] == []
        assert [t for t in texts if not t["inside"] and not t["cut"]] == []
        expect(page.locator("section[data-region=alerts] li")).to_have_count(4)


def test_a_new_alert_has_one_row_made_from_its_delta(screen: OpenScreen) -> None:
    scene = scenes.calm()
    with FixtureCenter(scene) as center, screen(center.address) as wall:
        wall.page.add_init_script(ROWS_MADE)
        page = wall.open("/wall")
        wait_for_wall(page)
        expect(page.locator("section[data-region=alerts]")).to_contain_text("Không có báo động")
        newest = []
        for i in range(4):
            alert = scene.alert("Ngập hơn 40 cm", scene.named("Sài Gòn"), age_s=-i)
            newest.insert(0, alert["id"])
            center.transition("raised", alert)
            rows = page.locator("section[data-region=alerts] li")
            expect(rows).to_have_count(i + 1)
            assert rows.evaluate_all("rows => rows.map((row) => row.dataset.alert)") == newest
        assert page.evaluate("made") == dict.fromkeys(newest, 1)
        expect(page.locator("[data-count=critical]")).to_have_text("4")
        subscribed = [s for s in center.subscriptions if s["channel"] == "alerts"]
        assert len(subscribed) == 1  # nothing was asked for again: the rows came from the deltas


def test_a_gap_is_shown_until_its_snapshot_and_after_it(screen: OpenScreen) -> None:
    scene = scenes.flood()
    with FixtureCenter(scene) as center, screen(center.address) as wall:
        page = wall.open("/wall")
        wait_for_wall(page)
        notice = page.locator("section[data-region=alerts] [role=status]")
        rows = page.locator("section[data-region=alerts] li")
        expect(rows).to_have_count(7)
        assert notice.count() == 0
        center.tear_a_hole()
        expect(notice).to_contain_text(re.compile(r"THIẾU từ \d\d:\d\d:\d\d"))
        expect(rows).to_have_count(6)
        scene.open(scene.alert("Đê bao bị tràn", scene.named("An Khánh"), severity="emergency", age_s=0))
        center.end_the_hole()
        expect(notice).to_contain_text(re.compile(r"THIẾU \d\d:\d\d:\d\d–\d\d:\d\d:\d\d"))
        expect(rows.first).to_contain_text("Đê bao bị tràn")
        page.wait_for_timeout(3_000)  # heartbeats that miss nothing do not take it away
        expect(notice).to_be_visible()
        assert [t for t in page.evaluate(TEXTS) if t["cut"] or not t["inside"] or t["size"] < 27.99] == []


def test_a_new_row_has_a_white_bar_for_ten_seconds(screen: OpenScreen) -> None:
    scene = scenes.calm()
    with FixtureCenter(scene) as center, screen(center.address) as wall:
        page = wall.open("/wall")
        wait_for_wall(page)
        alert = scene.alert("Ngập hơn 40 cm", scene.named("Sài Gòn"), age_s=0)
        center.transition("raised", alert)
        row = page.locator(f"section[data-region=alerts] [data-alert='{alert['id']}']")
        bar = "row => getComputedStyle(row, '::before').backgroundColor"
        assert row.evaluate(bar) == "rgb(255, 255, 255)"
        wait_until(page, "id => !document.querySelector(`[data-alert='${id}'].new`)", alert["id"])
        assert row.evaluate(bar) == "rgb(255, 97, 82)"


def test_only_unacknowledged_criticals_pulse(screen: OpenScreen) -> None:
    with FixtureCenter(scenes.flood()) as center, screen(center.address) as wall:
        page = wall.open("/wall")
        wait_for_wall(page)
        pulsing = page.locator("section[data-region=alerts] li:has(.pulse)")
        expect(pulsing).to_have_count(2)
        expect(page.locator("section[data-region=alerts] li.unacknowledged")).to_have_count(2)
        opacity = "getComputedStyle(document.querySelector('section[data-region=alerts] .pulse')).opacity"
        wait_until(page, f"{opacity} === '0.35'")
        wait_until(page, f"{opacity} === '1'")


def test_a_lost_connection_looks_like_one_and_nothing_is_missing_afterwards(screen: OpenScreen) -> None:
    scene = scenes.flood()
    with FixtureCenter(scene) as center, screen(center.address) as wall:
        page = wall.open("/wall")
        wait_for_wall(page)
        center.fall_silent()
        header = page.locator("header")
        expect(header).to_contain_text("MẤT KẾT NỐI 0:", timeout=20_000)
        assert header.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(230, 232, 234)"
        assert page.locator(".veil").count() == 0
        expect(page.locator(".veil")).to_be_visible(timeout=30_000)
        alert = scene.alert("Đê bao bị tràn", scene.named("An Khánh"), severity="emergency", age_s=0)
        scene.open(alert)
        center.come_back()
        expect(header).to_contain_text("Trực tiếp", timeout=45_000)
        assert page.locator(".veil").count() == 0
        first = page.locator("section[data-region=alerts] li").first
        expect(first).to_contain_text("Đê bao bị tràn", timeout=15_000)
        since = [s.get("since") for s in center.subscriptions if s["channel"] == "alerts"]
        assert since[0] is None
        assert since[-1] == scene.seq - 1


def test_an_announced_restart_says_so(screen: OpenScreen) -> None:
    with FixtureCenter(scenes.calm()) as center, screen(center.address) as wall:
        wall.expected = ("WebSocket connection to",)
        page = wall.open("/wall")
        wait_for_wall(page)
        center.announce_restart(5)
        center.refuse()
        expect(page.locator("header")).to_contain_text("Trung tâm khởi động lại")


def test_a_dead_feed_has_a_banner_and_its_figures_are_hatched(screen: OpenScreen) -> None:
    scene = scenes.calm()
    with FixtureCenter(scene) as center, screen(center.address) as wall:
        page = wall.open("/wall")
        wait_for_wall(page)
        traffic = page.locator(".sectors > section").first
        assert traffic.locator(".stale").count() == 0
        center.change_city(sectors=[scene.kill_feed("traffic", 860)])
        expect(traffic.locator("h2")).to_contain_text("MẤT NGUỒN 14")
        expect(traffic.locator(".row.stale")).to_have_count(3)
        hatch = traffic.locator(".value").first.evaluate("e => getComputedStyle(e).backgroundImage")
        assert "repeating-linear-gradient" in hatch
        expect(traffic.locator(".value").first).to_have_text("32,4")


@pytest.mark.parametrize(
    ("language", "word", "none"), [("vi", "BÁO ĐỘNG NGỪNG", "Không có báo động"), ("en", "ALERTS STALLED", "No alerts")]
)
def test_a_dead_alert_engine_looks_like_one(screen: OpenScreen, language: str, word: str, none: str) -> None:
    scene = scenes.calm()
    with FixtureCenter(scene) as center, screen(center.address) as wall:
        page = wall.open(f"/wall?lang={language}")
        wait_for_wall_in(page, language)
        alerts, header = page.locator("section[data-region=alerts]"), page.locator("header")
        panels = page.locator(".sectors > section")
        expect(alerts).to_contain_text(none)
        assert word not in page.locator(".wall").inner_text()
        center.change_city(engine_late=scene.stop_engine(73, "environment"))
        expect(alerts.get_by_role("status")).to_contain_text(re.compile(rf"{word} \S+ \d\d:\d\d:\d\d"))
        assert none not in alerts.inner_text(), "nobody knows that"
        expect(panels.nth(2).locator("h2")).to_contain_text(word)
        expect(panels.nth(0).locator("h2")).not_to_contain_text(word)
        expect(header.get_by_role("alert")).to_contain_text(re.compile(rf"{word} 1:1\d"))
        assert "gradient" in header.locator(".counts").evaluate("e => getComputedStyle(e).backgroundImage")
        center.change_city(engine_late=scene.stop_engine(20, "traffic", state="behind"))
        expect(panels.nth(0).locator("h2")).to_contain_text("CHẬM" if language == "vi" else "BEHIND")
        center.change_city(engine_late=scene.stop_engine(0))
        expect(alerts).to_contain_text(none)
        expect(header.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize(("language", "silent", "tide"), [("vi", "mất tín hiệu", "Triều"), ("en", "no signal", "Tide")])
def test_a_sensor_that_fell_silent_is_said_to_be_on_the_map_as_in_its_row(
    screen: OpenScreen, language: str, silent: str, tide: str
) -> None:
    scene = scenes.calm()
    mute = scene.alert("Triều vượt báo động III", scene.named("Sài Gòn"), asset="PA-01")
    speaking = scene.alert("Triều vượt báo động III", scene.named("Chợ Lớn"), asset="PA-02", value=1.71)
    scene.open(mute, speaking)
    scene.fall_silent(mute, 1.67, 860)
    with FixtureCenter(scene) as center, screen(center.address) as wall:
        page = wall.open(f"/wall?lang={language}")
        wait_for_wall_in(page, language)
        said = re.compile(rf"{silent} 14.(ph|min)")
        expect(page.locator(f"section[data-region=alerts] [data-alert='{mute['id']}']")).to_contain_text(said)
        callout = page.locator(".map .label", has_text="Sai Gon" if language == "en" else "Sài Gòn")
        expect(callout.locator(".what")).to_have_text(re.compile(rf"^{tide}.* {said.pattern}$"))
        other = page.locator(".map .label", has_text=re.compile("Cho Lon|Chợ Lớn"))
        expect(other.locator(".what")).to_have_text(re.compile(rf"^{tide}.* 1[,.]71.m$"))
        assert [t for t in page.evaluate(TEXTS) if t["cut"] or not t["inside"] or t["size"] < 27.99] == []


def test_the_console_says_of_when_a_value_is_and_that_nobody_judges(screen: OpenScreen) -> None:
    scene = scenes.calm()
    alert = scene.alert("Triều vượt báo động III", scene.named("Gia Định"), age_s=200, asset="PA-01")
    alert["last_data_at"] = "2026-11-22T07:00:05.000Z"
    scene.open(alert)
    with FixtureCenter(scene) as center, screen(center.address, 1366, 768) as desk:
        page = desk.open("/console")
        for place in (page.locator(".measure"), page.locator("[data-alert] small")):
            expect(place).to_contain_text(re.compile(r"1,62.m > 1,60 lúc.14:00"))
        expect(page.locator("main .head")).to_contain_text(re.compile(r"Gia Định · điểm đo.PA-01"))
        center.change_city(engine_late=scene.stop_engine(73, "environment"))
        expect(page.locator(".list [role=status]")).to_contain_text(re.compile(r"BÁO ĐỘNG NGỪNG từ \d\d:\d\d:\d\d"))
        ended = {**alert, "state": "normal"}
        center.transition("acknowledged", ended)
        expect(page.locator("[data-alert]")).to_have_count(0)
        expect(page.locator(".list")).not_to_contain_text("Không có báo động")


def test_an_alert_of_a_clock_that_is_ahead_is_no_news_for_ever(screen: OpenScreen) -> None:
    scene = scenes.calm()
    ahead = scene.alert("Ngập hơn 40 cm", scene.named("Sài Gòn"), age_s=-290)
    ahead["recorded_at"] = stamp(65)
    scene.open(ahead, scene.alert("Triều vượt báo động III", scene.named("Gia Định"), age_s=5))
    with FixtureCenter(scene) as center, screen(center.address) as wall:
        page = wall.open("/wall")
        wait_for_wall(page)
        rows = page.locator("section[data-region=alerts] li")
        expect(rows.nth(0)).to_contain_text("Triều vượt báo động III")
        expect(rows.nth(1)).to_contain_text(re.compile(r"1:[01]\d"))
        expect(rows.nth(1)).to_contain_text(re.compile(r"đồng hồ.\+5:55"))


def test_the_stage_is_no_word_on_how_the_city_is(screen: OpenScreen) -> None:
    with FixtureCenter(scenes.calm()) as center, screen(center.address) as wall:
        page = wall.open("/wall")
        wait_for_wall(page)
        stage = page.locator("header .stage")
        expect(stage).to_contain_text("Cấp điều hành")
        expect(stage).to_contain_text("do Nguyễn Thị Minh Khai đặt")
        expect(page.locator("header")).not_to_contain_text("Bình thường")
        center.change_city(stage={"level": 1, "name": scenes.both("Bình thường", "Normal"), "since": None, "by": None})
        expect(stage).to_contain_text("chưa ai đặt")
        center.change_city(stage={"level": 4, "name": scenes.both("Ứng phó", "Response"), "since": stamp()})
        expect(stage).to_contain_text("Ứng phó")


def test_in_a_flood_warnings_share_rows_and_no_critical_is_hidden(screen: OpenScreen) -> None:
    with FixtureCenter(scenes.crowded()) as center, screen(center.address) as wall:
        page = wall.open("/wall")
        wait_for_wall(page)
        rows = page.locator("section[data-region=alerts] li")
        expect(rows).to_have_count(7)
        expect(rows.first).to_contain_text("Đê bao bị tràn")
        assert page.locator("section[data-region=alerts] li.warning").count() == 0
        expect(page.locator("header")).to_contain_text("DỒN DẬP")
        expect(rows.nth(1)).to_contain_text("mức lạ “catastrophic”")
        assert 1 <= page.locator(".map .label").count() <= 12


def test_the_screen_reports_what_it_painted(screen: OpenScreen) -> None:
    scene = scenes.flood()
    with FixtureCenter(scene) as center, screen(center.address) as wall:
        page = wall.open("/wall?screen=north")
        wait_for_wall(page)
        for _ in range(25):
            page.wait_for_timeout(1_000)
            if center.painted:
                break
        assert center.painted == [{"type": "painted", "seq": scene.seq, "screen": "north"}]


@pytest.mark.parametrize(("width", "height", "ratio"), [(1920, 1080, 1), (1920, 1080, 2)])
def test_assets_are_dots_and_silent_ones_rings(screen: OpenScreen, width: int, height: int, ratio: float) -> None:
    drawn = """() => {
      const canvas = document.querySelector('.map canvas.assets');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const found = { wide: canvas.width, dots: 0, rings: 0 };
      for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] < 250) continue;
        if (data[i] === 0x97 && data[i + 1] === 0xa0) found.dots++;
        if (data[i] === 0xe6 && data[i + 1] === 0xe8) found.rings++;
      }
      return found;
    }"""
    with FixtureCenter(scenes.calm()) as center, screen(center.address, width, height, ratio) as wall:
        page = wall.open("/wall")
        wait_for_map(page)
        page.wait_for_timeout(1_500)
        found = page.evaluate(drawn)
        assert found["wide"] == 800 * ratio
        assert found["dots"] > 1_000 * ratio**2
        assert found["rings"] > 10 * ratio**2


NOTE_MAP_STATES = """
() => {
  const map = document.querySelector('.map');
  const note = () => { map.dataset.seen = `${map.dataset.seen ?? ''} ${map.dataset.map}`; };
  new MutationObserver(note).observe(map, { attributeFilter: ['data-map'] });
}
"""
"""A map that is rebuilt may be loading for less than the time between two looks of the test."""


def test_a_lost_webgl_context_is_rebuilt_once_then_drawn_as_svg(screen: OpenScreen) -> None:
    lose = """() => document.querySelector('.map .maplibregl-canvas').getContext('webgl2')
        .getExtension('WEBGL_lose_context').loseContext()"""
    with FixtureCenter(scenes.flood()) as center, screen(center.address) as wall:
        wall.expected = ("WebGL context was lost", "CONTEXT_LOST_WEBGL")
        page = wall.open("/wall")
        wait_for_map(page)
        page.evaluate(NOTE_MAP_STATES)
        page.evaluate(lose)
        expect(page.locator(".map")).to_have_attribute("data-seen", re.compile("loading"), timeout=10_000)
        wait_for_map(page)
        page.evaluate(lose)
        expect(page.locator(".map")).to_have_attribute("data-map", "svg", timeout=10_000)
        assert page.locator(".map path.abnormal").count() > 3


def test_without_webgl_the_map_is_svg(chromium_without_webgl: Browser) -> None:
    with FixtureCenter(scenes.flood()) as center:
        context = chromium_without_webgl.new_context(viewport={"width": 1920, "height": 1080})
        with Screen(context, center.address) as wall:
            wall.expected = ("WebGL", "webglcontextcreationerror")
            page = wall.open("/wall")
            expect(page.locator(".map")).to_have_attribute("data-map", "svg", timeout=MAP_READY)
            assert page.locator(".map path.abnormal").count() > 3


def test_an_acknowledgement_on_the_console_shows_on_the_wall(screen: OpenScreen) -> None:
    scene = scenes.flood()
    with (
        FixtureCenter(scene) as center,
        screen(center.address) as wall,
        screen(center.address, 1366, 768) as first,
        screen(center.address, 1366, 768) as second,
    ):
        page = wall.open("/wall")
        wait_for_wall(page)
        alert = next(a for a in scene.alerts.values() if a["title"]["vi"].startswith("Triều"))
        hands = [desk.open(f"/console?alert={alert['id']}") for desk in (first, second)]
        second.expected = ("409",)
        for hand in hands:
            expect(hand.locator("h1")).to_have_text("Triều vượt báo động III")
        row = hands[0].locator(f".list [data-alert='{alert['id']}']")
        row.locator(".act").click()
        expect(row.locator(".act")).to_have_count(0)
        on_wall = page.locator(f"section[data-region=alerts] [data-alert='{alert['id']}']")
        expect(on_wall).not_to_have_class("unacknowledged")
        expect(on_wall).to_contain_text("Trần Hương")
        told = hands[1].evaluate(
            "async (id) => (await fetch(`/api/v1/alerts/${id}/acknowledge`, {method: 'POST'})).json()", alert["id"]
        )
        assert "Trần Hương" in json.dumps(told, ensure_ascii=False)
