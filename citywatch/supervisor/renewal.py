"""The embedded broker forgets nothing, so it is renewed before it eats the machine, and nothing is lost by that.

Order: producers stop (the simulator, and center with its HTTP door), the readers take what is left, the readers stop,
the broker starts again empty under a new cluster id, and all go on. Walls see center restart, for some seconds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

LIMIT_BYTES: Final = 1024**3
DRAIN_SECONDS: Final = 60.0


class Runs(Protocol):
    """What can be stopped and started."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class Broker(Protocol):
    """The embedded broker, as much of it as this needs."""

    def resident_bytes(self) -> int: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


async def drain(drained: Callable[[], Awaitable[bool]], patience: float = DRAIN_SECONDS) -> bool:
    """Wait until the readers have taken everything; False when they had not in `patience` seconds."""
    deadline = time.monotonic() + patience
    while not await drained():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.25)
    return True


async def renew(
    broker: Broker,
    *,
    producers: Sequence[Runs],
    readers: Sequence[Runs],
    drained: Callable[[], Awaitable[bool]],
    prepare: Callable[[], Awaitable[object]],
) -> bool:
    """Carry out one renewal; `prepare` makes the topics of the new log. Whether everything had been read."""
    await asyncio.gather(*(producer.stop() for producer in producers))
    complete = await drain(drained)
    await asyncio.gather(*(reader.stop() for reader in readers))
    broker.stop()
    broker.start()
    await prepare()
    for process in (*readers, *producers[::-1]):
        await process.start()
    return complete
