"""A lease: one owner at a time for work that Kafka does not assign (rollup, relay, notifier).

The row `lease(name)` holds the owner, an epoch that grows with every change of owner, and the expiry by the database's
clock. Nothing is tied to a session: a paused owner loses the lease when it runs out, and whatever it still tries to
write in a transaction that calls `fence` is refused.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import structlog

from city import metrics
from city.clock import Clock
from city.database import STORE_ERRORS, Connection, LeaseLost, failure

log = structlog.get_logger()

# Setting the key makes the change of owner wait for transactions that hold the fence; a renewal does not wait for them.
ACQUIRE: Final = """
INSERT INTO lease AS held (name, owner, epoch, expires_at)
VALUES ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (name) DO UPDATE
   SET name = excluded.name, owner = excluded.owner, epoch = held.epoch + 1, expires_at = excluded.expires_at
 WHERE held.expires_at <= clock_timestamp() OR held.owner = excluded.owner
RETURNING epoch
"""

RENEW: Final = """
UPDATE lease SET expires_at = clock_timestamp() + make_interval(secs => $4)
 WHERE name = $1 AND owner = $2 AND epoch = $3 AND expires_at > clock_timestamp()
RETURNING epoch
"""

RELEASE: Final = "UPDATE lease SET expires_at = '-infinity' WHERE name = $1 AND owner = $2 AND epoch = $3"

FENCE: Final = """
SELECT epoch FROM lease
 WHERE name = $1 AND owner = $2 AND epoch = $3 AND expires_at > clock_timestamp()
   FOR KEY SHARE
"""


class Lease:
    """One name, one would-be owner. `epoch` is the fencing token while held, None otherwise."""

    def __init__(self, pool: asyncpg.Pool, name: str, owner: str, *, seconds: float = 10.0) -> None:
        self.pool = pool
        self.name = name
        self.owner = owner
        self.seconds = seconds
        self.epoch: int | None = None

    async def acquire(self) -> bool:
        """Take the lease if it is free, has run out, or is this owner's from an earlier life; True if held now."""
        self.epoch = await self.pool.fetchval(ACQUIRE, self.name, self.owner, self.seconds)
        return self.epoch is not None

    async def renew(self) -> bool:
        """Extend the lease; False, and no longer held, if it ran out or someone took it."""
        if self.epoch is None:
            return False
        self.epoch = await self.pool.fetchval(RENEW, self.name, self.owner, self.epoch, self.seconds)
        return self.epoch is not None

    async def release(self) -> None:
        """Give the lease back, so that another need not wait for its end; nothing happens if it is not held."""
        if self.epoch is not None:
            epoch, self.epoch = self.epoch, None
            await self.pool.execute(RELEASE, self.name, self.owner, epoch)

    async def fence(self, connection: Connection) -> None:
        """Inside a transaction: keep any other owner out until it ends, however long that takes.

        Raises:
            LeaseLost: the lease is not held by this epoch any more; roll back.
        """
        if self.epoch is None or await connection.fetchval(FENCE, self.name, self.owner, self.epoch) is None:
            self.epoch = None
            raise LeaseLost(f"lease {self.name!r} is no longer held by {self.owner!r}; another owner goes on")

    async def lead(self, work: Callable[[], Awaitable[None]], clock: Clock) -> None:
        """Until cancelled: wait for the lease, run `work` while it is held, and start again when it is lost.

        The lease is renewed beside the work, so the pool needs a connection more than the work uses. A database that
        is away is waited for. `work` is cancelled when the lease is lost; when it returns or loses
        the lease in a fence it is started again after a third of the lease's time; its other errors go to the caller.
        """
        pause = self.seconds / 3
        try:
            while True:
                try:
                    if await self.acquire():
                        log.info("lease acquired", lease=self.name, owner=self.owner, epoch=self.epoch)
                        metrics.LEASE_HELD.labels(self.name).set(1)
                        await self._work_while_held(work, clock, pause)
                except LeaseLost as lost:
                    metrics.LEASE_LOST.labels(self.name).inc()
                    log.warning("lease lost", lease=self.name, owner=self.owner, reason=str(lost))
                except STORE_ERRORS as error:
                    if failure(error) == "fault":
                        raise
                    log.warning("database unavailable", lease=self.name, error=str(error))
                await clock.sleep(pause)
        finally:
            await self._release_if_reachable()

    async def _work_while_held(self, work: Callable[[], Awaitable[None]], clock: Clock, pause: float) -> None:
        working = asyncio.ensure_future(work())
        renewing = asyncio.ensure_future(self._keep(clock, pause))
        try:
            done, _ = await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            metrics.LEASE_HELD.labels(self.name).set(0)
            for task in (working, renewing):
                task.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)

    async def _keep(self, clock: Clock, pause: float) -> None:
        while True:
            await clock.sleep(pause)
            if not await self.renew():
                raise LeaseLost(f"lease {self.name!r} ran out or was taken from {self.owner!r}")

    async def _release_if_reachable(self) -> None:
        """A lease that can't be given back runs out by itself."""
        try:
            await self.release()
        except STORE_ERRORS as error:
            log.info("lease not released", lease=self.name, error=str(error))
