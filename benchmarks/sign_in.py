"""What sign-in costs: ten interleaved pairs of work, on a center that asks everybody and on one that asks nobody.

Both centers run all the time, on one database and one broker, so they pay for the same city; only one is under load at
a time: in each pair both twice, in the order A B B A, and who is A changes. A pair's figure is the ratio of the two;
the row is the upper 95 % bound of the mean ratio (one-sided, Student's t), in percent above 1.

    http     events over HTTP, one a request, on eight connections; with a key
    latency  from before the transaction of an alert to the last byte in one client; with a session
    fanout   the same to 300 clients, the last of them; with a screen's credential
"""

import asyncio
import contextlib
import json
import math
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import asyncpg
from websockets.asyncio.client import connect

from access import accounts, devices, keys, sessions
from access.policy import Principal, Role
from benchmarks.fanout import NOTIFY, RAISE, body
from benchmarks.stack import Row, center, row, servers
from city.actor import Actor
from city.settings import Settings

PAIRS: Final = 10
T_95: Final = 1.833
"""Student's t, 9 degrees of freedom, one-sided."""
EVENTS: Final = 1_000
CONNECTIONS: Final = 8
ALERTS: Final = 30
FRAMES: Final = 30
CLIENTS: Final = 300
PAUSE_S: Final = 0.05
BUDGET_PCT: Final = 5
LOCAL: Final = Actor("local", "bench", "bench")
BY: Final = Principal("local", "bench", "bench")


class Side(NamedTuple):
    """A center and what its callers send along."""

    port: int
    key: str
    session: str
    screen: str


Work = Callable[[Side, asyncpg.Pool], Awaitable[float]]


async def measure(pairs: int = PAIRS) -> list[Row]:
    """Three rows: percent that sign-in costs, at most."""
    async with servers() as (settings, pool):
        credentials = await _credentials(pool)
        guarded = settings.model_copy(update={"sign_in": "required"})
        async with _centers(settings, guarded) as (open_port, guarded_port):
            off, on = Side(open_port, "", "", ""), Side(guarded_port, *credentials)
            rows = []
            for name, work in (("http", _http), ("latency", _latency), ("fanout", _fanout)):
                ratios = await _ratios(work, off, on, pool, pairs)
                bound = _upper(ratios)
                print(
                    f"  {name}: median {_pct(statistics.median(ratios)):+.2f} %, upper 95 % bound {_pct(bound):+.2f} %"
                )
                rows.append(row(f"sign_in_{name}_cost_pct_upper95", _pct(bound), "%", BUDGET_PCT))
    return rows


@contextlib.asynccontextmanager
async def _centers(off: Settings, on: Settings) -> AsyncIterator[tuple[int, int]]:
    with center(off) as open_port, center(on) as guarded_port:
        for port in (open_port, guarded_port):
            await _ready(port)
        yield open_port, guarded_port


async def _credentials(pool: asyncpg.Pool) -> tuple[str, str, str]:
    """A key, a session and a screen's token."""
    key = await keys.create(pool, LOCAL, "bench", ["traffic"], ["publish"])
    account, _ = await accounts.create(pool, LOCAL, "bench", Role.operator, password="ein langer Satz zum Messen")
    session = await sessions.create(pool, account, None, None, timedelta(hours=2))
    screen = await devices.claim(pool, await devices.link(pool, BY, None, "bench"), None)
    return key.text, session, screen


async def _ratios(work: Work, off: Side, on: Side, pool: asyncpg.Pool, pairs: int) -> list[float]:
    for side in (off, on):  # what is first touched is not measured
        await work(side, pool)
    ratios = []
    for number in range(pairs):
        order = (off, on, on, off) if number % 2 else (on, off, off, on)  # a drift of the machine cancels out
        seconds = {off: 0.0, on: 0.0}
        for side in order:
            seconds[side] += await work(side, pool)
        ratios.append(seconds[on] / seconds[off])
    return ratios


def _upper(ratios: list[float]) -> float:
    return statistics.mean(ratios) + T_95 * statistics.stdev(ratios) / math.sqrt(len(ratios))


def _pct(ratio: float) -> float:
    return (ratio - 1) * 100


async def _http(side: Side, pool: asyncpg.Pool) -> float:
    """Seconds for EVENTS events."""
    numbers = iter(range(EVENTS))
    began = time.perf_counter()
    await asyncio.gather(*(_publish(side, numbers) for _ in range(CONNECTIONS)))
    return time.perf_counter() - began


async def _publish(side: Side, numbers: Iterator[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", side.port)
    authorization = f"Authorization: Bearer {side.key}\r\n" if side.key else ""
    try:
        for number in numbers:
            event = _event(number)
            writer.write(
                f"POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}"
                f"Content-Type: application/cloudevents+json\r\nContent-Length: {len(event)}\r\n\r\n".encode()
                + event
            )
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 202"):
                raise RuntimeError(f"an event was answered {head[:200]!r}")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
    finally:
        writer.close()


def _event(number: int) -> bytes:
    return json.dumps(
        {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": "//bench",
            "type": "city.traffic.reading.v1",
            "subject": f"BENCH-{number % 100}",
            "time": datetime.now(UTC).isoformat(),
            "data": {"location": [106.695, 10.776], "measurements": {"speed_kmh": 32.5}},
        }
    ).encode()


async def _latency(side: Side, pool: asyncpg.Pool) -> float:
    """Median seconds to one client."""
    return await _alerts(side, pool, 1, ALERTS, f"citywatch={side.session}" if side.session else "")


async def _fanout(side: Side, pool: asyncpg.Pool) -> float:
    """Median seconds to the last of CLIENTS clients."""
    return await _alerts(side, pool, CLIENTS, FRAMES, f"citywatch-device={side.screen}" if side.screen else "")


async def _alerts(side: Side, pool: asyncpg.Pool, clients: int, alerts: int, cookie: str) -> float:
    await pool.execute("DELETE FROM alert")
    headers = {"Cookie": cookie} if cookie else {}
    arrived = asyncio.Semaphore(0)

    async def listen(connected: asyncio.Semaphore) -> None:
        url = f"ws://127.0.0.1:{side.port}/ws/v1"
        async with connect(url, compression=None, proxy=None, additional_headers=headers, max_size=None) as connection:
            await connection.send('{"type":"subscribe","channel":"alerts"}')
            async for frame in connection:
                if frame[:17] == '{"type":"snapshot':
                    connected.release()
                elif frame[:14] == '{"type":"delta':
                    arrived.release()

    connected = asyncio.Semaphore(0)
    listening = [asyncio.create_task(listen(connected)) for _ in range(clients)]
    try:
        for _ in range(clients):
            await asyncio.wait_for(connected.acquire(), 30)
        seconds = []
        for _ in range(alerts):
            text = json.dumps(body(512))
            began = time.perf_counter()
            await pool.execute(RAISE, datetime.now(UTC), text)
            await pool.execute(NOTIFY)
            for _ in range(clients):
                await asyncio.wait_for(arrived.acquire(), 10)
            seconds.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE_S)
        return statistics.median(seconds)
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)


async def _ready(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/v1/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        if answer.startswith(b"HTTP/1.1 200"):
            return
        await asyncio.sleep(0.1)
    raise RuntimeError("the center did not become ready")


if __name__ == "__main__":
    for figure in asyncio.run(measure()):
        print(figure)
