"""Ingest: readings a second through the whole exactly-once way, against COPY alone, memory, and takeover.

One worker process takes a backlog of records with two measurements each, of 10,000 series, out of the broker. COPY
alone writes the same rows, packed beforehand, in transactions of the same size into the same table in the same run.
"""

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import asyncpg
import msgspec
import numpy as np
from confluent_kafka import Producer

from benchmarks.stack import Row, row, servers
from city.kafka import topic_for
from city.settings import Settings
from city.timestamps import format_time
from ingest.packing import Floats, Ints, pack_readings, pieces

ASSETS: Final = 5_000
METRICS: Final = ("speed_kmh", "flow_vph")
RECORDS: Final = 400_000
WARM: Final = 0.1
"""The first tenth (new series, cold caches) is not counted."""
COPY_ROWS: Final = 20_000
PAIRS: Final = 3
"""Ingest of the backlog and COPY alone, in turn; the median counts, as the machine's speed drifts within seconds."""
TOPIC: Final = topic_for("traffic")


async def measure(records: int = RECORDS) -> list[Row]:
    """Rows of the report: rate, its share of COPY alone, peak memory, and the slower of two takeovers."""
    async with servers() as (settings, pool):
        await asyncio.to_thread(_preload, settings, records)
        rates, ratios, peaks = [], [], []
        for _ in range(PAIRS):
            one, peak = await _ingest_rate(settings, pool, records)
            rates.append(one)
            ratios.append(one / await _copy_rate(pool))
            peaks.append(peak)
        rate, ratio, peak_mib = statistics.median(rates), statistics.median(ratios), max(peaks)
        takeover = max([await _takeover(settings, pool, number) for number in (signal.SIGKILL, signal.SIGSTOP)])
    return [
        row("ingest_readings_per_s", rate, "1/s", 200_000, at_least=True, digits=None),
        row("ingest_copy_ratio", ratio, "", 0.40, at_least=True, digits=3),
        row("ingest_peak_rss_mib", peak_mib, "MiB", 250, digits=1),
        row("takeover_s", takeover, "s", 15),
    ]


async def _ingest_rate(settings: Settings, pool: asyncpg.Pool, records: int) -> tuple[float, float]:
    """Readings a second after the warm-up, and the worker's peak memory in MiB."""
    await pool.execute("TRUNCATE ledger, reading")
    worker = _start(settings, "bench")
    try:
        begun = await _reached(pool, records * WARM)
        started = time.perf_counter()
        done = await _reached(pool, records)
        seconds = time.perf_counter() - started
        peak_mib = _peak_kib(worker.pid) / 1024
    finally:
        _end(worker)
    stored = await pool.fetchval("SELECT sum(readings_stored)::bigint FROM ledger")
    if stored != records * len(METRICS) or stored != await pool.fetchval("SELECT count(*) FROM reading"):
        raise RuntimeError(f"{stored} readings in the books, {records * len(METRICS)} were sent")
    return (done - begun) * len(METRICS) / seconds, peak_mib


async def _copy_rate(pool: asyncpg.Pool) -> float:
    """Rows a second of COPY alone: the very rows that ingest wrote, in the order in which it wrote them."""
    async with pool.acquire() as connection:
        columns = await connection.fetch(
            "SELECT to_us(time) AS us, series_id, value FROM reading ORDER BY time, series_id"
        )
        time_us: Ints = np.array([row["us"] for row in columns], np.int64)
        series: Ints = np.array([row["series_id"] for row in columns], np.int64)
        value: Floats = np.array([row["value"] for row in columns], np.float64)
        del columns
        packed = []
        for start in range(0, len(series), COPY_ROWS):
            part = slice(start, start + COPY_ROWS)
            order = np.lexsort((time_us[part], series[part]))
            packed.append(pack_readings(time_us[part][order], series[part][order], value[part][order]))
        await connection.execute("TRUNCATE reading")
        await connection.execute("CHECKPOINT")
        started = time.perf_counter()
        for rows in packed:
            async with connection.transaction():
                await connection.copy_to_table("reading", source=pieces(rows), format="binary")
        seconds = time.perf_counter() - started
    return len(series) / seconds


