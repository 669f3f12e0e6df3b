"""A rule is tried on what happened, at the console, with a real center behind it: mistakes, picture and figures."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from alerts import rulebook
from alerts.rulefile import parse_rules
from city.sectors import Catalogue
from city.settings import DEFAULT_CITY
from citywatch.embedded.broker import EmbeddedBroker
from tests.alerts.streets import FLOOD
from tests.browser.conftest import OpenScreen
from tests.browser.real_center import RealCenter
from tests.browser.test_sign_in import REFUSED, sign_in
from tests.center.test_backtests import ELSEWHERE, HIGHER, READINGS, SERIES, SILENT, ZONE

pytestmark = pytest.mark.browser


@pytest.fixture
def center(postgres_dsn: str, embedded_broker: EmbeddedBroker) -> Iterator[RealCenter]:
    with RealCenter(postgres_dsn, embedded_broker.bootstrap) as one:
        yield one


async def flood(center: RealCenter) -> None:
    """Two streets that flood three times in an hour; the rule on it is in force."""
    for name, zone, depth in (("F-1", ZONE, 20.0), ("F-2", ELSEWHERE, 28.0)):
        await center.pool.execute(READINGS, await center.pool.fetchval(SERIES, name, zone), depth)
    await rulebook.apply_rules(center.pool, parse_rules(FLOOD, Catalogue.load(DEFAULT_CITY)), "test")


def test_a_supervisor_tries_a_rule_beside_the_one_in_force(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Chief", "supervisor")
    center.do(flood(center))
    with screen(center.address, 1366, 900) as desk:
        desk.expected = REFUSED
        page = desk.open("/console/operation/backtests")
        sign_in(page, "Chief")
        text = page.get_by_label("Quy tắc (YAML)")
        page.get_by_label("Từ lúc").fill("2025-11-30T00:00")
        page.get_by_label("Đến", exact=True).fill("2025-12-03T00:00")
        text.fill(HIGHER.replace("sector: environment", "sector: weather"))
        page.get_by_role("button", name="Thử", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("rule.yaml:5: unknown sector 'weather'")
        text.fill(HIGHER)
        page.get_by_role("button", name="Thử", exact=True).click()
        expect(page.locator("figure")).to_have_count(2)
        expect(page.get_by_role("alert")).to_have_count(0)
        row = page.get_by_role("row", name="Sẽ báo động")
        expect(row.get_by_role("cell")).to_have_text(["Sẽ báo động", "4", "6"])
        page.reload()  # it is kept for an hour
        expect(row.get_by_role("cell")).to_have_text(["Sẽ báo động", "4", "6"])
        text.fill(SILENT)
        page.get_by_label("Đến", exact=True).fill("2026-11-20T00:00")
        page.get_by_label("Từ lúc").fill("2025-11-30T00:00")
        page.get_by_role("button", name="Thử", exact=True).click()
        expect(page.get_by_role("progressbar")).to_be_visible()
        page.get_by_role("button", name="Dừng").click()
        expect(page.get_by_role("progressbar")).to_have_count(0)


def test_an_operator_has_no_such_page(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Lan", "operator")
    with screen(center.address, 1366, 768) as desk:
        desk.expected = REFUSED
        page = desk.open("/console/operation/backtests")
        sign_in(page, "Lan")
        expect(page.get_by_role("link", name="Giao ca")).to_be_visible()
        expect(page.get_by_role("link", name="Thử quy tắc")).to_have_count(0)
