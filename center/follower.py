"""Follows the alert history into the hub: every transition once, in order, without a hole.

Its connection is the one that listens, also for others (`hints`: what to call when a channel says something, and after
each connect, when something may have been missed). A NOTIFY is only a hint that saves the wait; the poll every 250 ms
is what the promise rests on. A database that has not answered a poll for COMMAND_S is given up and connected to anew: a
half-open connection never reports its own end, and while nobody is through the clients hear no heartbeat.

A seq is taken only when it is the next one. A hole cannot come from the writers (seq is given in commit order), so one
that stays means that history was cut or the database is another one: then the book is loaded anew and every client told
of the gap.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import asyncpg
import structlog

from alerts.store import CHANNEL
from center import history
from center.hub import Hub
from city import metrics
from city.clock import Clock
from city.database import STORE_ERRORS, Connection, connect

POLL_S: Final = 0.25
BATCH: Final = 500
EPOCH_S: Final = 5.0
HOLE_S: Final = 5.0
COMMAND_S: Final = 3.0
"""How long the database may take for a poll."""
BEHIND_S: Final = 3.0
"""Seconds without a poll that left nothing behind after which clients are not told any more that they have all."""
RETRY_S: Final = (0.1, 0.25, 0.5, 1.0, 2.0)

log = structlog.get_logger(__name__)


class Follower:
    """Owns a connection; `caught_up` says whether the hub stood where the history stood at the last poll."""

    def __init__(
        self, dsn: str, pool: asyncpg.Pool, hub: Hub, clock: Clock, hints: Mapping[str, Callable[[str], None]]
    ) -> None:
        self._dsn = dsn
        self._pool = pool
        self._hub = hub
        self._clock = clock
        self._hint = asyncio.Event()
        self._hints = {CHANNEL: lambda _: self._hint.set(), **hints}
        self._polled = float("-inf")
        self._hole_since: float | None = None
        self.loaded = asyncio.Event()

    @property
    def caught_up(self) -> bool:
        """Whether the last two seconds saw a poll that left nothing behind."""
        return self._clock.monotonic() - self._polled < 2.0

    @property
    def through(self) -> bool:
        """Whether a heartbeat may say that clients have every alert there is: a shorter hitch is no reason not to."""
        return self._clock.monotonic() - self._polled < BEHIND_S

    async def run(self) -> None:
        """Follows until cancelled; a lost database is tried again with bounded pauses."""
        failures = 0
        while True:
            try:
                connection = await connect(self._dsn, application="center follower", command_timeout_s=COMMAND_S)
                try:
                    for channel, hint in self._hints.items():
                        await connection.add_listener(channel, self._hinted)
                        hint("")  # something may have been missed
                    await self._load_if_needed(connection)
                    failures = 0
                    await self._follow(connection)
                finally:
                    connection.terminate()
            except STORE_ERRORS as lost:
                pause = RETRY_S[min(failures, len(RETRY_S) - 1)]
                failures += 1
                log.warning("history_lost", error=f"{type(lost).__name__}: {lost}", again_in_s=pause)
                await self._clock.sleep(pause)

    async def _load_if_needed(self, connection: Connection) -> None:
        epoch, newest = await history.head(connection)
        book = self._hub.alerts.book
        if self.loaded.is_set() and epoch == book.epoch and newest >= book.seq:
            return
        await self._reload("another database or an older state of it" if self.loaded.is_set() else "start")

    async def _reload(self, why: str) -> None:
        book = self._hub.alerts.book
        await history.load(self._pool, book)
        self._hole_since = None
        log.info("history_loaded", why=why, seq=book.seq, epoch=book.epoch)
        metrics.FOLLOW_SEQ.set(book.seq)
        if self.loaded.is_set():
            self._hub.alerts.reset()
        self.loaded.set()

    async def _follow(self, connection: Connection) -> None:
        checked = self._clock.monotonic()
        while True:
            self._hint.clear()
            full = await self._take(connection)
            now = self._clock.monotonic()
            if now - checked > EPOCH_S:
                checked = now
                await self._load_if_needed(connection)
            if not full:
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(POLL_S):
                await self._hint.wait()
        except TimeoutError:
            return

    async def _take(self, connection: Connection) -> bool:
        """Publishes what is new; returns whether more may wait."""
        book = self._hub.alerts.book
        transitions = await history.after(connection, book.seq, BATCH)
        for transition in transitions:
            if transition.seq != book.seq + 1:
                await self._hole(transition.seq)
                return False
            self._hub.publish_alert(transition)
            metrics.FOLLOW_SECONDS.observe(max(0.0, (self._clock.now_us() - transition.at) / 1e6))
        self._hole_since = None
        metrics.FOLLOW_SEQ.set(book.seq)
        full = len(transitions) == BATCH
        if not full:
            self._polled = self._clock.monotonic()
        return full

    async def _hole(self, found: int) -> None:
        now = self._clock.monotonic()
        if self._hole_since is None:
            self._hole_since = now
            log.error("history_hole", have=self._hub.alerts.book.seq, found=found)
        elif now - self._hole_since > HOLE_S:
            await self._reload(f"the history has a hole before {found}")

    def _hinted(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        self._hints[channel](str(payload))
