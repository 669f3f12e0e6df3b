"""One transaction a work: books, readings, reports, dead letters and conflicts commit together or not at all."""

import time

import asyncpg
import numpy as np
from asyncpg.exceptions import InterfaceError, PostgresError

from city import metrics
from city.database import Connection, load_sql, refuses_rows
from city.dirty import MARK_DIRTY, dirty_marks
from city.session import server_of
from ingest import letters, reports
from ingest.flood import FloodGate
from ingest.latest import Values
from ingest.ownership import FencedError
from ingest.packing import Floats, pack_readings, pack_staged, pieces
from ingest.rows import Mask, Rows, Tally, tally
from ingest.sieve import sift
from ingest.work import Work


class Writer:
    """Writes works one at a time. The books move first, under the epoch: whoever lost a partition writes nothing.

    The ordinary batch is copied straight into the table. One that meets a known reading is written again through
    staging, which finds out which ones; so are the following until one brings nothing but new readings.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._expect_known = False
        self._conflict_gate = FloodGate()

    async def write(self, work: Work) -> Values:
        """Commit the work; returns the readings that are new, sorted by series and time.

        The ledger of each part has moved to the end of its batch. Raises FencedError (nothing written), and errors of
        the database; after those the same work may be written again. What the database refuses for what it holds has
        become dead letters; a work that it refuses whole, whatever it holds, is a fault.
        """
        while True:
            try:
                return await self._write(work)
            except (PostgresError, InterfaceError) as error:
                if not refuses_rows(error) or not await sift(work, self._refusal):
                    raise

    async def _write(self, work: Work) -> Values:
        rows = Rows.of(work)
        started = time.monotonic()
        if not self._expect_known:
            try:
                new, tallies = await self._copy(work, rows)
            except asyncpg.UniqueViolationError:
                self._expect_known = True
        path = "staging" if self._expect_known else "copy"
        if self._expect_known:
            new, tallies = await self._stage(work, rows)
            self._expect_known = int(np.count_nonzero(new)) < int(np.count_nonzero(rows.first))
        metrics.WRITE_SECONDS.labels(path).observe(time.monotonic() - started)
        for part, counted in zip(work.parts, tallies, strict=True):
            part.owned.next_offset = part.batch.next_offset
            _count(part.sector, part.late, part.dead, part.no_record, counted)
        return Values(rows.series[new], rows.time[new], rows.value[new])

    async def _copy(self, work: Work, rows: Rows) -> tuple[Mask, list[Tally]]:
        """Straight into the table, on the word that every first of its identity is new; else UniqueViolationError."""
        conflict = ~rows.first & (rows.value != rows.kept)
        new = rows.first
        packed = pack_readings(rows.time[new], rows.series[new], rows.value[new])
        async with self._pool.acquire() as connection, connection.transaction():
            self._check_server(connection, work)
            if work.reports:
                await self._lock(connection, work)
            new_reports = await reports.upsert(connection, work.reports)
            tallies = tally(work, rows, new, conflict, new_reports)
            await self._move(connection, work, tallies)
            if new.any():
                await self._mark(connection, rows)
                await connection.copy_to_table(
                    "reading", source=pieces(packed), columns=["time", "series_id", "value"], format="binary"
                )
            await self._conflicts(connection, work, rows, conflict, rows.kept)
            await letters.insert(connection, work.parts)
        return new, tallies

    async def _stage(self, work: Work, rows: Rows) -> tuple[Mask, list[Tally]]:
        """By way of a staging table, which tells new, known and conflicting readings apart."""
        async with self._pool.acquire() as connection:
            await connection.execute(_CREATE_STAGING)
            async with connection.transaction():
                new, conflict, new_reports = await self._put(connection, work, rows)
                tallies = tally(work, rows, new, conflict, new_reports)
                await self._move(connection, work, tallies)
        return new, tallies

    async def _put(self, connection: Connection, work: Work, rows: Rows) -> tuple[Mask, Mask, set[int]]:
        """Everything but the books, under their lock: which readings are new, which conflict, and new reports."""
        new: Mask = np.zeros(len(rows), bool)
        conflict: Mask = np.zeros(len(rows), bool)
        kept = np.zeros(len(rows))
        self._check_server(connection, work)
        await self._lock(connection, work)
        if len(rows):
            await self._mark(connection, rows)
            await connection.copy_to_table(
                "staging",
                source=pieces(pack_staged(rows.time, rows.series, rows.value, rows.first)),
                columns=["time", "series_id", "value", "position", "first"],
                format="binary",
            )
            new[await connection.fetchval(_INSERT_STAGED)] = True
            span = int(rows.time.min()), int(rows.time.max())
            for position, value in await connection.fetch(_SELECT_CONFLICTS, *span):
                conflict[position] = True
                kept[position] = value
        await self._conflicts(connection, work, rows, conflict, kept)
        new_reports = await reports.upsert(connection, work.reports)
        await letters.insert(connection, work.parts)
        return new, conflict, new_reports

    async def _refusal(self, work: Work) -> Exception | None:
        """Why the database would refuse these rows, or None if it takes them; nothing stays written."""
        async with self._pool.acquire() as connection:
            await connection.execute(_CREATE_STAGING)
            trial = connection.transaction()
            await trial.start()
            try:
                await self._put(connection, work, Rows.of(work))
            except (PostgresError, InterfaceError) as error:
                if not refuses_rows(error):
                    raise
                return error
            finally:
                await trial.rollback()
        return None

    async def _lock(self, connection: Connection, work: Work) -> None:
        ours = await connection.fetch(_LOCK, *self._identity(work), [part.batch.first_offset for part in work.parts])
        self._check(work, ours)

    async def _move(self, connection: Connection, work: Work, tallies: list[Tally]) -> None:
        parts = work.parts
        moved = await connection.fetch(
            _MOVE,
            *self._identity(work),
            [part.batch.first_offset for part in parts],
            [part.batch.next_offset for part in parts],
            [t.stored for t in tallies],
            [t.duplicate for t in tallies],
            [part.late for part in parts],
            [part.dead for part in parts],
            [part.no_record for part in parts],
            [t.readings_stored for t in tallies],
            [t.readings_duplicate for t in tallies],
            [t.readings_conflict for t in tallies],
            [part.batch.records[-1].timestamp_us if part.batch.records else None for part in parts],
            [part.batch.last_hash for part in parts],
            [part.batch.end for part in parts],
        )
        self._check(work, moved)

    def _check_server(self, connection: Connection, work: Work) -> None:
        if work.server not in (None, server_of(connection)):
            metrics.FENCED.labels("ingest").inc()
            raise FencedError([part.owned.tp for part in work.parts])

    async def _mark(self, connection: Connection, rows: Rows) -> None:
        """Tell the rollup of a plain store which ranges it has to sum up again."""
        await connection.execute(MARK_DIRTY, *dirty_marks(rows.series, rows.time, time.time_ns() // 1000))

    def _identity(self, work: Work) -> tuple[list[str], list[str], list[int], list[int], list[int]]:
        owned = [part.owned for part in work.parts]
        return (
            [o.cluster for o in owned],
            [o.tp.topic for o in owned],
            [o.generation for o in owned],
            [o.tp.partition for o in owned],
            [o.epoch for o in owned],
        )

    def _check(self, work: Work, rows: list[asyncpg.Record]) -> None:
        if len(rows) != len(work.parts):
            ours = {(row["topic"], row["partition"]) for row in rows}
            metrics.FENCED.labels("ingest").inc()
            raise FencedError([part.owned.tp for part in work.parts if tuple(part.owned.tp) not in ours])

    async def _conflicts(self, connection: Connection, work: Work, rows: Rows, conflict: Mask, kept: Floats) -> None:
        """Note refused values; of a flood (above 100 a second of record time) every hundredth: the books count all."""
        noted = [at for at in np.flatnonzero(conflict) if self._conflict_gate.passes(work.record_time(rows.number[at]))]
        if noted:
            columns = rows.series[noted], rows.time[noted], kept[noted], rows.value[noted]
            await connection.execute(_INSERT_CONFLICTS, *(column.tolist() for column in columns))


def _count(sector: str, late: int, dead: int, no_record: int, counted: Tally) -> None:
    outcomes = {
        "stored": counted.stored,
        "duplicate": counted.duplicate,
        "late": late,
        "dead": dead,
        "no_record": no_record,
    }
    for outcome, records in outcomes.items():
        if records:
            metrics.INGEST_OFFSETS.labels(sector, outcome).inc(records)
    if counted.reports_new:
        metrics.INGEST_REPORTS.labels(sector).inc(counted.reports_new)
    metrics.INGEST_READINGS.labels(sector, "stored").inc(counted.readings_stored)
    if counted.readings_duplicate:
        metrics.INGEST_READINGS.labels(sector, "duplicate").inc(counted.readings_duplicate)
    if counted.readings_conflict:
        metrics.INGEST_READINGS.labels(sector, "conflict").inc(counted.readings_conflict)


_MOVE = load_sql("ingest", "move_ledger.sql")
_LOCK = load_sql("ingest", "lock_ledger.sql")
_CREATE_STAGING = load_sql("ingest", "create_staging.sql")
_INSERT_STAGED = load_sql("ingest", "insert_staged.sql")
_SELECT_CONFLICTS = load_sql("ingest", "select_conflicts.sql")
_INSERT_CONFLICTS = load_sql("ingest", "insert_conflicts.sql")
