"""What is past its retention is erased a UTC day at a time, oldest first; coarser aggregates stay for longer.

Before a day is touched, `raw_from` (and for minutes `minutes_from`) is moved behind it in a transaction of its own:
from then on nothing sums that day up again, so that what is half erased is never taken for what was measured. Every
step is short and yields to writers. On TimescaleDB a chunk is erased: a day of raw readings, several of aggregates.
"""

from typing import Final, NamedTuple

import asyncpg

from city.lease import Lease
from city.rollup.plan import DAY, floor

SERIES_A_STEP: Final = 20
YIELD_TO_WRITERS: Final = "SET LOCAL lock_timeout = '1s'"
SERIES: Final = "SELECT id FROM series ORDER BY id"


class Kept(NamedTuple):
    """The statements of one table: $1 of `advance` is a time in µs, as of `erase_chunk`."""

    table: str
    advance: str
    oldest_plain: str
    erase_plain: str
    oldest_chunk: str
    erase_chunk: str


RAW: Final = Kept(
    table="reading",
    advance="UPDATE rollup_state SET raw_from = greatest(raw_from, from_us($1))",
    oldest_plain="""
        SELECT to_us(min(oldest.time))
          FROM series
         CROSS JOIN LATERAL (SELECT time FROM reading WHERE series_id = series.id ORDER BY time LIMIT 1) AS oldest
    """,
    erase_plain="""
        DELETE FROM reading WHERE series_id = ANY($1::integer[]) AND time >= from_us($2) AND time < from_us($3)
    """,
    oldest_chunk="""
        SELECT to_us(min(range_end))
          FROM timescaledb_information.chunks
         WHERE hypertable_schema = current_schema() AND hypertable_name = 'reading'
    """,
    erase_chunk="SELECT count(*) FROM drop_chunks('reading', older_than => from_us($1))",
)
MINUTES: Final = Kept(
    table="reading_1m",
    advance="""
        UPDATE rollup_state
           SET raw_from = greatest(raw_from, from_us($1)), minutes_from = greatest(minutes_from, from_us($1))
    """,
    oldest_plain="""
        SELECT to_us(min(oldest.bucket))
          FROM series
         CROSS JOIN LATERAL (
               SELECT bucket FROM reading_1m_rolled WHERE series_id = series.id ORDER BY bucket LIMIT 1) AS oldest
    """,
    erase_plain="""
        DELETE FROM reading_1m_rolled
         WHERE series_id = ANY($1::integer[]) AND bucket >= from_us($2) AND bucket < from_us($3)
    """,
    oldest_chunk="""
        SELECT to_us(min(chunk.range_end))
          FROM timescaledb_information.chunks AS chunk
          JOIN timescaledb_information.continuous_aggregates AS aggregate
            ON chunk.hypertable_schema = aggregate.materialization_hypertable_schema
           AND chunk.hypertable_name = aggregate.materialization_hypertable_name
         WHERE aggregate.view_schema = current_schema() AND aggregate.view_name = 'reading_1m'
    """,
    erase_chunk="SELECT count(*) FROM drop_chunks('reading_1m', older_than => from_us($1))",
)
HOURS: Final = Kept(
    table="reading_1h",
    advance="UPDATE rollup_state SET raw_from = greatest(raw_from, from_us($1))",
    oldest_plain="""
        SELECT to_us(min(oldest.bucket))
          FROM series
         CROSS JOIN LATERAL (
               SELECT bucket FROM reading_1h_rolled WHERE series_id = series.id ORDER BY bucket LIMIT 1) AS oldest
    """,
    erase_plain="""
        DELETE FROM reading_1h_rolled
         WHERE series_id = ANY($1::integer[]) AND bucket >= from_us($2) AND bucket < from_us($3)
    """,
    oldest_chunk="""
        SELECT to_us(min(chunk.range_end))
          FROM timescaledb_information.chunks AS chunk
          JOIN timescaledb_information.continuous_aggregates AS aggregate
            ON chunk.hypertable_schema = aggregate.materialization_hypertable_schema
           AND chunk.hypertable_name = aggregate.materialization_hypertable_name
         WHERE aggregate.view_schema = current_schema() AND aggregate.view_name = 'reading_1h'
    """,
    erase_chunk="SELECT count(*) FROM drop_chunks('reading_1h', older_than => from_us($1))",
)


class Log(NamedTuple):
    """A table of what happened, found by its time `at`; `erase` takes at most $2 rows from before $1 µs."""

    table: str
    erase: str


LOGS_AT_ONCE: Final = 5_000
DEAD_LETTERS: Final = Log(
    table="dead_letter",
    erase="""
        WITH erased AS (
            DELETE FROM dead_letter
             WHERE id IN (SELECT id FROM dead_letter WHERE at < from_us($1) ORDER BY at LIMIT $2)
            RETURNING 1
        )
        SELECT count(*) FROM erased
    """,
)
CONFLICTS: Final = Log(
    table="conflict",
    erase="""
        WITH erased AS (
            DELETE FROM conflict
             WHERE ctid IN (SELECT ctid FROM conflict WHERE at < from_us($1) ORDER BY at LIMIT $2)
            RETURNING 1
        )
        SELECT count(*) FROM erased
    """,
)


async def erase_log(pool: asyncpg.Pool, lease: Lease, log: Log, *, before_us: int) -> int:
    """Erase what happened before a time, a few thousand rows at a time; returns how many rows. Raises as above."""
    total = 0
    while True:
        async with pool.acquire() as connection, connection.transaction():
            await lease.fence(connection)
            await connection.execute(YIELD_TO_WRITERS)
            erased: int = await connection.fetchval(log.erase, before_us, LOGS_AT_ONCE)
        total += erased
        if erased < LOGS_AT_ONCE:
            return total


async def erase_oldest_day(pool: asyncpg.Pool, lease: Lease, kept: Kept, *, before_us: int, timescale: bool) -> bool:
    """Erase the oldest day (or chunk) of a table that ends at or before `before_us`; False if there is none.

    Raises:
        LeaseLost: another owner does this now.
        asyncpg.LockNotAvailableError: writers came first; what is left of the day is erased the next time.
    """
    if timescale:
        end = await pool.fetchval(kept.oldest_chunk)
        if end is None or end > before_us:
            return False
        await _in_transaction(pool, lease, kept.advance, end)
        await _in_transaction(pool, lease, kept.erase_chunk, end)
        return True
    oldest = await pool.fetchval(kept.oldest_plain)
    if oldest is None or floor(oldest, DAY) + DAY > before_us:
        return False
    start, end = floor(oldest, DAY), floor(oldest, DAY) + DAY
    await _in_transaction(pool, lease, kept.advance, end)
    series = [row["id"] for row in await pool.fetch(SERIES)]
    for at in range(0, len(series), SERIES_A_STEP):
        some = series[at : at + SERIES_A_STEP]
        await _in_transaction(pool, lease, kept.erase_plain, some, start, end)
    return True


async def _in_transaction(pool: asyncpg.Pool, lease: Lease, statement: str, *values: object) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await lease.fence(connection)
        await connection.execute(YIELD_TO_WRITERS)
        await connection.execute(statement, *values)
