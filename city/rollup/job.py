"""The job that keeps aggregates and retention, in whichever process holds its lease."""

from typing import Final

import asyncpg
import structlog
from asyncpg.exceptions import PostgresError

from city import metrics
from city.clock import Clock
from city.database import sqlstate
from city.lease import Lease
from city.rollup.passes import roll
from city.rollup.plan import DAY, MINUTE
from city.rollup.refresh import refresh
from city.rollup.retention import CONFLICTS, DEAD_LETTERS, HOURS, MINUTES, RAW, erase_log, erase_oldest_day
from city.settings import Settings

log = structlog.get_logger()

LAG_US: Final = 2 * MINUTE
"""Time is summed up when it is this old: most of what will be measured in it has come by then."""
PAUSE_S: Final = 10.0
RETENTION_EVERY_S: Final = 600.0
AFTER_FAULT_S: Final = 60.0
PASSES: Final = 200
"""Passes without a pause, when there is much to catch up with."""

QUEUE: Final = "SELECT count(*) FROM rollup_dirty"
NOW: Final = "SELECT to_us(clock_timestamp())"
STORE: Final = "SELECT value #>> '{}' FROM city_state WHERE key = 'store'"


class Rollup:
    """Aggregates caught up every ten seconds, retention looked at every ten minutes; any number may run, one works.

    What time it is the database says; `clock` only measures the pauses.
    The pool needs two connections: the lease is renewed while a long round works.
    """

    def __init__(self, pool: asyncpg.Pool, settings: Settings, clock: Clock, owner: str) -> None:
        self.pool = pool
        self.settings = settings
        self.clock = clock
        self.lease = Lease(pool, "rollup", owner, seconds=30.0)

    async def run(self) -> None:
        """Until cancelled. A database that is away, or a lock not got, is waited for.

        A statement that fails otherwise is logged and tried again after a minute: aggregates that lag must not end
        the process that carries the readings.
        """
        while True:
            try:
                await self.lease.lead(self.work, self.clock)
            except PostgresError as error:
                log.error("rollup failed; a person should look", error=str(error), sqlstate=sqlstate(error))
                await self.clock.sleep(AFTER_FAULT_S)

    async def work(self) -> None:
        """While the lease is held: catch up, retain, pause."""
        timescale = await self.pool.fetchval(STORE) == "timescale"
        retained_at = float("-inf")
        while True:
            with metrics.ROLLUP_SECONDS.labels("all").time():
                caught_up = await self.catch_up(await self._now_us(), timescale=timescale)
            if caught_up and self.clock.monotonic() - retained_at >= RETENTION_EVERY_S:
                await self.retain(await self._now_us(), timescale=timescale)
                retained_at = self.clock.monotonic()
            await self.clock.sleep(PAUSE_S)

    async def _now_us(self) -> int:
        """By the database's clock: one of many hosts that is a year ahead must not erase a year."""
        now: int = await self.pool.fetchval(NOW)
        return now

    async def catch_up(self, now_us: int, *, timescale: bool) -> bool:
        """Sum up what was written and is older than `LAG_US`; True if nothing is left to do."""
        if timescale:
            async with self.pool.acquire() as connection:
                days = self.settings.raw_retention_days
                await refresh(connection, now_us, now_us - LAG_US, raw_retention_days=days)
            return True
        for _ in range(PASSES):
            async with self.pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
                await self.lease.fence(connection)
                done = await roll(connection, now_us - LAG_US)
            if not done.more:
                break
        metrics.ROLLUP_QUEUE.set(await self.pool.fetchval(QUEUE))
        return not done.more

    async def retain(self, now_us: int, *, timescale: bool) -> int:
        """Erase the days past their retention, raw readings first; returns how many. To be called when caught up.

        Then dead letters and conflicts past theirs. What happened to alerts (alert_history) and what people did (audit)
        is kept for ever: a transition is some two kilobytes, so a hundred thousand a year are 200 MB.
        """
        settings = self.settings
        erased = 0
        for kept, days in (
            (RAW, settings.raw_retention_days),
            (MINUTES, settings.minutes_kept_days),
            (HOURS, settings.hours_kept_days),
        ):
            if days is None:
                continue
            before = now_us - days * DAY
            while await erase_oldest_day(self.pool, self.lease, kept, before_us=before, timescale=timescale):
                erased += 1
                metrics.RETENTION_DROPPED.labels(kept.table).inc()
                log.info("day erased", table=kept.table, before_us=before)
        for rows, days in (
            (DEAD_LETTERS, settings.dead_letter_retention_days),
            (CONFLICTS, settings.conflict_retention_days),
        ):
            metrics.RETENTION_ROWS.labels(rows.table).inc(
                await erase_log(self.pool, self.lease, rows, before_us=now_us - days * DAY)
            )
        return erased
