"""Snapshots of a sector's engine: frozen between two steps, encoded on a thread, kept under the owner's epoch."""

import asyncio
from typing import Final

import asyncpg
import msgspec
import structlog

from alerts.engine import Engine
from alerts.freeze import Freezing, freeze
from alerts.frozen import FrozenState, encode
from alerts.journal import Place
from alerts.patience import passes
from city import failpoint, metrics
from city.database import STORE_ERRORS

SAVE: Final = "SELECT engine_snapshot_save($1, $2, $3, $4, $5)"
NEWEST: Final = "SELECT step, place, state FROM engine_snapshot WHERE sector = $1 ORDER BY step DESC LIMIT 1"

EVERY_S: Final = 60.0
EVERY_RECORDS: Final = 300_000
"""What a takeover may have to replay: a few seconds' work."""

log = structlog.get_logger(__name__)


class Snapshot(msgspec.Struct, frozen=True):
    """A kept state and the place where it was taken."""

    place: Place
    state: bytes


async def newest(pool: asyncpg.Pool, sector: str) -> Snapshot | None:
    """The newest snapshot of the sector, if any was kept."""
    row = await pool.fetchrow(NEWEST, sector)
    return None if row is None else Snapshot(msgspec.msgpack.decode(row["place"], type=Place), row["state"])


def take(engine: Engine) -> FrozenState:
    """The engine's state as of now, all at once; for an engine that does not step yet."""
    with metrics.SNAPSHOT_STALL_SECONDS.labels(engine.sector).time():
        return freeze(engine)


async def copy(freezing: Freezing, sector: str) -> FrozenState:
    """Finish a copy in slices, between which other work has its turn."""
    stall = metrics.SNAPSHOT_STALL_SECONDS.labels(sector)
    done = False
    while not done:
        with stall.time():
            done = freezing.advance()
        await asyncio.sleep(0)
    return freezing.finish()


async def save(pool: asyncpg.Pool, frozen: FrozenState, epoch: int, place: Place) -> bool:
    """Keep the state after `place.step`; False if fenced. Raises what the database raises."""
    with metrics.SNAPSHOT_SECONDS.labels(frozen.sector).time():
        state = await asyncio.to_thread(encode, frozen)
        failpoint.hit("during_snapshot")
        outcome = await pool.fetchval(SAVE, frozen.sector, epoch, place.step, msgspec.msgpack.encode(place), state)
    metrics.SNAPSHOT_BYTES.labels(frozen.sector).set(len(state))
    return bool(outcome == "done")


class Snapshots:
    """When the next snapshot of one sector is due, and the one that is being written; never two at a time."""

    def __init__(self, pool: asyncpg.Pool, now: float) -> None:
        self._pool = pool
        self._last = now
        self._records = 0
        self._writing: asyncio.Task[None] | None = None

    def note(self, records: int) -> None:
        """So many more records would have to be replayed."""
        self._records += records

    def due(self, now: float) -> bool:
        """Whether it is time; never without a record since the last one."""
        if self._writing is not None:
            if not self._writing.done():
                return False
            writing, self._writing = self._writing, None
            writing.result()
        return self._records >= EVERY_RECORDS or (self._records > 0 and now - self._last >= EVERY_S)

    def begin(self, engine: Engine, epoch: int, place: Place, now: float) -> None:
        """Freeze now and write in the background; failing costs only a longer replay, and is said."""
        self._last, self._records = now, 0
        writing = self._write(Freezing(engine), engine.sector, epoch, place)
        self._writing = asyncio.create_task(writing, name=f"snapshot-{engine.sector}")

    async def close(self) -> None:
        """Give up what is being written."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    async def _write(self, freezing: Freezing, sector: str, epoch: int, place: Place) -> None:
        try:
            frozen = await copy(freezing, sector)
            if not await save(self._pool, frozen, epoch, place):
                log.info("snapshot fenced", sector=frozen.sector, epoch=epoch)
        except STORE_ERRORS as error:
            if not passes(error):
                raise
            log.warning("snapshot not written", sector=sector, error=repr(error))
        finally:
            freezing.close()
