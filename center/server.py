"""Runs a center: the socket it listens on, the server, the tasks behind it, and a goodbye to its clients."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Iterator
from typing import Final

import structlog
import uvicorn

from center import frames
from center.app import create_app
from center.service import Center
from center.sign_in import is_this_machine
from center.wire import ScreenProtocol
from city.clock import SystemClock
from city.metrics import serve_metrics
from city.settings import Settings

BACK_IN_S: Final = 5.0
"""What clients are told of a restart."""
GOODBYE_S: Final = 0.2
DRAIN_S: Final = 5
MAX_MESSAGE: Final = 64 * 1024
"""Bytes of a WebSocket message above which the connection is closed with 1009."""
PING_S: Final = 20.0
BACKLOG: Final = 2048

log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process's owner says when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals alone."""
        yield


async def run(
    settings: Settings, stop: asyncio.Event, *, on_listening: Callable[[str, int], None] | None = None
) -> None:
    """Serves until `stop` is set; then tells the clients, closes and drains.

    Raises OSError if the address cannot be listened on, CityError if the city's files are wrong.
    """
    _refuse_open_door(settings)
    center = await Center.open(settings, SystemClock())
    try:
        listener = _listen(settings.center_host, settings.center_port)
    except OSError:
        await center.close()
        raise
    server = Server(
        uvicorn.Config(
            create_app(center),
            ws=ScreenProtocol,
            ws_max_size=MAX_MESSAGE,
            ws_per_message_deflate=False,
            ws_ping_interval=PING_S,
            ws_ping_timeout=PING_S,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # center.security believes those that were named
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=DRAIN_S,
        )
    )
    try:
        async with asyncio.TaskGroup() as group:
            background = group.create_task(center.run(), name="center")
            serving = group.create_task(server.serve([listener]), name="server")
            host, port = listener.getsockname()[:2]
            log.info("center_listening", host=host, port=port)
            serve_metrics(settings.metrics_port)
            if on_listening is not None:
                on_listening(host, port)
            await stop.wait()
            center.hub.announce(frames.restarting(BACK_IN_S))
            await asyncio.sleep(GOODBYE_S)
            server.should_exit = True
            await serving
            background.cancel()
    finally:
        listener.close()
        await center.close()


def _refuse_open_door(settings: Settings) -> None:
    """Without sign-in whoever reaches the center may do everything, so nobody else must reach it."""
    if settings.sign_in == "off" and not is_this_machine(settings.center_host):
        sentence = "sign-in is off (CITYWATCH_SIGN_IN), and then the center listens on a loopback address only"
        raise PermissionError(errno.EACCES, sentence)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, so that asyncio sends at once on what it accepts: else each answer waits 40 ms for the peer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
