"""Pictures of the running demo for the documentation.

    make demo SCENARIO=flood              (in another terminal; give the flood ten minutes)
    python docs/screenshots.py            → docs/wall-flood.png, docs/wall-flood-4k.png, docs/console-flood.png

It lets itself in as people do: by a link that opens the wall, and at the console by name and password, with an account
of its own that ends with it. Waits until enough alerts are shown and the map is drawn. The pictures are reduced to 256
colours or fewer: a calm grey wall has few, and the repository stays small.
"""

import argparse
import asyncio
import base64
import contextlib
import os
import shutil
import struct
import sys
import uuid
import zlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import numpy as np
from playwright.async_api import Browser, Page, async_playwright

from access import accounts, devices, secrets
from access.errors import AccessError
from access.policy import Role
from city.database import open_pool
from city.settings import Settings
from citywatch.local import actor, principal
from citywatch.supervisor.state import DemoState

HERE = Path(__file__).parent
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
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
MOST_BYTES = 400_000
PAINTED = "() => document.querySelector('.map')?.dataset.map === 'webgl'"
# Taking a picture of a page drawn in software lasts longer than the bright half of the pulse.
STAY_BRIGHT = """
() => {
  const bright = () => document.querySelectorAll('[data-dim]').forEach((e) => e.removeAttribute('data-dim'));
  new MutationObserver(bright).observe(document.body, { attributeFilter: ['data-dim'], subtree: true });
  bright();
}
"""
OPEN = "(least) => document.querySelectorAll('[data-alert]').length >= least"


