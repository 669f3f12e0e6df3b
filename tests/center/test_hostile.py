"""Clients that stall, flood or lie cost nobody but themselves; strangers' pages are refused."""

import asyncio
import contextlib
import json
import socket
import statistics
import struct
import time
from typing import Any

import asyncpg
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from city.kafka import LIVE, Producer
from tests.center.conftest import Running, raise_alert
from tests.center.test_live_values import now_us

STALLED = 20
SERIES = 4_000
ASSETS = "INSERT INTO asset (sector, name) SELECT 'traffic', 'VVK-' || n FROM generate_series(1, $1::int) AS n"
ADD = "INSERT INTO series (asset_id, metric, unit) SELECT id, 'speed_kmh', 'km/h' FROM asset RETURNING id"


async def handshake(port: int, receive_buffer: int = 4096) -> socket.socket:
    """A raw socket after the opening handshake, with a small receive buffer."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, ("127.0.0.1", port))
    request = (
        f"GET /ws/v1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await loop.sock_sendall(raw, request.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += await loop.sock_recv(raw, 1)
    assert answer.startswith(b"HTTP/1.1 101")
    return raw


def masked(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    """A client's frame; the mask is zero, which is legal and changes nothing."""
    head = bytes(((0x80 if fin else 0) | opcode,))
    size = len(payload)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + struct.pack(">H", size)
    return head + length + b"\0\0\0\0" + payload


async def test_twenty_stalled_clients_change_nothing_for_the_others(
    center: Running, http: httpx.AsyncClient, db: asyncpg.Connection
) -> None:
    await db.execute(ASSETS, SERIES)
    series = [row["id"] for row in await db.fetch(ADD)]
    subscriptions = [json.dumps({"type": "subscribe", "channel": channel}).encode() for channel in ("alerts", "live")]
    loop = asyncio.get_running_loop()
    async with Producer(center.settings, linger_ms=0) as producer, center.listen() as client:
        await client.say(type="subscribe", channel="alerts")
        await client.say(type="subscribe", channel="live")
        await client.next("snapshot", "live")

        async def usual_latency(numbers: range) -> float:
            """The median from alert to client while 4,000 values change with each alert."""
            latencies = []
            for number in numbers:
                rows = [(one, now_us(), float(number)) for one in series]
                await producer.publish(LIVE, json.dumps(rows).encode())
                began = time.monotonic()
                await raise_alert(db, number)
                await client.until(
                    lambda message, seq=number: message.get("channel") == "alerts" and message["seq"] == seq
                )
                latencies.append(time.monotonic() - began)
            return statistics.median(latencies)

        alone = await usual_latency(range(1, 21))
        stalled = [await handshake(center.port) for _ in range(STALLED)]
        for raw in stalled:
            for subscription in subscriptions:
                await loop.sock_sendall(raw, masked(1, subscription))
        beside = await usual_latency(range(21, 41))
        print(f"from alert to client {alone * 1000:.0f} ms, beside {STALLED} stalled ones {beside * 1000:.0f} ms")
        assert beside < 3 * alone + 0.1
        async with asyncio.timeout(30):
            while f"citywatch_clients_behind {STALLED}.0" not in (await http.get("/metrics")).text:
                await asyncio.sleep(0.1)
    for raw in stalled:
        raw.close()


async def test_garbage_is_answered_and_a_flood_is_ended(center: Running) -> None:
    async with center.listen() as client:
        await client.next("hello")
        for message, code in (("{", "not_json"), ('{"type":"x"}', "bad_message"), (b"\x00", "binary")):
            await client.connection.send(message)
            assert (await client.next("error"))["code"] == code
        with contextlib.suppress(ConnectionClosed):
            for _ in range(2_000):
                await client.say(type="subscribe", channel="city")
                await asyncio.sleep(0)
        with pytest.raises(ConnectionClosed):
            await client.until(lambda _: False)
        assert client.connection.close_code == 1008


async def test_huge_frames_and_endless_fragments_are_ended(center: Running) -> None:
    async with center.listen() as client:
        await client.connection.send("x" * 70_000)
        with pytest.raises(ConnectionClosed):
            await client.until(lambda _: False)
        assert client.connection.close_code == 1009
    raw = await handshake(center.port)
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        await loop.sock_sendall(raw, masked(1, b"", fin=False))
        for _ in range(5_000):
            await loop.sock_sendall(raw, masked(0, b"", fin=False))
    assert await _is_closed(raw)


async def test_text_that_is_not_utf8_is_ended_by_its_own_code(center: Running) -> None:
    raw = await handshake(center.port)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(raw, masked(1, b"\xff"))
    received = b""
    async with asyncio.timeout(10):
        while chunk := await loop.sock_recv(raw, 65536):
            received += chunk
    assert b"\x03\xefnot UTF-8" in received  # 1007
    raw.close()


async def test_pings_of_one_who_never_reads_do_not_pile_up(center: Running) -> None:
    raw = await handshake(center.port)
    loop = asyncio.get_running_loop()
    ping = masked(9, b"p" * 125) * 500
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(10):
            for _ in range(200):
                await loop.sock_sendall(raw, ping)
    assert await _is_closed(raw)


async def _is_closed(raw: socket.socket) -> bool:
    """Whether the server ended the connection; reads what it still sent."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(10):
            while await loop.sock_recv(raw, 65536):
                pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    finally:
        raw.close()
    return True


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "file://"])
async def test_pages_of_another_origin_may_not_listen_or_write(
    center: Running, http: httpx.AsyncClient, origin: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(center.socket_url, origin=origin, proxy=None):  # type: ignore[arg-type]
            pass
    assert refused.value.response.status_code == 403
    assert 'citywatch_socket_refused_total{reason="wrong_origin"}' in (await http.get("/metrics")).text
    answer = await http.post("/api/v1/events", headers={"origin": origin})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "wrong_origin")


async def test_the_own_origin_may(center: Running) -> None:
    async with connect(center.socket_url, origin=center.url, proxy=None) as connection:  # type: ignore[arg-type]
        assert json.loads(await connection.recv())["type"] == "hello"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8700", "127.0.0.1.evil.example", ""])
async def test_a_rebound_name_is_refused(http: httpx.AsyncClient, host: str) -> None:
    answer = await http.get("/api/v1/health", headers={"host": host})
    assert answer.status_code in (400, 421)


async def test_every_answer_carries_the_security_headers(http: httpx.AsyncClient) -> None:
    for path in ("/api/v1/health", "/wall", "/nothing", "/api/v1/alerts/nothing"):
        headers = (await http.get(path)).headers
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


async def test_a_screen_that_painted_is_known_and_goes_silent(center: Running, http: httpx.AsyncClient) -> None:
    async with center.listen() as client:
        await client.next("hello")
        await client.say(type="painted", seq=7, screen="Tường 1")
        async with asyncio.timeout(5):
            screens: list[dict[str, Any]] = []
            while not screens:
                screens = (await http.get("/api/v1/screens")).json()["screens"]
        assert (screens[0]["screen"], screens[0]["seq"], screens[0]["state"]) == ("Tường 1", 7, "painting")
        assert screens[0]["connected"]
