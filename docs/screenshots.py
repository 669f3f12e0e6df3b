"""Pictures of the running demo for the documentation.

    make demo SCENARIO=flood              (in another terminal; give the flood ten minutes)
    python docs/screenshots.py            → docs/wall-flood.png, docs/wall-flood-4k.png, docs/console-flood.png

Waits until enough alerts are open and the map is drawn. The pictures are reduced to 256 colours or fewer:
a calm grey wall has few, and the repository stays small.
"""

import argparse
import base64
import os
import shutil
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

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
    parser.add_argument("--address", default="http://127.0.0.1:8700")
    parser.add_argument("--alerts", type=int, default=5, help="wait until so many alerts are open (default 5)")
    parser.add_argument("--wait", type=float, default=900, help="seconds to wait at most (default 900)")
    parser.add_argument("--into", type=Path, default=HERE)
    options = parser.parse_args()
    program = os.environ.get("CITYWATCH_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        sys.exit("Needs Chromium: apt-get install chromium, or set CITYWATCH_CHROMIUM to its path.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        wall = f"{options.address}/wall"
        # The first one waits for the city; the others come after it.
        picture(browser, wall, (1920, 1080), 1, options.into / "wall-flood.png", options.alerts, options.wait)
        picture(browser, wall, (1920, 1080), 2, options.into / "wall-flood-4k.png", options.alerts, options.wait)
        console = f"{options.address}/console"
        picture(browser, console, (1366, 768), 1, options.into / "console-flood.png", options.alerts, options.wait)
        browser.close()


def picture(
    browser: Browser, address: str, size: tuple[int, int], ratio: int, path: Path, least: int, wait_s: float
) -> None:
    """One page as a PNG of at most 400 KB."""
    width, height = size
    page = browser.new_page(
        viewport={"width": width, "height": height}, device_scale_factor=ratio, timezone_id="Asia/Ho_Chi_Minh"
    )
    page.goto(address)
    page.wait_for_function(OPEN, arg=least, timeout=wait_s * 1000)
    if "/wall" in address:
        page.wait_for_function(PAINTED, timeout=wait_s * 1000)
    page.evaluate(STAY_BRIGHT)
    page.wait_for_timeout(5_000)
    picture = page.screenshot()
    bytes_ = next(
        (png for most in (256, 128, 64) if len(png := reduce_colours(picture, page, most)) <= MOST_BYTES), b""
    )
    page.close()
    if not bytes_:
        sys.exit(f"{path.name} has more than {MOST_BYTES} bytes even with 64 colours.")
    path.write_bytes(bytes_)
    print(f"{path} {width * ratio}×{height * ratio}, {len(bytes_) // 1000} KB")


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


def reduce_colours(png: bytes, page: Page, most: int) -> bytes:
    """The picture with its `most` most frequent colours (at most 256); each other one becomes the nearest of them.

    The browser that drew it takes the PNG apart again, which spares an imaging library.
    """
    answer = page.evaluate(PIXELS, base64.b64encode(png).decode())
    width, height = answer["width"], answer["height"]
    rgba = np.frombuffer(base64.b64decode(answer["data"]), np.uint8).reshape(-1, 4)
    packed = rgba[:, 0].astype(np.uint32) << 16 | rgba[:, 1].astype(np.uint32) << 8 | rgba[:, 2]
    colours, inverse, counts = np.unique(packed, return_inverse=True, return_counts=True)
    rgb = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(np.int32)
    palette = rgb[np.argsort(-counts)[:most]]
    nearest = np.concatenate(
        [
            np.argmin(((part[:, None, :] - palette[None, :, :]) ** 2).sum(axis=2), axis=1)
            for part in np.array_split(rgb, max(1, len(rgb) // 2000))
        ]
    )
    return encode_png(nearest[inverse].astype(np.uint8).reshape(height, width), palette.astype(np.uint8))


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
