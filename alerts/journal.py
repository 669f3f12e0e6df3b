"""The journal: which records, ticks and rules made each step of a sector's engine, committed with its transitions."""

import asyncio
from collections.abc import Sequence
from typing import Final, Literal

import asyncpg
import msgspec
import structlog

from alerts.body import Change
from alerts.patience import SAY_EVERY, passes, pause_s
from city import failpoint, metrics
from city.database import STORE_ERRORS, failure

COMMIT: Final = "SELECT outcome, seqs FROM alerts_commit($1, $2, $3, $4, $5, $6::jsonb)"
TAKE: Final = "SELECT epoch, step FROM alerts_take($1, $2)"

READ: Final = "SELECT step, body FROM engine_journal WHERE sector = $1 AND step > $2 ORDER BY step"

log = structlog.get_logger(__name__)


class Fenced(Exception):
    """Another worker owns the sector; nothing was written, and nothing of ours counts from here on."""

    code = "fenced"


class Range(msgspec.Struct, array_like=True, frozen=True):
    """Offsets first … next - 1 of one partition."""

    partition: int
    first: int
    next: int


class Position(msgspec.Struct, array_like=True, frozen=True):
    """Where to read on, and what stood just before, which identifies the log."""

    next: int
    last_hash: bytes = b""


class Step(msgspec.Struct, array_like=True, frozen=True):
    """One step. *records*: these ranges, then the tick; *rules*: another revision of the rule set; *resume*: a worker
    began to watch; *base*: the state was made from tables, so that replay must begin at a snapshot of this step."""

    kind: Literal["records", "rules", "resume", "base"]
    time: int
    at_end: bool = False
    ranges: tuple[Range, ...] = ()
    revision: int = 0


class Place(msgspec.Struct, array_like=True, frozen=True):
    """Where a sector stands after a step: the log, the positions in it, and the versions that made it so."""

    step: int
    engine: int
    catalogue: str
    cluster: str
    revision: int
    positions: dict[int, Position]


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """One row of the journal: consecutive steps, of which only the last may have transitions, and the place after."""

    steps: tuple[Step, ...]
    place: Place


class Journal:
    """The owner's pen for one sector: every commit is fenced by the epoch and made once, however often it is tried."""

    def __init__(self, pool: asyncpg.Pool, sector: str, epoch: int, step: int) -> None:
        self.pool = pool
        self.sector = sector
        self.epoch = epoch
        self.step = step

    @classmethod
    async def take(cls, pool: asyncpg.Pool, sector: str, owner: str) -> "Journal":
        """Become the sector's owner; whoever was it before is fenced."""
        row = await pool.fetchrow(TAKE, sector, owner)
        assert row is not None, "alerts_take returns one row"
        failpoint.hit("during_takeover")
        return cls(pool, sector, row["epoch"], row["step"])

    async def commit(self, entry: Entry, changes: Sequence[Change]) -> list[int | None]:
        """Write the steps and their transitions in one call; the numbers given, None for a change that was known.

        Waits for a database that is away, as long as it takes.

        Raises:
            Fenced: another worker owns the sector.
        """
        first, last = self.step + 1, self.step + len(entry.steps)
        body = msgspec.msgpack.encode(entry)
        transitions = msgspec.json.encode(changes).decode()
        outcome, seqs = await self._persist((self.sector, self.epoch, first, last, body, transitions))
        if outcome == "fenced":
            metrics.FENCED.labels("alerts").inc()
            raise Fenced(f"{self.sector}: epoch {self.epoch} is over")
        self.step = last
        metrics.JOURNAL_STEPS.labels(self.sector).inc(len(entry.steps))
        return seqs

    async def entries_after(self, step: int) -> list[tuple[int, Entry]]:
        """Journalled entries whose last step is later than `step`, oldest first."""
        rows = await self.pool.fetch(READ, self.sector, step)
        return [(row["step"], msgspec.msgpack.decode(row["body"], type=Entry)) for row in rows]

    async def _persist(self, arguments: tuple[object, ...]) -> tuple[str, list[int | None]]:
        attempt = 0
        while True:
            try:
                with metrics.JOURNAL_SECONDS.labels(self.sector).time():
                    row = await self._call(arguments)
                return row["outcome"], list(row["seqs"] or ())
            except STORE_ERRORS as error:
                if not passes(error):
                    raise
                if attempt % SAY_EVERY == 0:
                    log.warning("commit waits for the database", sector=self.sector, attempt=attempt, error=repr(error))
                if failure(error) == "unavailable" or attempt > 3:
                    await asyncio.sleep(pause_s(attempt))
                attempt += 1

    async def _call(self, arguments: tuple[object, ...]) -> asyncpg.Record:
        row: asyncpg.Record | None
        if failpoint.is_armed("between_seq_and_commit"):
            calling = asyncio.ensure_future(self.pool.fetchrow(COMMIT, *arguments))
            await asyncio.sleep(0.001)  # the call is on its way; the server may be anywhere within it
            failpoint.hit("between_seq_and_commit")
            row = await calling
        else:
            row = await self.pool.fetchrow(COMMIT, *arguments)
        failpoint.hit("after_commit")
        assert row is not None, "alerts_commit returns one row"
        return row
