"""What people do at the console, with a real center behind it: acts on an alert, and the pages beside the alerts."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Route, expect

from alerts.grouping import Incidents
from city.sectors import Catalogue
from city.settings import DEFAULT_CITY
from city.zones import ZoneMap
from citywatch.embedded.broker import EmbeddedBroker
from tests.browser.conftest import OpenScreen
from tests.browser.real_center import RealCenter
from tests.browser.test_sign_in import REFUSED, sign_in

pytestmark = pytest.mark.browser
ZONE = "26740"
MINE = re.compile(r"^Chính bạn đã đổi ở nơi khác: Đã thấy lúc \d\d:\d\d:\d\d\. Xin xem lại\.$")


@pytest.fixture
def center(postgres_dsn: str, embedded_broker: EmbeddedBroker) -> Iterator[RealCenter]:
    with RealCenter(postgres_dsn, embedded_broker.bootstrap) as one:
        yield one


def test_an_alert_is_silenced_accepted_commented_and_shelved_and_the_shelf_is_ended(
    center: RealCenter, screen: OpenScreen
) -> None:
    center.account("Lan", "operator")
    center.raise_alert(1)
    with screen(center.address, 1366, 768) as desk:
        desk.expected = REFUSED
        page = desk.open("/console")
        sign_in(page, "Lan")
        acts = page.locator("section", has=page.get_by_role("heading", name="Xử lý"))
        history = page.locator("section", has=page.get_by_role("heading", name="Diễn biến"))
        acts.get_by_label("Vị trí trực").fill("Bàn 1")
        acts.get_by_role("button", name="Tắt tiếng").click()
        expect(acts).to_contain_text("Đã tắt tiếng ở")
        acts.get_by_role("button", name="Nhận xử lý").click()
        expect(acts.locator("dd").first).to_have_text("Lan")
        expect(acts.get_by_role("heading")).to_contain_text("đã thấy")
        acts.get_by_label("Ghi chú").fill("Đã gọi trạm bơm")
        acts.get_by_role("button", name="Ghi chú").click()
        expect(history).to_contain_text("Đã gọi trạm bơm")
        acts.get_by_label("Lý do").fill("cảm biến đang sửa")
        acts.get_by_role("button", name="Tạm gác").click()
        expect(page.locator("[data-alert]")).to_have_count(0)
        page.get_by_role("link", name="Điều hành").click()
        page.get_by_role("link", name="Đang gác").click()
        shelf = page.locator("[data-shelf]")
        expect(shelf).to_contain_text("cảm biến đang sửa")
        shelf.get_by_role("button", name="Kết thúc").click()
        page.get_by_role("button", name="Kết thúc ngay").click()
        expect(page.locator("[data-shelf]")).to_have_count(0)
        page.get_by_role("link", name="Báo động đang mở").click()
        expect(page.locator("li[data-alert]")).to_have_count(1)
        for word in ("Tắt tiếng", "Nhận xử lý", "Ghi chú", "Tạm gác", "Thôi gác"):
            expect(history).to_contain_text(word)


def test_of_two_hands_the_slower_is_told_whose_was_faster_and_nobody_that_of_themselves(
    center: RealCenter, screen: OpenScreen
) -> None:
    for name in ("Lan", "Minh"):
        center.account(name, "operator")
    center.raise_alert(1)
    with screen(center.address, 1366, 768) as here, screen(center.address, 1366, 768) as there:
        here.expected = there.expected = (*REFUSED, "409")
        slow, fast = here.open("/console"), there.open("/console")
        sign_in(slow, "Lan")
        sign_in(fast, "Lan")
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        slow.route("**/alerts/*/accept", hold)
        with slow.expect_request("**/alerts/*/accept"):
            slow.get_by_role("button", name="Nhận xử lý").click()
        fast.locator("section").get_by_role("button", name="Đã thấy").click()
        expect(fast.locator("section").get_by_role("button", name="Đã thấy")).to_have_count(0)
        held.pop().continue_()
        told = slow.locator("section").get_by_role("alert")
        expect(told).to_have_text(MINE)

        fast.locator("header").get_by_role("button", name="Lan").click()
        fast.get_by_role("button", name="Đăng xuất").click()
        sign_in(fast, "Minh")
        slow.route("**/alerts/*/comment", hold)
        words = slow.get_by_label("Ghi chú")
        words.fill("Đã gọi trạm bơm")
        with slow.expect_request("**/alerts/*/comment"):
            slow.get_by_role("button", name="Ghi chú").click()
        fast.get_by_label("Ghi chú").fill("Trạm bơm không trả lời")
        fast.get_by_role("button", name="Ghi chú").click()
        history = slow.locator("section", has=slow.get_by_role("heading", name="Diễn biến"))
        expect(history).to_contain_text("Trạm bơm không trả lời")
        held.pop().continue_()
        expect(told).to_contain_text(re.compile(r"^Minh nhanh hơn: Ghi chú lúc "))
        expect(words).to_have_value("Đã gọi trạm bơm")  # what was written is not lost, and goes with the next try
        slow.unroute("**/alerts/*/comment")
        slow.get_by_role("button", name="Ghi chú").click()
        expect(history).to_contain_text("Đã gọi trạm bơm")
        expect(told).to_have_count(0)


def test_words_begun_outlast_a_step_of_the_alert_and_one_that_is_over_takes_more_than_one(
    center: RealCenter, screen: OpenScreen
) -> None:
    center.account("Chief", "supervisor")
    alert = center.raise_alert(1)
    with screen(center.address, 1366, 768) as desk:
        desk.expected = REFUSED
        page = desk.open(f"/console?alert={alert}")
        sign_in(page, "Chief")
        acts = page.locator("section", has=page.get_by_role("heading", name="Xử lý"))
        history = page.locator("section", has=page.get_by_role("heading", name="Diễn biến"))
        words = acts.get_by_label("Ghi chú")
        words.fill("Trạm bơm đang")
        acts.get_by_role("button", name="Đã thấy").click()
        expect(acts.get_by_role("heading")).to_contain_text("đã thấy")
        expect(words).to_have_value("Trạm bơm đang")
        center.clear_alert(alert)
        expect(acts.get_by_role("heading")).to_contain_text("đã hết")
        for said in ("Trạm bơm đã chạy", "Nước đã rút"):
            words.fill(said)
            acts.get_by_role("button", name="Ghi chú").click()
            expect(history).to_contain_text(said)
        expect(acts.get_by_role("alert")).to_have_count(0)


def test_an_address_beyond_ones_role_says_so_and_offers_what_there_is(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Lan", "operator")
    with screen(center.address, 1366, 768) as desk:
        desk.expected = REFUSED
        page = desk.open("/console/operation/backtests")
        sign_in(page, "Lan")
        expect(page.locator("main").get_by_role("alert")).to_have_text("Vai trò của bạn không được làm việc này.")
        expect(page.get_by_role("link", name="Thử quy tắc")).to_have_count(0)
        page.get_by_role("link", name="Cấp điều hành").click()
        expect(page.get_by_role("heading", name="Cấp điều hành 1")).to_be_visible()


def test_a_supervisor_sees_what_a_window_would_hide_sets_the_stage_and_hands_over(
    center: RealCenter, screen: OpenScreen
) -> None:
    center.account("Chief", "supervisor")
    center.raise_alert(1)
    with screen(center.address, 1366, 768) as desk:
        desk.expected = REFUSED
        page = desk.open("/console/operation/hidden")
        sign_in(page, "Chief")
        page.get_by_label("Thiết bị").fill("PA-*")
        page.get_by_label("Lý do").fill("thay cảm biến")
        page.get_by_role("button", name="Xem trước").click()
        expect(page.get_by_role("status")).to_contain_text("Đang mở sẽ ẩn: 1")
        page.get_by_role("button", name="Đặt đợt bảo trì").click()
        expect(page.locator("[data-window]")).to_contain_text("thay cảm biến")
        page.get_by_role("link", name="Cấp điều hành").click()
        page.get_by_label("Cấp điều hành").select_option("3")
        page.get_by_label("Lý do").fill("triều cường")
        page.get_by_role("button", name="Đặt cấp").click()
        expect(page.get_by_role("heading", name="Cấp điều hành 3")).to_be_visible()
        page.get_by_role("link", name="Sức khoẻ báo động").click()
        expect(page.get_by_role("heading", name="Sức khoẻ báo động")).to_be_visible()
        page.get_by_role("link", name="Giao ca").click()
        page.get_by_label("Vị trí trực").fill("Bàn 1")
        page.get_by_role("button", name="Nhận ca").click()
        expect(page.locator("[data-shift]")).to_contain_text("Chief")
        page.get_by_label("Ghi chú mới").fill("trực bơm đến 06:00")
        page.get_by_role("button", name="Ghim").click()
        expect(page.locator("[data-note]")).to_contain_text("trực bơm đến 06:00")
        expect(page.locator("[data-alert]")).to_contain_text("đang bảo trì: thay cảm biến")


def test_an_incident_is_read_from_its_first_alert_to_the_last_word(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Lan", "operator")
    first = center.raise_alert(1, zone=ZONE, severity="warning")
    center.raise_alert(2, zone=ZONE, sector="traffic", severity="critical")
    center.raise_alert(3, zone=None, sector="health")

    async def grouped() -> None:
        catalogue, zones = Catalogue.load(DEFAULT_CITY), ZoneMap.load(DEFAULT_CITY)
        follower = Incidents(center.pool, catalogue, zones, "test")
        assert await follower._lease.acquire()
        await follower.step()

    center.do(grouped())
    with screen(center.address, 1366, 768) as desk:
        desk.expected = REFUSED
        page = desk.open(f"/console?alert={first}")
        sign_in(page, "Lan")
        acts = page.locator("section", has=page.get_by_role("heading", name="Xử lý"))
        acts.get_by_label("Ghi chú").fill("Đã gọi trạm bơm")
        acts.get_by_role("button", name="Ghi chú").click()
        page.get_by_role("link", name="Điều hành").click()
        page.get_by_role("link", name="Sự cố").click()
        rows = page.locator("[data-incident]")
        expect(rows).to_have_count(2)
        rows.nth(1).get_by_role("button").click()
        entries = page.locator("[data-entry]")
        expect(entries).to_have_count(3)
        assert entries.evaluate_all("(all) => all.map((one) => one.dataset.entry)") == ["raised", "raised", "commented"]
        expect(entries.nth(0)).to_contain_text("Báo động đầu tiên")
        expect(page.get_by_text("Báo động đầu tiên", exact=True)).to_have_count(2)  # head and entry
        expect(entries.nth(2)).to_contain_text("Đã gọi trạm bơm")
        entries.nth(0).get_by_role("link").click()
        expect(page.locator("li[data-alert].chosen")).to_have_attribute("data-alert", first)
        acts.get_by_label("Lý do").fill("cảm biến đang sửa")
        acts.get_by_role("button", name="Tạm gác").click()
        expect(page.locator("li[data-alert]")).to_have_count(2)
        expect(acts).to_contain_text("tạm gác")  # it is no more among the others, and still before whoever shelved it
        center.clear_alert(first)
        expect(acts).to_contain_text("đã hết")
        page.reload()
        expect(acts).to_contain_text("đã hết")
