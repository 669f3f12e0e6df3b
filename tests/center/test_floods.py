"""Hostile WebSocket clients against a center process: bounded in its memory and time, and nobody else notices."""

import asyncio
import contextlib
import json
import os
import re
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import pytest
from websockets.asyncio.client import connect

from benchmarks.stack import awaited as said
from benchmarks.stack import process
from city.settings import Settings
from tests.center.conftest import Listening, Running, raise_alert
from tests.center.test_hostile import ADD, ASSETS, handshake, masked

STRIKE_S: Final = 8.0
"""How long the attackers go on; a connection that is ended is made anew after BACK_S."""
BACK_S: Final = 0.5
ALONE_S: Final = 2.0
ALERTS: Final = 16
NOTICED_S: Final = 1.0
GROWTH_BYTES: Final = 48 * 1024 * 1024
"""How much larger the process may become; what it is sent meanwhile is far more."""
SERIES: Final = 2_000
SUBSCRIPTIONS: Final = [{"type": "subscribe", "channel": channel} for channel in ("alerts", "live", "city")]


class Besieged:
    """A center process: where it listens, and what it costs."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self._pid = pid

    def resident(self) -> int:
        """Bytes of memory."""
        pages = int(Path(f"/proc/{self._pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def processor_s(self) -> float:
        """Seconds of processor time since its start."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def besieged(topics: Settings) -> Iterator[Besieged]:
    """A center as production runs it: a process of its own."""
    with process(["-m", "citywatch", "center", "--port", "0"], topics) as started:
        yield Besieged(int(said(started, r"center listens on http://[^ ]+:(\d+)")), started.pid)


def text(message: Any) -> bytes:
    return masked(1, json.dumps(message).encode())


def megabyte() -> bytes:
    """One text frame of 1 MB."""
    return b"\x81\xff" + struct.pack(">Q", 1_000_000) + b"\0\0\0\0" + b"x" * 1_000_000


FLOODS: Final[dict[str, bytes]] = {
    "1 MB frames": megabyte() * 4,
    "not JSON": masked(1, b"{") * 100_000,
    "not UTF-8": masked(1, b"\xff\xfe\xfd") * 100_000,
    "binary": masked(2, b"\0" * 100) * 20_000,
    "10,000 subscribes": b"".join(text(one) for one in SUBSCRIPTIONS) * 3_400,
    "a filter each": b"".join(
        text({"type": "subscribe", "channel": "live", "filter": {"sectors": [name], "zones": []}})
        for name in ("traffic", "health", "energy", "tourism")
    )
    * 2_500,
    "wrong since": b"".join(
        text({"type": "subscribe", "channel": "alerts", "since": since}) for since in (-1, 10**30, "0", 1.5)
    )
    * 2_500,
    "painted": b"".join(text({"type": "painted", "seq": 1, "screen": f"s-{number}"}) for number in range(10_000)),
    "empty messages": masked(1, b"") * 200_000,
    "pings": masked(9, b"") * 200_000,
    "pongs": masked(10, b"") * 200_000,
    "zeros": b"\0" * 2_000_000,
}


async def test_all_floods_at_once_are_bounded_and_others_get_their_alerts(
    besieged: Besieged, db: asyncpg.Connection
) -> None:
    """Each kind of flood twice, once by a peer that reads what it is answered and once by one that never does."""
    await db.execute(ASSETS, SERIES)
    await db.fetch(ADD)
    async with connect(f"ws://127.0.0.1:{besieged.port}/ws/v1", compression=None, proxy=None) as connection:
        good = Listening(connection)
        await good.say(type="subscribe", channel="alerts")
        await good.next("snapshot")
        before = besieged.resident()
        strikes = {
            (name, reads): asyncio.create_task(strike(besieged.port, flood, reads))
            for name, flood in FLOODS.items()
            for reads in (True, False)
        }
        delays = []
        for number in range(1, ALERTS + 1):
            began = time.monotonic()
            await raise_alert(db, number)
            await good.until(lambda message, seq=number: message.get("seq") == seq)
            delays.append(time.monotonic() - began)
            await asyncio.sleep(STRIKE_S / ALERTS)
        ended = {strike: await task for strike, task in strikes.items()}
        grown = besieged.resident() - before
        print(f"slowest alert {max(delays) * 1000:.0f} ms, {sum(ended.values())} ended, {grown / 1e6:+.1f} MB")
        assert max(delays) < NOTICED_S
        assert grown < GROWTH_BYTES
        assert not [name for (name, reads), times in ended.items() if reads and not times], "a flood was never ended"


async def strike(port: int, flood: bytes, reads: bool) -> int:
    """Floods one connection after the other for STRIKE_S; returns how many the server ended."""
    loop = asyncio.get_running_loop()
    over, ended = loop.time() + STRIKE_S, 0
    while loop.time() < over:
        raw = await handshake(port)
        reader = asyncio.create_task(_read(raw)) if reads else None
        try:
            await loop.sock_sendall(raw, b"".join(text(one) for one in SUBSCRIPTIONS))
            async with asyncio.timeout_at(over):
                while True:
                    await loop.sock_sendall(raw, flood)
        except ConnectionError:
            ended += 1
        except TimeoutError:
            pass
        finally:
            await _hang_up(raw, reader)
        await asyncio.sleep(BACK_S)
    return ended


async def _hang_up(raw: socket.socket, reader: "asyncio.Task[None] | None") -> None:
    if reader is not None:
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await reader
    raw.close()


async def _read(raw: socket.socket) -> None:
    """Takes what the server sends, as long as it sends."""
    while await asyncio.get_running_loop().sock_recv(raw, 65536):
        pass


async def test_one_connection_costs_little_time_whatever_it_sends(besieged: Besieged) -> None:
    """What comes after the point where it is ended is not even parsed."""
    spent = {}
    for name, flood in FLOODS.items():
        raw = await handshake(besieged.port)
        reader = asyncio.create_task(_read(raw))
        busy = besieged.processor_s()
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(ALONE_S):
                while True:
                    await asyncio.get_running_loop().sock_sendall(raw, flood)
        spent[name] = round(besieged.processor_s() - busy, 2)
        await _hang_up(raw, reader)
    print(f"seconds of processor: {spent}")
    assert max(spent.values()) < ALONE_S / 4, spent


async def test_a_wrong_number_is_told_and_counted_by_its_code(center: Running, http: httpx.AsyncClient) -> None:
    wrong = [
        ("bad_since", {"type": "subscribe", "channel": "alerts", "since": -1}),
        ("bad_since", {"type": "subscribe", "channel": "alerts", "since": 10**30}),
        ("bad_message", {"type": "subscribe", "channel": "alerts", "since": "0"}),
        ("bad_seq", {"type": "painted", "seq": 10**30}),
        ("bad_screen", {"type": "painted", "seq": 0, "screen": "x" * 65}),
    ]
    async with center.listen() as client:
        for code, message in wrong:
            before = await counted(http, code)
            await client.say(**message)
            assert (await client.next("error"))["code"] == code
            assert await counted(http, code) == before + 1


async def counted(http: httpx.AsyncClient, code: str) -> float:
    """How many errors of this code the center has told since its start."""
    metrics = (await http.get("/metrics")).text
    found = re.search(rf'citywatch_socket_errors_total{{code="{code}"}} (\S+)', metrics)
    return float(found[1]) if found else 0.0