def main() -> None:
    """Take the pictures; exits 1 with a sentence if the demo does not show what they need in time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=Path(".citywatch"), help="the demo's (default .citywatch)")
    parser.add_argument("--alerts", type=int, default=7, help="wait until so many are shown; the wall has 7 rows")
    parser.add_argument("--wait", type=float, default=900, help="seconds to wait at most (default 900)")
    parser.add_argument("--name", default="Trần Hương", help="who signs in at the console")
    parser.add_argument("--into", type=Path, default=HERE)
    options = parser.parse_args()
    program = os.environ.get("CITYWATCH_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        sys.exit("Needs Chromium: apt-get install chromium, or set CITYWATCH_CHROMIUM to its path.")
    state = DemoState(options.directory)
    if "CITYWATCH_DATABASE_DSN" not in state.shared():
        sys.exit(f"No demo runs from {options.directory}; type `make demo SCENARIO=flood` first.")
    try:
        asyncio.run(take(state, program, options))
    except AccessError as refused:
        sys.exit(refused.sentence)


async def take(state: DemoState, program: str, options: argparse.Namespace) -> None:
    """The three pictures; the first one waits for the city, the others come after it. Raises AccessError."""
    address = f"http://127.0.0.1:{state.running()[1]}"
    async with (
        database(state) as pool,
        operator(pool, options.name) as password,
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS)) as browser,
    ):
        for ratio, name in ((1, "wall-flood.png"), (2, "wall-flood-4k.png")):
            secret = await devices.link(pool, principal(), None, "screenshots", lasts=timedelta(minutes=5))
            async with page(browser, (1920, 1080), ratio) as wall:
                await wall.goto(f"{address}/wall#link={secret}")
                await settle(wall, options.alerts, options.wait)
                await wall.wait_for_function(PAINTED, timeout=options.wait * 1000)
                await picture(wall, options.into / name)
        async with page(browser, (1366, 768), 1) as console:
            await console.goto(f"{address}/console")
            await console.fill("input[name=username]", options.name)
            await console.fill("input[name=password]", password)
            await console.click("button.primary")
            await settle(console, options.alerts, options.wait)
            await picture(console, options.into / "console-flood.png")


@contextlib.asynccontextmanager
async def database(state: DemoState) -> AsyncIterator[asyncpg.Pool]:
    """That of the running demo."""
    settings = Settings(database_dsn=state.shared()["CITYWATCH_DATABASE_DSN"])
    async with await open_pool(settings, application="citywatch screenshots", max_size=1) as pool:
        yield pool


@contextlib.asynccontextmanager
async def operator(pool: asyncpg.Pool, name: str) -> AsyncIterator[str]:
    """The password of an account that ends, with its sessions, when left. Raises AccessError: name_taken."""
    password = secrets.token()
    account, _ = await accounts.create(pool, actor(), name, Role.operator, password=password)
    try:
        yield password
    finally:
        await accounts.delete(pool, actor(), uuid.UUID(account.id))


@contextlib.asynccontextmanager
async def page(browser: Browser, size: tuple[int, int], ratio: int) -> AsyncIterator[Page]:
    """An empty page of a browser that has never been here."""
    width, height = size
    context = await browser.new_context(
        viewport={"width": width, "height": height}, device_scale_factor=ratio, timezone_id="Asia/Ho_Chi_Minh"
    )
    yield await context.new_page()
    await context.close()


async def settle(page: Page, least: int, wait_s: float) -> None:
    """Wait until so many alerts are shown, and let what follows come to rest."""
    await page.wait_for_function(OPEN, arg=least, timeout=wait_s * 1000)
    await page.evaluate(STAY_BRIGHT)
    await page.wait_for_timeout(5_000)


async def picture(page: Page, path: Path) -> None:
    """The page as a PNG of at most 400 KB."""
    save(await taken_apart(page, await page.screenshot()), path)


def save(pixels: np.ndarray, path: Path) -> None:
    """With as many colours as 400 KB allow; exits 1 where even few are too many."""
    png = next((png for most in (256, 128, 64) if len(png := reduced(pixels, most)) <= MOST_BYTES), b"")
    if not png:
        sys.exit(f"{path.name} has more than {MOST_BYTES} bytes even with 64 colours.")
    path.write_bytes(png)
    height, width = pixels.shape
    print(f"{path} {width}×{height}, {len(png) // 1000} KB")


PIXELS = """
async (png) => {
  const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(png), (c) => c.charCodeAt(0))]));
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
  context.drawImage(bitmap, 0, 0);
  const { data, width, height } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  let text = '';
  for (let i = 0; i < data.length; i += 32768) text += String.fromCharCode(...data.subarray(i, i + 32768));
  return { width, height, data: btoa(text) };
}
"""


async def taken_apart(page: Page, png: bytes) -> np.ndarray:
    """The picture's colours as 0xRRGGBB, a row a line.

    The browser that drew it takes the PNG apart again, which spares an imaging library.
    """
    answer = await page.evaluate(PIXELS, base64.b64encode(png).decode())
    rgba = np.frombuffer(base64.b64decode(answer["data"]), np.uint8).reshape(answer["height"], answer["width"], 4)
    return rgba[..., 0].astype(np.uint32) << 16 | rgba[..., 1].astype(np.uint32) << 8 | rgba[..., 2]


def reduced(pixels: np.ndarray, most: int) -> bytes:
    """A PNG with its `most` most frequent colours (at most 256); each other one becomes the nearest of them."""
    colours, inverse, counts = np.unique(pixels, return_inverse=True, return_counts=True)
    rgb = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(np.int32)
    palette = rgb[np.argsort(-counts)[:most]]
    nearest = np.concatenate(
        [
            np.argmin(((part[:, None, :] - palette[None, :, :]) ** 2).sum(axis=2), axis=1)
            for part in np.array_split(rgb, max(1, len(rgb) // 2000))
        ]
    )
    return encode_png(nearest[inverse].astype(np.uint8).reshape(pixels.shape), palette.astype(np.uint8))


def encode_png(pixels: np.ndarray, palette: np.ndarray) -> bytes:
    """An 8-bit palette PNG (ISO/IEC 15948)."""
    height, width = pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels], axis=1).tobytes()
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            chunk(b"PLTE", palette.tobytes()),
            chunk(b"IDAT", zlib.compress(lines, 9)),
            chunk(b"IEND", b""),
        )
    )


if __name__ == "__main__":
    main()
