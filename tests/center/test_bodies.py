"""How much a request may bring: little, on every route but the one for events."""

import asyncio
import contextlib
import json
import re
from pathlib import Path
from typing import Self

import asyncpg
import httpx
import pytest

from benchmarks.stack import awaited as said
from benchmarks.stack import process
from center import bodies
from center.bodies import MAX_BODY
from city.settings import Settings
from tests.center.conftest import Running, raise_alert

ALERT = "/api/v1/alerts/00000000-0000-0000-0000-000000000001/acknowledge"
JSON = {"content-type": "application/json"}


class Raw:
    """A client that sends what it likes and reads when it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def begin(cls, center: Running, method: str, path: str) -> Self:
        """A request whose body has no length."""
        raw = cls(*await asyncio.open_connection("127.0.0.1", center.port))
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        raw.writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        return raw

    async def send(self, size: int) -> None:
        self.writer.write(f"{size:x}\r\n".encode() + b" " * size + b"\r\n")
        await self.writer.drain()

    async def answer(self) -> tuple[int, str]:
        """Status and code of the error."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        assert length is not None
        body = json.loads(await self.reader.readexactly(int(length[1])))
        return int(head.split()[1]), body["error"]["code"]


@pytest.mark.parametrize(("method", "path"), [("POST", ALERT), ("GET", "/api/v1/alerts"), ("PUT", "/nowhere")])
async def test_more_than_a_route_needs_is_refused_and_not_read(
    center: Running, http: httpx.AsyncClient, db: asyncpg.Connection, method: str, path: str
) -> None:
    await raise_alert(db, 1)
    raw = await Raw.begin(center, method, path)
    await raw.send(MAX_BODY)
    await raw.send(1)
    async with asyncio.timeout(5):
        assert await raw.answer() == (413, "too_large")
    sent = 0
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(30):
            while sent < 300_000_000:
                await raw.send(1_000_000)
                sent += 1_000_000
    assert sent < 20_000_000
    raw.writer.transport.abort()
    told = await http.request(method, path, content=b" " * (MAX_BODY + 1), headers=JSON)
    assert (told.status_code, told.json()["error"]["code"]) == (413, "too_large")
    if path == ALERT:
        assert (await http.post(ALERT, content=b'{"seq": 1}'.ljust(MAX_BODY), headers=JSON)).status_code == 200


async def test_a_body_that_does_not_come_is_not_waited_for(center: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "READ_S", 0.3)
    raw = await Raw.begin(center, "POST", ALERT)
    await raw.send(10)
    async with asyncio.timeout(5):
        assert await raw.answer() == (408, "too_slow")
        assert await raw.reader.read() == b""
    raw.writer.close()


async def test_a_page_of_dead_letters_does_not_fetch_what_they_hold(topics: Settings, db: asyncpg.Connection) -> None:
    await db.execute(
        "INSERT INTO dead_letter (source, reason, detail, raw)"
        " SELECT 'http', 'not_json', 'x', convert_to(repeat('x', 65536), 'UTF8') FROM generate_series(1, 1000)"
    )
    with process(["-m", "citywatch", "center", "--port", "0"], topics) as started:
        url = f"http://127.0.0.1:{said(started, r'center listens on http://[^ ]+:([0-9]+)')}/api/v1/dead-letters"
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            await http.get(url, params={"limit": 10})
            before = peak(started.pid)
            letters = (await http.get(url, params={"limit": 1000})).json()["dead_letters"]
            assert (len(letters), letters[0]["bytes"]) == (1000, 65_536)
            assert peak(started.pid) - before < 30_000_000


def peak(pid: int) -> int:
    """The most bytes of memory that a process ever had."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024