async def _takeover(settings: Settings, pool: asyncpg.Pool, number: signal.Signals) -> float:
    """Seconds from a signal to one of two workers until every partition's books move again."""
    workers = [_start(settings, name) for name in ("left", "right")]
    stop = asyncio.Event()
    feed = asyncio.create_task(_feed(settings, stop))
    try:
        deadline = time.monotonic() + 60
        while len(await _owners(pool)) < 2 or not await _moves(pool, 1.0):
            if time.monotonic() > deadline:
                raise RuntimeError("two workers do not share the partitions")
        started = time.perf_counter()
        workers[0].send_signal(number)
        before = await _positions(pool)
        while any(position <= before[key] + 50 for key, position in (await _positions(pool)).items()):
            await asyncio.sleep(0.05)
            if time.perf_counter() - started > 60:
                raise RuntimeError("nobody took over within 60 s")
        return time.perf_counter() - started
    finally:
        stop.set()
        await feed
        for worker in workers:
            _end(worker)


async def _feed(settings: Settings, stop: asyncio.Event) -> None:
    """A thousand records a second to both partitions."""
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap, "linger.ms": 20})
    count = 0
    while not stop.is_set():
        for _ in range(50):
            producer.produce(TOPIC, _event(count, time.time_ns() // 1000 + count), partition=count % 2)
            count += 1
        producer.poll(0)
        await asyncio.sleep(0.05)
    await asyncio.to_thread(producer.flush, 5)


def _preload(settings: Settings, records: int) -> None:
    """Fill the broker; the events' times end about now."""
    producer = Producer(
        {"bootstrap.servers": settings.kafka_bootstrap, "linger.ms": 50, "queue.buffering.max.messages": 1_000_000}
    )
    begin = time.time_ns() // 1000 - records // ASSETS * 1_000_000
    for number in range(records):
        producer.produce(TOPIC, _event(number, begin + number * (1_000_000 // ASSETS)), partition=number % 2)
        if number % 10_000 == 0:
            producer.poll(0)
    if producer.flush(120):
        raise RuntimeError("the broker did not take the backlog")


def _event(number: int, time_us: int) -> bytes:
    asset = f"VVK-{number % ASSETS:04}"
    return _ENCODER.encode(
        {
            "specversion": "1.0",
            "id": f"0195f1c2-{number:012}",
            "source": "//giaothong.hcmc.example/detectors",
            "type": "city.traffic.reading.v1",
            "subject": asset,
            "time": format_time(time_us),
            "data": {
                "location": [106.695, 10.776],
                "measurements": {"speed_kmh": 20 + number % 61, "flow_vph": 900 + number % 97},
            },
        }
    )


async def _total(pool: asyncpg.Pool) -> int:
    return int(await pool.fetchval("SELECT coalesce(sum(next_offset - first_offset), 0)::bigint FROM ledger"))


async def _reached(pool: asyncpg.Pool, total: float) -> int:
    """Wait until so many records are in the books; returns how many are."""
    while (reached := await _total(pool)) < total:  # noqa: ASYNC110 - another process is at work
        await asyncio.sleep(0.02)
    return reached


async def _positions(pool: asyncpg.Pool) -> dict[int, int]:
    rows = await pool.fetch("SELECT partition, next_offset FROM ledger WHERE topic = $1", TOPIC)
    return {row["partition"]: row["next_offset"] for row in rows}


async def _owners(pool: asyncpg.Pool) -> set[str]:
    rows = await pool.fetch("SELECT DISTINCT owner FROM ledger WHERE topic = $1 AND owner IN ('left', 'right')", TOPIC)
    return {row["owner"] for row in rows}


async def _moves(pool: asyncpg.Pool, seconds: float) -> bool:
    before = await _positions(pool)
    await asyncio.sleep(seconds)
    return all(position > before[key] for key, position in (await _positions(pool)).items())


def _start(settings: Settings, name: str) -> "subprocess.Popen[bytes]":
    changed = {
        "CITYWATCH_DATABASE_DSN": settings.database_dsn,
        "CITYWATCH_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "CITYWATCH_BROKER": settings.broker,
        "CITYWATCH_WORKER": name,
    }
    return subprocess.Popen([sys.executable, "-m", "citywatch", "ingest"], env={**os.environ, **changed})


def _end(worker: "subprocess.Popen[bytes]") -> None:
    worker.kill()
    worker.wait()


def _peak_kib(pid: int) -> int:
    """The largest resident size that the process has had (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


_ENCODER: Final = msgspec.json.Encoder()

if __name__ == "__main__":
    for figure in asyncio.run(measure()):
        print(figure)
