"""The socket that a center listens on."""

import asyncio
import socket

import pytest

from center.server import _listen


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_what_it_accepts_sends_at_once(host: str) -> None:
    """asyncio leaves Nagle's algorithm on where the listener's protocol is not named: 40 ms more an answer."""
    accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        accepted.set_result(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()
        await writer.wait_closed()

    listener = _listen(host, 0)
    async with await asyncio.start_server(serve, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname()[:2])
        assert await accepted != 0
        writer.close()
        await writer.wait_closed()
