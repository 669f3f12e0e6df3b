"""The button of the identity provider: clicked in a real browser, signed in at a real provider, back in the console."""

import re
import socket
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from citywatch.embedded.broker import EmbeddedBroker
from tests.access import provider as providers
from tests.access.provider import SECRET
from tests.browser.conftest import OpenScreen, Screen
from tests.browser.real_center import RealCenter

pytestmark = pytest.mark.browser

REFUSED = ("Failed to load resource", "citywatch: signed_out", "citywatch: rights_changed")
PEOPLE = {"lan": {"groups": ["staff", "desk"], "sectors": ["traffic"]}, "guest": {"groups": ["staff"], "sectors": []}}


@pytest.fixture(scope="module")
def provider() -> Iterator[providers.Running]:
    with providers.running() as one:
        yield one


@pytest.fixture
def center(postgres_dsn: str, embedded_broker: EmbeddedBroker, provider: providers.Running) -> Iterator[RealCenter]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    provider.set(accounts=PEOPLE, redirect_uri=f"{address}/api/v1/oidc/callback")
    known = {
        "center_port": port,
        "public_url": address,
        "oidc_issuer": provider.issuer,
        "oidc_client_id": "citywatch",
        "oidc_client_secret": SECRET,
        "oidc_title": "Toà thị chính",
        "oidc_sectors_claim": "sectors",
        "oidc_roles": "watchers=viewer, desk=operator",
    }
    with RealCenter(postgres_dsn, embedded_broker.bootstrap, **known) as one:
        yield one


def sign_in_there(page: Page, provider: providers.Running, name: str) -> None:
    """From center's button through the provider's own pages."""
    page.get_by_role("link", name="Đăng nhập bằng Toà thị chính").click()
    page.wait_for_url(f"{provider.issuer}/interaction/**")
    page.locator("input[name=login]").fill(name)
    page.locator("input[name=password]").fill("any")
    page.locator("button[type=submit]").click()
    page.locator("input[name=prompt][value=consent]").wait_for(state="attached")
    page.locator("button[type=submit]").click()


def went_only(screen: Screen, provider: providers.Running) -> None:
    """Away from center the page was at the provider and nowhere else."""
    assert screen.outside
    known = (provider.issuer + "/", "https://fonts.googleapis.com/")  # the provider's own page asks for a font
    assert [url for url in screen.outside if not url.startswith(known)] == []
    screen.outside.clear()


def test_the_button_leads_to_the_provider_and_back_into_the_console(
    center: RealCenter, provider: providers.Running, screen: OpenScreen
) -> None:
    alert, elsewhere = center.raise_alert(1, sector="traffic"), center.raise_alert(2)
    with screen(center.address, 1366, 768) as desk:
        desk.expected = REFUSED
        desk.page.route("https://**", lambda route: route.abort())
        page = desk.open("/console")
        sign_in_there(page, provider, "lan")
        page.wait_for_url(center.address + "/console")
        expect(page.locator("header").get_by_role("status")).to_contain_text("Trực tiếp")
        page.get_by_role("button", name=re.compile("lan")).click()
        expect(page.locator("#account-menu")).to_contain_text("trực ban")
        expect(page.locator("#account-menu")).to_contain_text("Giao thông · mọi phường, xã")
        page.keyboard.press("Escape")
        row = page.locator(f"[data-alert='{alert}']")
        row.get_by_role("button", name="Đã thấy").click()  # an operator's act
        expect(row).not_to_have_class(re.compile("unacknowledged"))
        expect(page.locator(f"[data-alert='{elsewhere}']")).to_have_count(0)  # another sector's
        assert center.sessions_of("lan") == 1
        ours = [one for one in page.context.cookies() if one["name"].startswith("citywatch")]
        assert [(one["name"], one["httpOnly"]) for one in ours] == [("citywatch", True)]
        went_only(desk, provider)


def test_who_has_no_role_here_is_told_on_the_sign_in_page(
    center: RealCenter, provider: providers.Running, screen: OpenScreen
) -> None:
    with screen(center.address, 1366, 768) as desk:
        desk.expected = REFUSED
        desk.page.route("https://**", lambda route: route.abort())
        page = desk.open("/console")
        sign_in_there(page, provider, "guest")
        expect(page.get_by_role("alert")).to_contain_text("chưa được cấp quyền")
        expect(page.get_by_role("link", name="Đăng nhập bằng Toà thị chính")).to_be_visible()
        went_only(desk, provider)
