"""A real Chromium for the browser tests, and pages that write down everything they should not do."""

import os
import shutil
from collections.abc import Iterator
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    expect,
    sync_playwright,
)

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

WATCH_POLICY = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) =>
  window.violations.push(`${event.effectiveDirective} ${event.blockedURI}`));
"""


def chromium_path() -> str:
    """CITYWATCH_CHROMIUM, or the first Chromium on the path."""
    path = os.environ.get("CITYWATCH_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.fail(
            "The browser tests need Chromium: install it (Debian: apt-get install chromium) "
            "or set CITYWATCH_CHROMIUM to the path of its program.",
            pytrace=False,
        )
    return path


@pytest.fixture(scope="module")
def driver() -> Iterator[Playwright]:
    # Patience for a machine with other work; what has to be fast is measured, not waited for.
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def chromium(driver: Playwright) -> Iterator[Browser]:
    browser = driver.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
    yield browser
    browser.close()


@pytest.fixture
def chromium_without_webgl(driver: Playwright) -> Iterator[Browser]:
    browser = driver.chromium.launch(executable_path=chromium_path(), args=[*ARGUMENTS, "--disable-3d-apis"])
    yield browser
    browser.close()


def wait_until(page: Page, expression: str, arg: object = None, seconds: float = 30) -> None:
    """Wait until an expression or a function of `arg` is true in the page.

    Playwright's `wait_for_function` asks again inside the page, by `eval`, which our pages forbid.
    """
    for _ in range(round(seconds / 0.05)):
        if page.evaluate(expression, arg):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"not within {seconds} s: {expression}")


class Screen:
    """A page under observation. Leaving it fails the test if the page complained, broke its policy or went outside."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self._context = context
        self._address = address
        context.set_default_timeout(60_000)
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.outside: list[str] = []
        self.expected: tuple[str, ...] = ()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != urlsplit(self._address).netloc:
            self.outside.append(request.url)

    def open(self, path: str) -> Page:
        self.page.goto(self._address + path)
        return self.page

    def __enter__(self) -> Self:
        self.page.add_init_script(WATCH_POLICY)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        violations: list[Any] = self.page.evaluate("window.violations ?? []")
        self._context.close()
        if kind is None:
            unexpected = [c for c in self.complaints if not any(part in c for part in self.expected)]
            assert not unexpected
            assert not violations
            assert not self.outside


class OpenScreen(Protocol):
    """What opens a page of its own size and pixel ratio at a center's address."""

    def __call__(self, address: str, width: int = 1920, height: int = 1080, ratio: float = 1) -> Screen: ...


@pytest.fixture
def screen(chromium: Browser) -> OpenScreen:
    """Opens pages of the module's browser."""

    def open_screen(address: str, width: int = 1920, height: int = 1080, ratio: float = 1) -> Screen:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=ratio, locale="en-US", timezone_id="UTC"
        )
        return Screen(context, address)

    return open_screen
