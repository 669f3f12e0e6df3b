"""Screens without a person: paired by code or by link, and dark once their access ends."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from citywatch.embedded.broker import EmbeddedBroker
from tests.browser.conftest import OpenScreen
from tests.browser.real_center import RealCenter
from tests.browser.test_sign_in import sign_in

pytestmark = pytest.mark.browser

CODE = re.compile(r"^[0-9A-Z]{4}-[0-9A-Z]{4}$")
# What the browser itself writes into the console about an answer that a test has provoked.
REFUSED = ("Failed to load resource", "citywatch: signed_out", "citywatch: rights_changed")
NO_LONGER = "MÀN HÌNH NÀY KHÔNG CÒN QUYỀN"
MINUTE_IS_A_SECOND = """
const after = window.setTimeout;
window.setTimeout = (action, ms, ...rest) => after(action, ms === 60000 ? 3000 : ms, ...rest);
"""
QUICK_CODES = """
const ask = window.fetch;
window.fetch = async (address, options) => {
  const answer = await ask(address, options);
  if (!String(address).endsWith('/devices/pairing') || !answer.ok) return answer;
  return new Response(JSON.stringify({ ...(await answer.json()), expires_in_s: 3 }), { status: 201 });
};
"""


@pytest.fixture
def center(postgres_dsn: str, embedded_broker: EmbeddedBroker) -> Iterator[RealCenter]:
    with RealCenter(postgres_dsn, embedded_broker.bootstrap) as one:
        yield one


def opens(page: Page) -> None:
    expect(page.locator("header")).to_contain_text("Trực tiếp")
    expect(page.locator("section[data-region=alerts]")).to_be_visible()


def test_pairing_by_a_code_that_an_operator_types(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Lan", "operator")
    center.raise_alert(short={"vi": "Triều vượt BĐ III", "en": "Tide"})
    with screen(center.address) as wall, screen(center.address, 1366, 768) as desk:
        page = wall.open("/wall")
        page.evaluate("window.sameDocument = true")
        code = page.locator("[data-code]")
        expect(code).to_have_text(CODE)
        assert float(code.evaluate("element => parseFloat(getComputedStyle(element).fontSize)")) >= 120
        expect(page.get_by_role("timer")).to_contain_text(re.compile(r"Mã mới sau (10:00|9:\d\d)"))
        expect(page.locator("[lang=en]").first).to_contain_text("Administration")
        hands = desk.open("/console/admin/screens")
        sign_in(hands, "Lan")
        # As people type it: in small letters, without the dash.
        hands.get_by_label("Mã trên màn hình").fill(code.inner_text().lower().replace("-", ""))
        hands.get_by_label("Đặt tên màn hình").fill("sảnh, bên trái")
        hands.get_by_role("button", name="Ghép", exact=True).click()
        expect(hands.get_by_role("status")).to_have_text("sảnh, bên trái: đã ghép.")
        opens(page)
        expect(page.locator("section[data-region=alerts]")).to_contain_text("Triều vượt BĐ III")
        assert page.evaluate("window.sameDocument")
        (cookie,) = page.context.cookies()
        assert cookie["httpOnly"]
        assert page.evaluate("document.cookie") == ""
        expect(hands.locator("[data-device='sảnh, bên trái']")).to_contain_text("Lan")
        # An operator may pair, and not revoke.
        expect(hands.get_by_role("button", name="Thu hồi")).to_have_count(0)
        page.reload()
        opens(page)


def test_a_wrong_code_pairs_nothing(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Lan", "operator")
    with screen(center.address, 1366, 768) as desk:
        desk.expected = REFUSED
        hands = desk.open("/console/admin/screens")
        sign_in(hands, "Lan")
        hands.get_by_label("Mã trên màn hình").fill("ABCD-EFGH")
        hands.get_by_label("Đặt tên màn hình").fill("sảnh")
        hands.get_by_role("button", name="Ghép", exact=True).click()
        expect(hands.get_by_role("alert")).to_contain_text("Không màn hình nào đang hiện mã này")
        expect(hands.get_by_label("Đặt tên màn hình")).to_have_value("sảnh")
        assert center.screens() == []


def test_a_code_that_ran_out_is_replaced_by_another(center: RealCenter, screen: OpenScreen) -> None:
    with screen(center.address) as wall:
        wall.expected = REFUSED
        wall.page.add_init_script(QUICK_CODES)
        page = wall.open("/wall")
        code = page.locator("[data-code]")
        expect(code).to_have_text(CODE)
        first = code.inner_text()
        expect(code).not_to_have_text(first)
        expect(code).to_have_text(CODE)
        second = code.inner_text()
        center.let_codes_run_out()  # as center counts, whatever this screen's clock says
        expect(code).not_to_have_text(second)


def test_the_pairing_screen_says_that_center_is_away(center: RealCenter, screen: OpenScreen) -> None:
    with screen(center.address) as wall:
        wall.expected = REFUSED
        page = wall.open("/wall")
        expect(page.locator("[data-code]")).to_have_text(CODE)
        page.context.set_offline(True)
        expect(page.get_by_role("alert")).to_contain_text("Không nối được với trung tâm")
        page.context.set_offline(False)
        expect(page.get_by_role("alert")).to_have_count(0)
        expect(page.locator("[data-code]")).to_have_text(CODE)


def test_a_link_opens_the_wall_and_leaves_the_address(center: RealCenter, screen: OpenScreen) -> None:
    link = center.link("phòng họp")
    with screen(center.address) as wall:
        page = wall.open(f"/wall?inch=98#link={link}")
        opens(page)
        assert page.url == center.address + "/wall?inch=98"
        page.go_back()
        assert link not in page.url
        assert [one.name for one in center.screens()] == ["phòng họp"]


def test_a_link_that_is_opened_again_keeps_the_screen_it_made(center: RealCenter, screen: OpenScreen) -> None:
    once, often = center.link("phòng họp"), center.link("sảnh", uses=9)
    with screen(center.address) as wall:
        wall.expected = REFUSED
        for link, name in ((often, "sảnh"), (often, "sảnh"), (once, "phòng họp"), (once, "phòng họp")):
            page = wall.open("/openapi.json")  # only another document reads the address anew
            page = wall.open(f"/wall#link={link}")
            opens(page)
            assert [one.name for one in center.screens()] == [name]


def test_a_link_is_made_on_the_page_and_opens_a_wall(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Lan", "operator", sectors=("traffic",))
    with screen(center.address, 1366, 768) as desk, screen(center.address) as wall:
        desk.expected = REFUSED
        desk.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        hands = desk.open("/console/admin/screens")
        sign_in(hands, "Lan")
        hands.get_by_label("Tên cho các màn hình này").fill("phòng họp")
        hands.get_by_label("Số màn hình").fill("3")
        hands.get_by_role("button", name="Tạo đường dẫn").click()
        secret = hands.locator("[data-secret]")
        expect(secret).to_have_text(re.compile(rf"^{center.address}/wall#link=[A-Za-z0-9_-]{{43}}$"))
        hands.get_by_role("button", name="Chép").click()
        expect(hands.get_by_role("button", name="Đã chép")).to_be_visible()
        assert hands.evaluate("navigator.clipboard.readText()") == secret.inner_text()
        opens(wall.open(secret.inner_text().removeprefix(center.address)))
        (paired,) = center.screens()
        assert (paired.name, paired.sectors, paired.paired_by) == ("phòng họp", ["traffic"], "Lan")
        hands.get_by_role("button", name="Cất đi").click()
        expect(secret).to_have_count(0)
        hands.reload()
        expect(hands.locator("[data-device='phòng họp']")).to_be_visible()
        assert secret.count() == 0, "shown once"


def test_a_link_that_was_used_up_leads_to_a_code(center: RealCenter, screen: OpenScreen) -> None:
    link = center.link("phòng họp")
    with screen(center.address) as wall, screen(center.address) as other:
        opens(wall.open(f"/wall#link={link}"))
        other.expected = REFUSED
        page = other.open(f"/wall#link={link}")
        expect(page.locator("[data-code]")).to_have_text(CODE)
        expect(page.locator("main")).to_contain_text("Đường dẫn đã mở không còn dùng được.")
        assert link not in page.url


def test_a_revoked_wall_says_so_at_once_and_then_asks_again(center: RealCenter, screen: OpenScreen) -> None:
    center.raise_alert()
    with screen(center.address) as wall:
        wall.expected = REFUSED
        wall.page.add_init_script(MINUTE_IS_A_SECOND)
        page = wall.open(f"/wall#link={center.link('sảnh')}")
        opens(page)
        center.revoke("sảnh")
        header = page.locator("header")
        expect(header).to_contain_text(NO_LONGER, timeout=3_000)
        expect(header).not_to_contain_text("Trực tiếp")
        veil = page.locator("main.blind .veil")
        expect(veil).to_contain_text(NO_LONGER)
        assert veil.locator("b").evaluate("e => parseFloat(getComputedStyle(e).fontSize)") > 79
        assert veil.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(27, 30, 34)"
        for shown in ("section", ".map", "header .counts", "header .stage"):
            expect(page.locator(shown)).to_have_count(0)  # no figure of before can be taken for one of now
        expect(page.locator("[data-code]")).to_have_text(CODE, timeout=10_000)
        expect(page.locator("section[data-region=alerts]")).to_have_count(0)


def test_a_wall_that_may_look_by_another_right_goes_on(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Lan", "operator")
    with screen(center.address) as wall:
        wall.expected = REFUSED
        page = wall.open(f"/wall#link={center.link('sảnh')}")
        opens(page)
        page.goto(center.address + "/console")
        sign_in(page, "Lan")
        expect(page.locator("header").get_by_role("status")).to_contain_text("Trực tiếp")
        page.goto(center.address + "/wall")
        opens(page)
        center.end_sessions("Lan")  # what is left is the screen's own right
        with page.expect_response("**/api/v1/session"):
            pass
        opens(page)
        expect(page.locator("header")).not_to_contain_text(NO_LONGER)


def test_a_wall_of_one_sector_shows_that_sector(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Lan", "operator", sectors=("traffic",))
    center.raise_alert(1, short={"vi": "Triều vượt BĐ III", "en": "Tide"})
    center.raise_alert(2, sector="traffic", short={"vi": "Kẹt xe kéo dài", "en": "Jam"})
    with screen(center.address) as wall, screen(center.address, 1366, 768) as desk:
        page = wall.open("/wall")
        code = page.locator("[data-code]")
        expect(code).to_have_text(CODE)
        hands = desk.open("/console/admin/screens")
        sign_in(hands, "Lan")
        hands.get_by_label("Mã trên màn hình").fill(code.inner_text())
        hands.get_by_label("Đặt tên màn hình").fill("giao thông")
        hands.get_by_role("button", name="Ghép", exact=True).click()
        alerts = page.locator("section[data-region=alerts]")
        expect(alerts).to_contain_text("Kẹt xe kéo dài")
        expect(alerts).not_to_contain_text("Triều vượt")
        expect(hands.locator("[data-device='giao thông']")).to_contain_text("Giao thông")
