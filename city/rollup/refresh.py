"""The continuous aggregates of a TimescaleDB store, kept up to date without ever erasing history.

Materializing a range whose raw readings are gone would erase its aggregates. A window therefore begins where the server
says, at the instant of the call, that raw readings are whole: `summable_from`, the raw retention less one chunk, and
never before what retention took. A policy, whose window is a fixed distance from now, can't know the latter.
"""

from typing import Final

from city.database import Connection
from city.rollup.plan import HOUR, MINUTE, floor

REFRESH_1M: Final = "CALL refresh_continuous_aggregate('reading_1m', summable_from($1, $2), from_us($3))"
REFRESH_1H: Final = "CALL refresh_continuous_aggregate('reading_1h', summable_from($1, $2), from_us($3))"
SUMMABLE_FROM: Final = "SELECT to_us(summable_from($1, $2))"


async def refresh(connection: Connection, now_us: int, until_us: int, *, raw_retention_days: int) -> None:
    """Materialize what changed before `until_us`; outside a transaction. Costs in proportion to what changed."""
    start = await connection.fetchval(SUMMABLE_FROM, now_us, raw_retention_days)
    minute, hour = floor(until_us, MINUTE), floor(until_us, HOUR)
    if minute - start >= 2 * MINUTE:
        await connection.execute(REFRESH_1M, now_us, raw_retention_days, minute)
    if hour - start >= 2 * HOUR:
        await connection.execute(REFRESH_1H, now_us, raw_retention_days, hour)
