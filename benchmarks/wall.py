"""The wall in a real Chromium that draws in software: first picture, receive → painted, long tasks, frames, heap.

The page is the built frontend, served by the real center over a real database and broker, with 5,000 assets that all
change in each of the two frames a second. Alerts are written as the engine writes them.

- First picture: from the start of the navigation to the frame that shows alerts, figures and the zones of the map, in
  a browser context without a cache; the slowest of five.
- Receive → painted: from the message, as seen by the page or by another client on this machine, whichever saw it first
  (a page that is busy sees it late), to the task after the animation frame that follows the row's arrival in the DOM.
- Longest task, frames a second: while the alerts come and while the heap is watched, after the map stands.
- Heap: used JavaScript heap after a forced collection, minute 1 → 4 of the page; CITYWATCH_BENCH_WALL_MINUTES=10-60
  takes the long way. The row's unit says which it was.

    python -m benchmarks.wall
"""

import asyncio
import json
import os
import random
import time
import uuid
from datetime import UTC, datetime
from typing import Final

import asyncpg
from playwright.async_api import Page, async_playwright
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.stack import Row, awaited, center, percentile, process, row, servers
from benchmarks.wall_load import populate
from benchmarks.wall_page import ARGUMENTS, chromium, first_picture, heap, open_wall
from city.zones import Zone, ZoneMap

PICTURES: Final = 5
ALERTS: Final = 120
EVERY_S: Final = 0.3
SETTLE_S: Final = 10.0
LOST_S: Final = 10.0
BUDGET_PICTURE_MS: Final = 1_500
BUDGET_PAINTED_MS: Final = 100
BUDGET_TASK_MS: Final = 100
BUDGET_FPS: Final = 10
BUDGET_HEAP_PCT: Final = 5
RAISE: Final = "SELECT alert_raise($1, $2::text::jsonb)"
NOTIFY: Final = "SELECT pg_notify('citywatch_alerts', '')"


async def measure(pictures: int = PICTURES, alerts: int = ALERTS) -> list[Row]:
    """Five rows."""
    first, last = _minutes()
    async with servers() as (settings, pool):
        await populate(pool, settings)
        wards = [zone for zone in ZoneMap.load(settings.city).zones.values() if zone.core]
        await _raise(pool, wards[0])
        with process(["-m", "benchmarks.wall_load"], settings) as load, center(settings) as port:
            await asyncio.to_thread(awaited, load, "(publishing)")
            await asyncio.sleep(SETTLE_S)
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
                slowest = max([await first_picture(browser, port) for _ in range(pictures)])
                page = await open_wall(browser, port)
                began = time.monotonic()
                cdp = await page.context.new_cdp_session(page)
                await asyncio.sleep(SETTLE_S)
                painted, busy = await _alerts(page, pool, port, wards, alerts)
                await asyncio.sleep(max(0.0, began + first * 60 - time.monotonic()))
                before = await heap(cdp)
                await page.evaluate("watch.begin()")
                await asyncio.sleep(max(0.0, began + last * 60 - time.monotonic()))
                quiet = await page.evaluate("watch.end()")
                after = await heap(cdp)
                await browser.close()
    longest = max(busy["longest"], quiet["longest"])
    fps = min(part["frames"] / part["seconds"] for part in (busy, quiet))
    growth = (after / before - 1) * 100
    return [
        row("wall_first_picture_ms", slowest, "ms", BUDGET_PICTURE_MS),
        row("wall_receive_to_painted_p99_ms", percentile(painted, 0.99), "ms", BUDGET_PAINTED_MS),
        row("wall_longest_task_ms", longest, "ms", BUDGET_TASK_MS),
        row("wall_fps", fps, "frames/s", BUDGET_FPS) | {"met": fps >= BUDGET_FPS},
        row("wall_heap_growth_pct", growth, f"% (minute {first:g} → {last:g})", BUDGET_HEAP_PCT),
    ]


def _minutes() -> tuple[float, float]:
    """The minutes of the page between which the heap is compared."""
    first, _, last = os.environ.get("CITYWATCH_BENCH_WALL_MINUTES", "1-4").partition("-")
    if not 0 < float(first) < float(last):
        raise ValueError("CITYWATCH_BENCH_WALL_MINUTES is FIRST-LAST in minutes, such as 10-60")
    return float(first), float(last)


async def _alerts(
    page: Page, pool: asyncpg.Pool, port: int, wards: list[Zone], count: int
) -> tuple[list[float], dict[str, float]]:
    """Milliseconds from receive to painted of each alert, and what the page was busy with meanwhile."""
    chance = random.Random(20261122)
    heard: dict[str, float] = {}
    async with connect(f"ws://127.0.0.1:{port}/ws/v1", compression=None, proxy=None, max_size=None) as connection:
        await connection.send('{"type":"subscribe","channel":"alerts"}')
        listening = asyncio.create_task(_listen(connection, heard))
        await page.evaluate("watch.begin()")
        sent = []
        for number in range(count):
            await asyncio.sleep(EVERY_S * (0.5 + chance.random()))
            sent.append(await _raise(pool, wards[number % len(wards)]))
        await page.wait_for_function(
            "(ids) => ids.every((id) => watch.painted[id])", arg=sent, timeout=LOST_S * 1000, polling=500
        )
        busy: dict[str, float] = await page.evaluate("watch.end()")
        listening.cancel()
    times: dict[str, dict[str, float]] = await page.evaluate("({received: watch.received, painted: watch.painted})")
    received = {one: min(times["received"][one], heard.get(one, float("inf"))) for one in sent}
    return [times["painted"][one] - received[one] for one in sent], busy


async def _listen(connection: ClientConnection, heard: dict[str, float]) -> None:
    async for frame in connection:
        at = time.time() * 1000
        message = json.loads(frame)
        if message["type"] == "delta":
            heard.setdefault(message["alert"]["id"], at)


async def _raise(pool: asyncpg.Pool, zone: Zone) -> str:
    """A new critical alert in a ward; its id."""
    number, now = str(uuid.uuid4()), datetime.now(UTC)
    stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    words = {"vi": "Ngập hơn 40 cm", "en": "Flooded above 40 cm"}
    body = {
        "id": number,
        "rule": "bench",
        "rule_version": 1,
        "group": number,
        "sector": "environment",
        "asset": None,
        "zone": zone.code,
        "zone_name": zone.name,
        "location": [zone.lon, zone.lat],
        "severity": "critical",
        "state": "unacknowledged",
        "title": words,
        "short": words,
        "metric": "flood_cm",
        "unit": "cm",
        "value": 46.0,
        "limit": 40.0,
        "comparison": ">",
        "raised_at": stamp,
        "updated_at": stamp,
        "cleared_at": None,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "owner": None,
        "last_data_at": stamp,
        "consequence": None,
        "response": None,
        "respond_within_s": 300,
        "team": None,
    }
    await pool.execute(RAISE, now, json.dumps(body))
    await pool.execute(NOTIFY)
    return number


if __name__ == "__main__":
    for figure in asyncio.run(measure()):
        print(figure)
