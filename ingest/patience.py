"""Waiting for a database or a broker that is away: bounded backoff, said once when it goes and once when it is back."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from city import metrics
from city.database import failure, sqlstate
from city.kafka import BrokerUnavailable

T = TypeVar("T")

WAITS_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
REMIND_S: Final = 30.0

log = structlog.get_logger(__name__)


class StoppedError(Exception):
    """The worker was told to stop while it waited; what it tried has not happened."""


class Patience:
    """Repeats what fails for reasons that pass; everything else is raised at once.

    A conflict (deadlock, serialization) is tried again at once, a server that is away with growing pauses up to two
    seconds, for as long as it takes: giving up would lose nothing less and resume nothing sooner.
    """

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self._failures = 0
        self._since = 0.0
        self._said = 0.0

    async def until_done(self, operation: Callable[[], Awaitable[T]]) -> T:
        """The operation's result, however often it must be tried. Raises StoppedError when told to stop meanwhile."""
        while True:
            try:
                result = await operation()
            except Exception as error:
                await self.bear(error)
            else:
                self.recovered()
                return result

    async def bear(self, error: Exception) -> None:
        """Wait as the error asks for; raises it again if waiting can't help, StoppedError when told to stop."""
        if not isinstance(error, BrokerUnavailable) and failure(error) == "fault":
            raise error
        metrics.WRITE_RETRIES.labels(sqlstate(error) or "none").inc()
        now = time.monotonic()
        if self._failures == 0:
            self._since = now
        if self._failures == 0 or now - self._said >= REMIND_S:
            self._said = now
            log.warning("trying again", error=repr(error), for_s=round(now - self._since, 1))
        pause = WAITS_S[min(self._failures, len(WAITS_S) - 1)]
        self._failures += 1
        if self._stop.is_set():
            raise StoppedError from error
        try:
            async with asyncio.timeout(pause):
                await self._stop.wait()
        except TimeoutError:
            return
        raise StoppedError from error

    def recovered(self) -> None:
        """The last try went well."""
        if self._failures:
            log.info("going on", tries=self._failures, after_s=round(time.monotonic() - self._since, 1))
            self._failures = 0
