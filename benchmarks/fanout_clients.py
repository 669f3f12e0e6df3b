"""Thousands of WebSocket clients in one process, as lean as may be, so that what is measured is the server.

    python -m benchmarks.fanout_clients PORT CLIENTS STALLED SECONDS

Each client subscribes to alerts and notes when each large frame has come whole. Prints `connected`, then after SECONDS
a line of JSON: {"clients", "frames": [[arrival at each client, monotonic seconds], …]}.
"""

import asyncio
import json
import sys
import time
from typing import Any, Final, cast

import uvloop

LARGE: Final = 4096
"""Frames smaller than this (hello, snapshot of nothing, heartbeats) are not counted."""
PING: Final = 0x89
HANDSHAKES: Final = 50
SUBSCRIBE: Final = b'{"type":"subscribe","channel":"alerts"}'


class LeanClient(asyncio.BufferedProtocol):
    """Reads into a buffer that all clients share and looks only at the headers of frames."""

    shared = memoryview(bytearray(256 * 1024))

    def __init__(self, port: int, arrivals: list[list[float]], connected: "asyncio.Future[None]") -> None:
        self._port = port
        self._arrivals = arrivals
        self._connected = connected
        self._open = False
        self._header = b""
        self._left = 0
        self._large = False
        self._ping: bytes | None = None
        self._count = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        self.transport.write(
            f"GET /ws/v1 HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.shared

    def buffer_updated(self, size: int) -> None:
        data = self.shared[:size]
        if not self._open:
            self._header += bytes(data)
            head, end, rest = self._header.partition(b"\r\n\r\n")
            if not end:
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._open = True
            self._header = b""
            assert self.transport is not None
            self.transport.write(bytes((0x81, 0x80 | len(SUBSCRIBE))) + b"\0\0\0\0" + SUBSCRIBE)
            self._connected.set_result(None)
            self._frames(memoryview(rest))
        else:
            self._frames(data)

    def _frames(self, data: memoryview) -> None:
        at, size = 0, len(data)
        while at < size:
            if self._left:
                taken = min(self._left, size - at)
                self._left -= taken
                if self._ping is not None:
                    self._ping += data[at : at + taken]
                at += taken
                if not self._left:
                    self._ended()
                continue
            self._header += bytes(data[at : at + 1])
            at += 1
            length = self._length()
            if length is not None:
                self._ping = b"" if self._header[0] == PING else None
                self._left, self._large, self._header = length, length >= LARGE, b""

    def _length(self) -> int | None:
        """The payload's length once the header is whole."""
        header = self._header
        if len(header) < 2:
            return None
        if header[1] < 126:
            return header[1]
        need = 4 if header[1] == 126 else 10
        return int.from_bytes(header[2:need], "big") if len(header) == need else None

    def _ended(self) -> None:
        """The frame is whole: a large one is noted, a ping answered."""
        if self._large:
            self._arrivals[self._count].append(time.monotonic())
            self._count += 1
        elif self._ping is not None and self.transport is not None:
            self.transport.write(bytes((0x8A, 0x80 | len(self._ping))) + b"\0\0\0\0" + self._ping)


async def main(port: int, clients: int, stalled: int, seconds: float) -> None:
    arrivals: list[list[float]] = [[] for _ in range(10_000)]
    gate = asyncio.Semaphore(HANDSHAKES)
    loop = asyncio.get_running_loop()

    async def join(pause: bool) -> LeanClient:
        connected: asyncio.Future[None] = loop.create_future()
        async with gate:
            transport, client = await loop.create_connection(
                lambda: LeanClient(port, [[] for _ in range(10_000)] if pause else arrivals, connected),
                "127.0.0.1",
                port,
            )
            await connected
            if pause:
                transport.pause_reading()
            return client

    joined = await asyncio.gather(*(join(number >= clients) for number in range(clients + stalled)))
    print("connected", flush=True)
    await asyncio.sleep(seconds)
    answer: dict[str, Any] = {"clients": clients, "frames": [times for times in arrivals if times]}
    print(json.dumps(answer), flush=True)
    for client in joined:
        if client.transport is not None:
            client.transport.abort()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
