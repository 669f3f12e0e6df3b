"""The wall's page in a real Chromium: how it is opened, and what is written down inside it."""

import os
import shutil
from typing import Any, Final

from playwright.async_api import Browser, CDPSession, Page

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS: Final = (
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-rasterization",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""As on a machine without a GPU: WebGL in software, and the page rasterised by the processor, not through WebGL (some
distributions ask for that by default)."""
FIRST_PICTURE: Final = """
() => new Promise((resolve) => {
  const some = (selector) => document.querySelector(selector) !== null;
  const drawn = () =>
    document.querySelectorAll('.sectors > section').length === 3 &&
    [...document.querySelectorAll('.sectors .value')].some((value) => value.textContent.trim() !== '–') &&
    some('section[data-region=alerts] [data-alert]') &&
    (some('.map[data-map=webgl]') || some('.map > svg path'));
  const look = () => {
    if (!drawn()) requestAnimationFrame(look);
    else setTimeout(() => resolve(performance.now()), 0);
  };
  look();
})
"""
# Times are ms since 1970 on the monotonic clock of the page. Frames and long tasks are counted from `watch.begin`.
WATCH: Final = """
(() => {
  const now = () => performance.timeOrigin + performance.now();
  const watch = (window.watch = { received: {}, painted: {}, frames: 0, tasks: [], since: 0 });
  watch.begin = () => Object.assign(watch, { frames: 0, tasks: [], since: performance.now() });
  watch.end = () => ({
    seconds: (performance.now() - watch.since) / 1000,
    frames: watch.frames,
    longest: Math.max(0, ...watch.tasks),
  });
  const count = () => {
    watch.frames++;
    requestAnimationFrame(count);
  };
  count();
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) if (startTime >= watch.since) watch.tasks.push(duration);
  }).observe({ type: 'longtask' });
  const Original = window.WebSocket;
  window.WebSocket = class extends Original {
    constructor(...all) {
      super(...all);
      this.addEventListener('message', ({ data, timeStamp }) => {
        if (!data.startsWith('{"type":"delta","channel":"alerts"')) return;
        watch.received[JSON.parse(data).alert.id] = performance.timeOrigin + timeStamp;
      });
    }
  };
  new MutationObserver(() => {
    for (const row of document.querySelectorAll('section[data-region=alerts] [data-alert]')) {
      const id = row.dataset.alert;
      if (id in watch.painted) continue;
      watch.painted[id] = null;
      requestAnimationFrame(() => setTimeout(() => (watch.painted[id] = now()), 0));
    }
  }).observe(document, { childList: true, subtree: true, attributeFilter: ['data-alert'] });
})();
"""


def chromium() -> str:
    """CITYWATCH_CHROMIUM, or the first Chromium on the path."""
    path = os.environ.get("CITYWATCH_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise RuntimeError("needs Chromium: apt-get install chromium, or set CITYWATCH_CHROMIUM to its path")
    return path


async def first_picture(browser: Browser, port: int) -> float:
    """Milliseconds, in a context that has never seen the page."""
    page = await open_wall(browser, port, wait_until="commit", watched=False)
    try:
        took: float = await page.evaluate(FIRST_PICTURE)
        return took
    finally:
        await page.context.close()


async def open_wall(browser: Browser, port: int, wait_until: Any = "load", *, watched: bool = True) -> Page:
    """The wall in a context of its own, its map drawn; `watched` has WATCH count from the first script on."""
    context = await browser.new_context(viewport={"width": 1920, "height": 1080}, timezone_id="UTC")
    page = await context.new_page()
    if watched:
        await page.add_init_script(WATCH)
    await page.goto(f"http://127.0.0.1:{port}/wall", wait_until=wait_until)
    if watched:
        await page.wait_for_selector(".map[data-map=webgl]", timeout=60_000)
    return page


async def heap(cdp: CDPSession) -> float:
    """Bytes in use after a forced collection."""
    for _ in range(2):
        await cdp.send("HeapProfiler.collectGarbage")
    used: float = (await cdp.send("Runtime.getHeapUsage"))["usedSize"]
    return used
