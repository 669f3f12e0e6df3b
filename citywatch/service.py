"""How every service runs: on uvloop, until SIGTERM or Ctrl-C; then it drains and ends."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import uvloop

from citywatch.pulse import beating


def serve(run: Callable[[asyncio.Event], Awaitable[object]]) -> None:
    """Run a service whose event is set by a signal; returns when it has drained."""
    uvloop.run(_until_signalled(run))


async def _until_signalled(run: Callable[[asyncio.Event], Awaitable[object]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with beating(stop.set):
        await run(stop)
