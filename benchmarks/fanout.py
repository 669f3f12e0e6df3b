"""Center fan-out: 2,000 clients, two frames a second of 8 KiB, alone and beside 20 clients that read nothing.

The frames are alert transitions, because those leave at once: latency runs from before the transaction that writes the
transition to the last byte in the client, over database, follower, hub and 2,000 sockets. The clients are one process,
the center another; with the database they share the machine's two cores.
"""

import asyncio
import json
import time
import uuid
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from benchmarks.stack import Row, awaited, center, percentile, process, row, servers
from city.settings import Settings

CLIENTS: Final = 2_000
STALLED: Final = 20
FRAMES: Final = 60
EVERY_S: Final = 0.5
BYTES: Final = 8 * 1024
SETTLE_S: Final = 2.0
LAST_S: Final = 10.0
BUDGET_MS: Final = 250
CLIENT: Final = ("-m", "benchmarks.fanout_clients")
RAISE: Final = "SELECT alert_raise($1, $2::text::jsonb)"
NOTIFY: Final = "SELECT pg_notify('citywatch_alerts', '')"


async def measure(clients: int = CLIENTS, frames: int = FRAMES) -> list[Row]:
    """Two rows: 99 % of all deliveries were faster, without and with stalled clients."""
    async with servers() as (settings, pool):
        alone = await _latencies(settings, pool, clients, 0, frames)
        beside = await _latencies(settings, pool, clients, STALLED, frames)
    return [
        row("fanout_p99_ms", percentile(alone, 0.99) * 1000, "ms", BUDGET_MS),
        row("fanout_stalled_p99_ms", percentile(beside, 0.99) * 1000, "ms", BUDGET_MS),
    ]


async def _latencies(settings: Settings, pool: asyncpg.Pool, clients: int, stalled: int, frames: int) -> list[float]:
    seconds = SETTLE_S + frames * EVERY_S + LAST_S
    numbers = [str(clients), str(stalled), str(seconds)]
    await pool.execute("DELETE FROM alert")  # an earlier run's: their snapshot would be a large frame too
    with center(settings) as port, process([*CLIENT, str(port), *numbers], settings) as load:
        await asyncio.to_thread(awaited, load, "(connected)")
        await asyncio.sleep(SETTLE_S)
        sent = await _send(pool, frames)
        answer = json.loads(await asyncio.to_thread(awaited, load, r"^(\{.*\})$"))
    arrived = answer["frames"]
    if len(arrived) != frames or any(len(times) != clients for times in arrived):
        raise RuntimeError(f"of {frames} frames for {clients} clients came {[len(times) for times in arrived]}")
    return [at - began for began, times in zip(sent, arrived, strict=True) for at in times]


async def _send(pool: asyncpg.Pool, frames: int) -> list[float]:
    """When each frame was sent: each is an alert of its own."""
    sent = []
    due = time.monotonic()
    for _ in range(frames):
        due += EVERY_S
        await asyncio.sleep(due - time.monotonic())
        sent.append(time.monotonic())
        await pool.execute(RAISE, datetime.now(UTC), json.dumps(body(BYTES)))
        await pool.execute(NOTIFY)
    return sent


def body(size: int) -> dict[str, Any]:
    """An alert whose JSON has about `size` bytes."""
    number = str(uuid.uuid4())
    alert: dict[str, Any] = {
        "id": number,
        "rule": "bench",
        "rule_version": 1,
        "group": number,
        "sector": "environment",
        "asset": None,
        "zone": None,
        "severity": "info",
        "metric": "water_level_m",
        "value": 1.6,
        "raised_at": "2026-11-22T07:00:00Z",
        "title": {"vi": "", "en": ""},
    }
    alert["title"]["vi"] = "x" * max(0, size - len(json.dumps(alert)) - 100)
    return alert


if __name__ == "__main__":
    for figure in asyncio.run(measure()):
        print(figure)
