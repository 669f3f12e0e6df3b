"""Raw readings past their retention are erased a UTC day at a time, oldest first; the aggregates stay.

Before a day is touched, `raw_from` is moved behind it in a transaction of its own: from then on nothing sums that day
up again, so that what is half erased is never taken for what was measured. Every step is short and yields to writers.
"""

from typing import Final

import asyncpg

from city.lease import Lease
from city.rollup.plan import DAY, floor

SERIES_A_STEP: Final = 20
YIELD_TO_WRITERS: Final = "SET LOCAL lock_timeout = '1s'"
ADVANCE: Final = "UPDATE rollup_state SET raw_from = greatest(raw_from, from_us($1))"

OLDEST_PLAIN: Final = """
SELECT to_us(min(oldest.time))
  FROM series
 CROSS JOIN LATERAL (SELECT time FROM reading WHERE series_id = series.id ORDER BY time LIMIT 1) AS oldest
"""
SERIES: Final = "SELECT id FROM series ORDER BY id"
ERASE_PLAIN: Final = """
DELETE FROM reading WHERE series_id = ANY($1::integer[]) AND time >= from_us($2) AND time < from_us($3)
"""

OLDEST_CHUNK: Final = """
SELECT to_us(range_end)
  FROM timescaledb_information.chunks
 WHERE hypertable_schema = current_schema() AND hypertable_name = 'reading'
 ORDER BY range_end
 LIMIT 1
"""
ERASE_CHUNK: Final = "SELECT count(*) FROM drop_chunks('reading', older_than => from_us($1))"


async def erase_oldest_day(pool: asyncpg.Pool, lease: Lease, *, before_us: int, timescale: bool) -> bool:
    """Erase the oldest day that ends at or before `before_us`; False if there is none.

    Raises:
        LeaseLost: another owner does this now.
        asyncpg.LockNotAvailableError: writers came first; what is left of the day is erased the next time.
    """
    if timescale:
        end = await pool.fetchval(OLDEST_CHUNK)
        if end is None or end > before_us:
            return False
        await _in_transaction(pool, lease, ADVANCE, end)
        await _in_transaction(pool, lease, ERASE_CHUNK, end)
        return True
    oldest = await pool.fetchval(OLDEST_PLAIN)
    if oldest is None or floor(oldest, DAY) + DAY > before_us:
        return False
    start, end = floor(oldest, DAY), floor(oldest, DAY) + DAY
    await _in_transaction(pool, lease, ADVANCE, end)
    series = [row["id"] for row in await pool.fetch(SERIES)]
    for at in range(0, len(series), SERIES_A_STEP):
        some = series[at : at + SERIES_A_STEP]
        await _in_transaction(pool, lease, ERASE_PLAIN, some, start, end)
    return True


async def _in_transaction(pool: asyncpg.Pool, lease: Lease, statement: str, *values: object) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await lease.fence(connection)
        await connection.execute(YIELD_TO_WRITERS)
        await connection.execute(statement, *values)
