"""The sending side of a connection, on uvicorn's own WebSocket protocol.

ASGI's `send` builds a frame a client and waits for its buffer. A wall must neither wait for a neighbour nor have its
frames built anew, so the protocol object itself is offered to the application as a Wire, under `WIRE` in the scope's
extensions. What a client could do to the server below the level of messages is bounded here: pings that are answered
into a buffer nobody reads, messages of endless empty fragments, and floods of small frames, which cost the loop more
time than they have bytes.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

WIRE: Final = "citywatch.wire"
HIGH_WATER: Final = 64 * 1024
"""Bytes in the transport's buffer above which a client counts as not ready."""
UNSENT: Final = 128 * 1024
"""Bytes that the kernel may hold unsent, so that a slow client is seen while its data is still fresh."""
MAX_FRAGMENTS: Final = 64
SLICE: Final = 4096
"""Bytes that are parsed at once; in between, a peer may have turned out to be one that is not heard any more."""
MAX_UNHEARD: Final = 64
"""Messages that may lie before the application; more than its listener's burst, so it ends such a connection."""
GOODBYE_S: Final = 2.0
"""How long a peer may take to answer a close; then its connection is cut."""
CONTROL_BURST: Final = 20
"""Pings and pongs that may come at once; one more every second. Browsers send a pong every 20 s."""


class ScreenProtocol(WebSocketsSansIOProtocol):
    """uvicorn's `websockets-sansio`, with a way out that never waits."""

    on_ready: Callable[[], None] | None = None
    _deaf = False
    _after_close = 0
    _controls = float(CONTROL_BURST)
    _controls_at = 0.0

    def handle_connect(self, event: Request) -> None:
        """Offers this object to the application."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.close_timeout = GOODBYE_S
            self.transport.set_write_buffer_limits(high=HIGH_WATER)
            _limit_unsent(self.transport)
            extensions = cast(dict[str, Any], self.scope["extensions"])
            extensions[WIRE] = self

    def write(self, frame: bytes) -> None:
        """Hands a whole frame to the transport; ignored once the connection is closing."""
        if self.conn.state is State.OPEN and not self.transport.is_closing():
            self.transport.write(frame)

    def ready(self) -> bool:
        """Whether the transport's buffer is below its mark and the connection open."""
        return self.writable.is_set() and self.conn.state is State.OPEN and not self.transport.is_closing()

    def buffered(self) -> int:
        """Bytes that the transport holds for the client."""
        return self.transport.get_write_buffer_size()

    def abort(self) -> None:
        """Closes at once and forgets what was not sent."""
        self.transport.abort()

    async def drained(self) -> None:
        """Until the buffer is below its mark, or the connection lost."""
        await self.writable.wait()

    def resume_writing(self) -> None:
        """The buffer is below its low mark again."""
        super().resume_writing()
        if self.on_ready is not None:
            self.on_ready()

    def data_received(self, data: bytes) -> None:
        """Parses a slice at a time; a flood is not even read on while the application says goodbye."""
        for start in range(0, len(data), SLICE):
            if self.transport.is_closing():
                return
            if self._deaf:
                self.transport.pause_reading()
                return
            super().data_received(data[start : start + SLICE])

    def send_receive_event_to_app(self) -> None:
        """A whole message for the application, unless too many lie there already or it has closed."""
        self._after_close += self.close_sent
        if self.queue.qsize() >= MAX_UNHEARD or self._after_close >= MAX_UNHEARD:
            self.frames = []
            self._deaf = True
        elif self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            self.conn.fail(1007, "not UTF-8")  # the parent would log every such message with a trace
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Answers, unless the peer pings without end or does not read its answers: then it is let go."""
        if self.writable.is_set() and self._takes_control():
            super().handle_ping()
        else:
            self.abort()

    def handle_pong(self, event: Frame) -> None:
        """Takes an answer; a peer that floods with them is let go."""
        if self._takes_control():
            super().handle_pong(event)
        else:
            self.abort()

    def _takes_control(self) -> bool:
        now = self.loop.time()
        self._controls = min(CONTROL_BURST, self._controls + now - self._controls_at)
        self._controls_at = now
        self._controls -= 1
        return self._controls >= 0

    def handle_cont(self, event: Frame) -> None:
        """Takes a fragment; a message of more than MAX_FRAGMENTS ends the connection with 1009."""
        if len(self.frames) >= MAX_FRAGMENTS:
            self.conn.fail(1009, "too many fragments")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def keepalive_timeout(self) -> None:
        """A peer that answered no ping gets no grace for what it did not read."""
        super().keepalive_timeout()
        self.abort()

    def shutdown(self) -> None:
        """Closes; what a stalled peer did not read is forgotten."""
        super().shutdown()
        if not self.writable.is_set():
            self.abort()


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _limit_unsent(transport: asyncio.Transport) -> None:
    sock = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if sock is not None and option is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, option, UNSENT)
