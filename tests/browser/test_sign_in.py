"""People at the console: in by name and password, out again, and what each role is shown."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from citywatch.embedded.broker import EmbeddedBroker
from tests.browser.conftest import OpenScreen
from tests.browser.real_center import PASSWORD, RealCenter

pytestmark = pytest.mark.browser

REFUSED = ("Failed to load resource", "citywatch: signed_out", "citywatch: rights_changed")
OWN = "sáng nay trời trong xanh"


@pytest.fixture
def center(postgres_dsn: str, embedded_broker: EmbeddedBroker) -> Iterator[RealCenter]:
    with RealCenter(postgres_dsn, embedded_broker.bootstrap) as one:
        yield one


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Tên tài khoản").fill(name)
    page.get_by_label("Mật khẩu").fill(password)
    page.get_by_role("button", name="Đăng nhập").click()


def test_signing_in_and_out(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Lan", "operator")
    with screen(center.address, 1366, 768) as desk:
        desk.expected = REFUSED
        page = desk.open("/console")
        expect(page.get_by_role("heading", name="Đăng nhập")).to_be_visible()
        sign_in(page, "Lan", "không phải mật khẩu này")
        expect(page.get_by_role("alert")).to_contain_text("Tên hoặc mật khẩu không đúng.")
        expect(page.get_by_label("Tên tài khoản")).to_have_value("Lan")
        sign_in(page, "lan")
        expect(page.locator("header").get_by_role("status")).to_contain_text("Trực tiếp")
        page.get_by_role("button", name=re.compile("Lan")).click()
        expect(page.locator("#account-menu")).to_contain_text("trực ban")
        expect(page.locator("#account-menu")).to_contain_text("mọi lĩnh vực")
        page.get_by_role("button", name="Đăng xuất").click()
        expect(page.get_by_role("heading", name="Đăng nhập")).to_be_visible()
        assert center.sessions_of("Lan") == 0
        cookies = page.context.cookies()
        assert cookies == []


def test_the_menu_names_the_sectors_of_a_scope(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Lan", "operator", sectors=("traffic", "health"))
    with screen(center.address, 1366, 768) as desk:
        desk.expected = REFUSED
        page = desk.open("/console")
        sign_in(page, "Lan")
        page.get_by_role("button", name=re.compile("Lan")).click()
        expect(page.locator("#account-menu")).to_contain_text("Y tế, Giao thông · mọi phường")
        expect(page.locator("#account-menu")).not_to_contain_text("traffic")


def test_the_cookie_is_out_of_reach_of_scripts(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Lan", "operator")
    with screen(center.address, 1366, 768) as desk:
        desk.expected = REFUSED
        page = desk.open("/console")
        sign_in(page, "Lan")
        expect(page.locator("header").get_by_role("status")).to_contain_text("Trực tiếp")
        (cookie,) = page.context.cookies()
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Lax"
        assert page.evaluate("document.cookie") == ""
        assert page.evaluate("[...Object.values(localStorage), ...Object.values(sessionStorage)]") == []


def test_a_lock_is_told_to_admins_and_to_nobody_else(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Lan", "operator")
    center.account("Chief", "admin")
    with screen(center.address, 1366, 768) as desk, screen(center.address, 1366, 768) as hands:
        desk.expected = hands.expected = REFUSED
        page = desk.open("/console?lang=en")
        said = set()
        for password in ["no idea what it was"] * 5 + [PASSWORD]:
            page.get_by_label("Account name").fill("Lan")
            page.get_by_label("Password").fill(password)
            with page.expect_response("**/api/v1/session"):
                page.get_by_role("button", name="Sign in").click()
            said.add(page.get_by_role("alert").inner_text())
        assert len(said) == 1, "the right password reads like a wrong one"
        assert said.pop().startswith("Name or password is wrong.")
        admin = hands.open("/console/admin/accounts")
        sign_in(admin, "Chief")
        row = admin.locator("[data-account=Lan]")
        expect(row).to_contain_text("tạm khoá")
        row.get_by_role("button", name="Mở khoá").click()
        expect(row).not_to_contain_text("tạm khoá")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("header").get_by_role("status")).to_contain_text("Live")


def test_a_first_password_is_changed_before_anything_else(center: RealCenter, screen: OpenScreen) -> None:
    first = center.account("Minh", "admin", first=True)
    with screen(center.address, 1366, 768) as desk:
        desk.expected = REFUSED
        page = desk.open("/console/admin/accounts")
        sign_in(page, "Minh", first)
        expect(page.get_by_role("heading", name="Đặt mật khẩu của bạn")).to_be_visible()
        for old, new, again, said in (
            (first, "ngắn quá", "ngắn quá", "ít nhất 12"),
            (first, OWN, OWN + "!", "không giống nhau"),
            ("sai rồi sai rồi", OWN, OWN, "Mật khẩu hiện nay không đúng"),
        ):
            page.get_by_label("Mật khẩu hiện nay").fill(old)
            page.get_by_label("Mật khẩu mới", exact=True).fill(new)
            page.get_by_label("Nhập lại mật khẩu mới").fill(again)
            page.get_by_role("button", name="Đổi mật khẩu").click()
            expect(page.get_by_role("alert")).to_contain_text(said)
        page.get_by_label("Mật khẩu hiện nay").fill(first)
        page.get_by_label("Mật khẩu mới", exact=True).fill(OWN)
        page.get_by_label("Nhập lại mật khẩu mới").fill(OWN)
        page.get_by_role("button", name="Đổi mật khẩu").click()
        # The page that was asked for, and no other.
        expect(page.locator("[data-account=Minh]")).to_contain_text("quản trị")


def test_a_viewer_sees_no_act_and_an_operator_does(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Nhìn", "viewer")
    center.account("Lan", "operator")
    alert = center.raise_alert(title={"vi": "Triều vượt báo động III", "en": "Tide"})
    row = f"[data-alert='{alert}']"
    with screen(center.address, 1366, 768) as first, screen(center.address, 1366, 768) as second:
        first.expected = second.expected = REFUSED
        viewer = first.open("/console")
        sign_in(viewer, "Nhìn")
        expect(viewer.locator(row)).to_be_visible()
        expect(viewer.locator(row).get_by_role("button", name="Đã thấy")).to_have_count(0)
        viewer.get_by_role("button", name=re.compile("Nhìn")).click()
        expect(viewer.get_by_role("link", name="Quản trị")).to_have_count(0)
        operator = second.open("/console")
        sign_in(operator, "Lan")
        operator.locator(row).get_by_role("button", name="Đã thấy").click()
        expect(operator.locator(row)).not_to_have_class(re.compile("unacknowledged"))
        expect(operator.locator("main")).to_contain_text("Lan")
        # Also who may not act sees who did.
        expect(viewer.locator(row)).not_to_have_class(re.compile("unacknowledged"))


def test_a_role_that_changes_while_connected_changes_what_is_shown(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Lan", "viewer")
    alert = center.raise_alert()
    act = f"[data-alert='{alert}'] .act"
    with screen(center.address, 1366, 768) as desk:
        desk.expected = REFUSED
        page = desk.open("/console")
        sign_in(page, "Lan")
        expect(page.locator(f"[data-alert='{alert}']")).to_be_visible()
        expect(page.locator(act)).to_have_count(0)
        center.change("Lan", "operator")
        expect(page.locator(act)).to_have_count(1)
        center.change("Lan", "viewer")
        expect(page.locator(act)).to_have_count(0)


def test_a_session_that_runs_out_keeps_what_was_typed(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Minh", "admin")
    with screen(center.address, 1366, 768) as desk:
        desk.expected = REFUSED
        page = desk.open("/console/admin/accounts")
        sign_in(page, "Minh")
        expect(page.get_by_role("heading", name="Tài khoản mới")).to_be_visible()
        page.get_by_label("Tên tài khoản").fill("Hương, ca đêm")
        page.get_by_label("Giao thông").check()
        center.end_sessions("Minh")
        while page.context.request.get(center.address + "/api/v1/session").json()["principal"]:
            page.wait_for_timeout(100)
        page.get_by_role("button", name="Tạo tài khoản").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Phiên đã hết")
        page.keyboard.press("Escape")
        expect(dialog).to_be_visible()
        dialog.get_by_label("Mật khẩu").fill(PASSWORD)
        dialog.get_by_role("button", name="Đăng nhập").click()
        expect(dialog).to_have_count(0)
        expect(page.get_by_label("Tên tài khoản")).to_have_value("Hương, ca đêm")
        page.get_by_role("button", name="Tạo tài khoản").click()
        expect(page.locator("[data-account='Hương, ca đêm']")).to_contain_text("Giao thông")
        expect(page.locator("[data-secret]")).to_have_text(re.compile(r"^\S{12,}$"))


def test_the_console_notices_an_ended_session_at_once(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Lan", "operator")
    with screen(center.address, 1366, 768) as desk:
        desk.expected = REFUSED
        page = desk.open("/console")
        sign_in(page, "Lan")
        expect(page.locator("header").get_by_role("status")).to_contain_text("Trực tiếp")
        center.end_sessions("Lan")
        expect(page.get_by_role("dialog")).to_be_visible(timeout=10_000)
        page.get_by_role("dialog").get_by_label("Mật khẩu").fill(PASSWORD)
        page.get_by_role("dialog").get_by_role("button", name="Đăng nhập").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.locator("header").get_by_role("status")).to_contain_text("Trực tiếp")


def test_signing_out_elsewhere(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Lan", "operator")
    with screen(center.address, 1366, 768) as here, screen(center.address, 1366, 768) as there:
        here.expected = there.expected = REFUSED
        elsewhere = there.open("/console")
        sign_in(elsewhere, "Lan")
        expect(elsewhere.locator("header").get_by_role("status")).to_contain_text("Trực tiếp")
        page = here.open("/console/me")
        sign_in(page, "Lan")
        page.get_by_role("button", name="Đăng xuất ở mọi nơi khác").click()
        expect(page.get_by_role("status")).to_have_text("Số phiên đã kết thúc: 1")
        expect(elsewhere.get_by_role("dialog")).to_be_visible()
        assert center.sessions_of("Lan") == 1


def test_ending_one_session_and_somebody_elses(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Lan", "operator")
    center.account("Minh", "admin")
    with screen(center.address, 1366, 768) as here, screen(center.address, 1366, 768) as there:
        here.expected = there.expected = REFUSED
        elsewhere = there.open("/console")
        sign_in(elsewhere, "Lan")
        expect(elsewhere.locator("header").get_by_role("status")).to_contain_text("Trực tiếp")
        page = here.open("/console/me")
        sign_in(page, "Lan")
        expect(page.locator("tbody tr")).to_have_count(2)
        page.get_by_role("button", name=re.compile("^Kết thúc: Chrome, Linux, 127.0.0.1")).click()
        expect(page.get_by_role("status")).to_have_text("Phiên đã kết thúc.")
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.locator("tbody tr")).to_contain_text("phiên này")
        expect(elsewhere.get_by_role("dialog")).to_be_visible()
        with screen(center.address, 1366, 768) as desk:
            desk.expected = REFUSED
            admin = desk.open("/console/admin/accounts")
            sign_in(admin, "Minh")
            row = admin.locator("[data-account=Lan]")
            row.get_by_role("button", name="Đăng xuất: Lan").click()
            row.get_by_role("button", name="Đăng xuất ở mọi nơi").click()
            expect(admin.get_by_role("status")).to_have_text("Lan · Số phiên đã kết thúc: 1")
        assert center.sessions_of("Lan") == 0


def test_keys_and_the_audit_trail(center: RealCenter, screen: OpenScreen) -> None:
    center.account("Minh", "admin")
    with screen(center.address, 1366, 768) as desk:
        desk.expected = REFUSED
        page = desk.open("/console/admin/keys")
        sign_in(page, "Minh")
        expect(page.get_by_role("heading", name="Khoá mới")).to_be_visible()
        page.get_by_label("Tên").fill("đo mực nước")
        page.get_by_role("button", name="Tạo khoá").click()
        expect(page.get_by_role("alert")).to_contain_text("ít nhất một lĩnh vực")
        page.get_by_label("Môi trường").check()
        page.get_by_role("button", name="Tạo khoá").click()
        secret = page.locator("[data-secret]")
        expect(secret).to_have_text(re.compile("^cwk_[0-9a-f]{12}_"))
        first = secret.inner_text()
        row = page.locator("[data-key='đo mực nước']")
        row.get_by_role("button", name="Đổi khoá").click()
        row.get_by_role("button", name="Đổi", exact=True).click()
        expect(row).to_contain_text("khoá cũ đến")
        expect(secret).not_to_have_text(first)
        row.get_by_role("button", name="Thu hồi").click()
        row.get_by_role("button", name="Thu hồi thật").click()
        expect(row).to_have_class("over")
        page.get_by_role("link", name="Nhật ký").click()
        page.get_by_label("Việc").fill("key.revoke")
        page.get_by_role("button", name="Lọc").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.locator("tbody tr")).to_contain_text("Minh")
        page.get_by_role("button", name="Kiểm tra", exact=True).click()
        expect(page.locator("[data-verdict]")).to_contain_text("Nhật ký nguyên vẹn")
        page.get_by_label("Dấu đã cất").fill("1:" + "0" * 64)
        page.get_by_role("button", name="Kiểm tra", exact=True).click()
        expect(page.locator("[data-verdict]")).to_contain_text("bị can thiệp")
