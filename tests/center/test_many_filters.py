"""Many screens with a filter each on a center process: its loop stays free, its memory bounded."""

import asyncio
import contextlib
import itertools
import json
import time
from statistics import median

import asyncpg
import httpx
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.stack import awaited as said
from benchmarks.stack import process
from city.kafka import LIVE, Producer
from city.settings import Settings
from city.zones import ZoneMap
from tests.center.conftest import PATIENCE_S
from tests.center.test_floods import Besieged

SERIES = 30_000
ASSETS = """
INSERT INTO asset (sector, name, zone, lon, lat)
SELECT 'traffic', 'VVK-' || n, ($2::text[])[1 + n % cardinality($2::text[])], 106.7, 10.78
  FROM generate_series(1, $1) AS n
"""
READING = "INSERT INTO reading (time, series_id, value) VALUES (now(), $1, $2)"
ADD = "INSERT INTO series (asset_id, metric, unit) SELECT id, 'speed_kmh', 'km/h' FROM asset RETURNING id"


async def subscribed(stack: contextlib.AsyncExitStack, port: int, zones: list[str]) -> ClientConnection:
    """A client of `live` in these zones that has its snapshot and takes what comes."""
    opened = connect(f"ws://127.0.0.1:{port}/ws/v1", compression=None, proxy=None, max_size=None, max_queue=4)
    client = await stack.enter_async_context(opened)
    await client.send(json.dumps({"type": "subscribe", "channel": "live", "filter": {"zones": zones}}))
    async with asyncio.timeout(PATIENCE_S):
        while b'"snapshot"' not in (await client.recv(decode=False))[:100]:
            pass
    return client


def center_process(stack: contextlib.AsyncExitStack, settings: Settings) -> Besieged:
    """A center process."""
    started = stack.enter_context(process(["-m", "citywatch", "center", "--port", "0"], settings))
    return Besieged(int(said(started, r"center listens on http://[^ ]+:(\d+)")), started.pid)


async def test_a_filter_for_each_ward_leaves_the_loop_free_and_no_snapshot_behind(
    topics: Settings, db: asyncpg.Connection
) -> None:
    zones = sorted(ZoneMap.load(topics.city).zones)
    assert len(zones) > 160
    await db.execute(ASSETS, SERIES, zones)
    ids = [row["id"] for row in await db.fetch(ADD)]
    await db.executemany(READING, [(one, float(one)) for one in ids])
    async with contextlib.AsyncExitStack() as stack:
        besieged, peer = (center_process(stack, topics) for _ in range(2))
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=30))
        producer = await stack.enter_async_context(Producer(topics, linger_ms=0))
        first = await subscribed(stack, besieged.port, zones)
        stopped = asyncio.Event()

        async def move() -> None:
            for tick in itertools.count(time.time_ns() // 1000):
                if stopped.is_set():
                    return
                rows = [(one, tick, float(tick % 100)) for one in ids[tick % 50 :: 50]]
                await producer.publish(LIVE, json.dumps(rows).encode())
                await asyncio.sleep(0.2)

        async def watched(seconds: float) -> tuple[float, float, float]:
            """While values move: the usual answers of this center and of its peer, and this one's processor time."""
            stopped.clear()
            waits: dict[int, list[float]] = {besieged.port: [], peer.port: []}
            async with asyncio.TaskGroup() as group:
                group.create_task(move())
                busy, began = besieged.processor_s(), time.monotonic()
                while time.monotonic() - began < seconds:
                    for port, taken in waits.items():
                        asked = time.monotonic()
                        await http.get(f"http://127.0.0.1:{port}/api/v1/health")
                        taken.append(time.monotonic() - asked)
                    await asyncio.sleep(0.05)
                share = (besieged.processor_s() - busy) / (time.monotonic() - began)
                stopped.set()
            return median(waits[besieged.port]), median(waits[peer.port]), share

        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            group.create_task(move())
            while b'"delta"' not in (await first.recv(decode=False))[:100]:
                pass
            stopped.set()
        _, _, alone = await watched(3)
        await asyncio.sleep(1)
        before = besieged.resident()
        for left_out in range(60):
            await subscribed(stack, besieged.port, zones[:left_out] + zones[left_out + 1 :])
        await asyncio.sleep(1)
        grown = besieged.resident() - before
        for zone in zones:
            await subscribed(stack, besieged.port, [zone])
        usual, of_peer, share = await watched(5)
    print(
        f"usual answer {usual * 1000:.0f} ms (a center without clients: {of_peer * 1000:.0f}), "
        f"{share:.0%} of a processor (with one client: {alone:.0%}), {grown / 1e6:+.1f} MB"
    )
    assert usual < 0.6 + 3 * of_peer
    assert share < 0.6 + alone
    assert grown < 60 * 1024 * 1024
