"""Shelves run out and maintenance windows begin and end by themselves, by the database's clock."""

from typing import Final

import asyncpg

from city.clock import Clock
from city.lease import Lease

LEASE: Final = "alert-hiding"
LOOK_S: Final = 1.0
AT_ONCE: Final = 100
"""Alerts moved in one transaction; raising one waits no longer than for these."""
SETTLE: Final = "SELECT hiding_settle($1)"


class Hiding:
    """Brings alerts to where they belong while it holds the lease. Two holders do no harm: each move looks again."""

    def __init__(self, pool: asyncpg.Pool, owner: str) -> None:
        self._pool = pool
        self._lease = Lease(pool, LEASE, owner)

    async def lead(self, clock: Clock) -> None:
        """Look once a second whenever the lease is held, until cancelled."""
        await self._lease.lead(lambda: self._follow(clock), clock)

    async def _follow(self, clock: Clock) -> None:
        while True:
            await self.look()
            await clock.sleep(LOOK_S)

    async def look(self) -> int:
        """Move whatever something hides from now on, or hides no more; how many alerts moved."""
        moved = 0
        while (some := int(await self._pool.fetchval(SETTLE, AT_ONCE))) > 0:
            moved += some
        return moved
