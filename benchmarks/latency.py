"""A producer's send to a WebSocket client's receive, for alerts, beside 5,000 readings a second.

Ingest, alerts and center are processes of their own, as in production; so is the load. Each probe is one reading of an
asset of its own that breaks a rule without a delay, so that it is one alert.
"""

import asyncio
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Final

import asyncpg
from confluent_kafka import Producer
from websockets.asyncio.client import ClientConnection, connect

from alerts.rulebook import apply_rules
from alerts.rulefile import load_rules
from benchmarks.latency_load import reading
from benchmarks.stack import Row, awaited, center, percentile, process, row, servers
from city.kafka import topic_for
from city.sectors import Catalogue
from city.settings import Settings

RATE: Final = 5_000
PROBES: Final = 300
EVERY_S: Final = 0.1
WARM_S: Final = 5.0
LOST_S: Final = 10.0
BUDGET_P50_MS: Final = 30
BUDGET_P99_MS: Final = 100
RULE: Final = """
rule: probe
title: {vi: Thử, en: Probe}
short: {vi: Thử, en: Probe}
sector: traffic
metric: speed_kmh
raise:
  critical: {below: 2}
"""


async def measure(probes: int = PROBES) -> list[Row]:
    """Two rows: half and 99 % of the alerts arrived faster."""
    async with servers() as (settings, pool):
        await _apply_rule(settings, pool)
        with (
            process(["-m", "citywatch", "ingest"], settings),
            process(["-m", "citywatch", "alerts"], settings),
            center(settings) as port,
            process(["-m", "benchmarks.latency_load", str(RATE)], settings) as load,
        ):
            await asyncio.to_thread(awaited, load, "(publishing)")
            seconds = await _probe(settings, port, probes)
    return [
        row("alert_latency_p50_ms", percentile(seconds, 0.50) * 1000, "ms", BUDGET_P50_MS),
        row("alert_latency_p99_ms", percentile(seconds, 0.99) * 1000, "ms", BUDGET_P99_MS),
    ]


async def _apply_rule(settings: Settings, pool: asyncpg.Pool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "probe.yaml").write_text(RULE)
        await apply_rules(pool, load_rules(Path(folder), Catalogue.load(settings.city)), "bench")


async def _probe(settings: Settings, port: int, probes: int) -> list[float]:
    sent: dict[str, float] = {}
    arrived: dict[str, float] = {}
    async with connect(f"ws://127.0.0.1:{port}/ws/v1", compression=None, proxy=None) as connection:
        await connection.send('{"type":"subscribe","channel":"alerts"}')
        listening = asyncio.create_task(_listen(connection, arrived))
        producer = Producer({"bootstrap.servers": settings.kafka_bootstrap, "linger.ms": 0})
        try:
            await _until_watched(producer, arrived)
            await asyncio.sleep(WARM_S)
            chance = random.Random(20261122)
            for number in range(probes):
                await asyncio.sleep(EVERY_S * (0.5 + chance.random()))
                asset = f"PROBE-{number}"
                sent[asset] = time.monotonic()
                _publish(producer, asset, number)
            deadline = time.monotonic() + LOST_S
            while sent.keys() - arrived.keys() and time.monotonic() < deadline:  # noqa: ASYNC110 - a deadline too
                await asyncio.sleep(0.05)
        finally:
            listening.cancel()
            producer.flush(5)
    if missing := sent.keys() - arrived.keys():
        raise RuntimeError(f"{len(missing)} of {probes} alerts did not come, such as {min(missing)}")
    return [arrived[asset] - at for asset, at in sent.items()]


async def _until_watched(producer: Producer, arrived: dict[str, float]) -> None:
    """Probes until one is answered: the worker begins at the end of a log that it joins (the join takes seconds)."""
    deadline = time.monotonic() + 60
    number = 0
    while not arrived:
        if time.monotonic() > deadline:
            raise RuntimeError("no alert came within a minute")
        _publish(producer, f"WARM-{number}", number)
        number += 1
        await asyncio.sleep(0.5)


def _publish(producer: Producer, asset: str, number: int) -> None:
    producer.produce(topic_for("traffic"), reading(asset, 1.0, number), key=asset)
    producer.poll(0)


async def _listen(connection: ClientConnection, arrived: dict[str, float]) -> None:
    async for frame in connection:
        at = time.monotonic()
        message = json.loads(frame)
        if message["type"] == "delta" and message["kind"] == "raised":
            arrived.setdefault(message["alert"]["group"], at)


if __name__ == "__main__":
    for figure in asyncio.run(measure()):
        print(figure)
