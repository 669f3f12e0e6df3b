"""One pass of the rollup on a plain store: marks and raw readings in one snapshot, the aggregates written anew."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from city.database import Connection, load_sql
from city.dirty import MARK_DIRTY
from city.rollup.plan import MINUTE, Mark, Span, floor, plan

STEP: Final = 15 * MINUTE
"""At most so much time is summed up for every series in one pass."""
LATE_MARKS: Final = 50
"""At most so many marks of single series in one pass."""

STATE: Final = """
SELECT to_us(rolled_before) AS rolled_before, to_us(raw_from) AS raw_from,
       (SELECT to_us(min(first)) FROM rollup_dirty
         WHERE series_id IS NULL AND first >= rolled_before AND first < from_us($1)) AS next_mark
  FROM rollup_state
"""
TAKE_RECENT: Final = """
DELETE FROM rollup_dirty WHERE series_id IS NULL AND first < from_us($1)
RETURNING series_id, to_us(first) AS first, to_us(last) AS last
"""
TAKE_LATE: Final = """
DELETE FROM rollup_dirty
 WHERE id IN (SELECT id FROM rollup_dirty WHERE series_id IS NOT NULL AND first < from_us($1) ORDER BY id LIMIT $2)
RETURNING series_id, to_us(first) AS first, to_us(last) AS last
"""
ADVANCE: Final = "UPDATE rollup_state SET rolled_before = from_us($1)"
YIELD_TO_WRITERS: Final = "SET LOCAL lock_timeout = '1s'"
BY_INDEX: Final = "SET LOCAL enable_seqscan = off"
"""The statistics of a young or fast-growing table would make the planner read all of it for every series."""


class Pass(NamedTuple):
    """What a pass did: marks taken, buckets written, and whether another pass would find more to do."""

    marks: int
    buckets: int
    more: bool


async def roll(connection: Connection, until_us: int) -> Pass:
    """One pass, inside a transaction of the caller's at repeatable read: marks and readings are seen alike.

    Sums up what is marked before `until_us`, at most `STEP` further than the last pass and a bounded number of late
    ranges. The caller holds the rollup's lease: two passes at once would fail, not corrupt.
    """
    await connection.execute(YIELD_TO_WRITERS)
    await connection.execute(BY_INDEX)
    (state,) = await connection.fetch(STATE, until_us)
    rolled_before: int = state["rolled_before"]
    boundary = floor(until_us, MINUTE)
    if state["next_mark"] is not None:
        boundary = min(boundary, max(rolled_before, floor(state["next_mark"], MINUTE)) + STEP)
    boundary = max(boundary, rolled_before)
    recent = await connection.fetch(TAKE_RECENT, boundary)
    late = await connection.fetch(TAKE_LATE, boundary, LATE_MARKS)
    marks = [Mark(row["series_id"], row["first"], row["last"]) for row in [*recent, *late]]
    todo = plan(marks, rolled_before=rolled_before, boundary=boundary, raw_from=state["raw_from"])
    buckets = await _sum_up(connection, "1m", todo.minutes) + await _sum_up(connection, "1h", todo.hours)
    if todo.keep:
        columns = list(zip(*todo.keep, strict=True))
        await connection.execute(MARK_DIRTY, *map(list, columns))
    await connection.execute(ADVANCE, boundary)
    unfinished = any(mark.first < boundary for mark in todo.keep)
    more = boundary < floor(until_us, MINUTE) or len(late) == LATE_MARKS or unfinished
    return Pass(len(marks), buckets, more)


async def _sum_up(connection: Connection, level: str, spans: Sequence[Span]) -> int:
    """Write the buckets of these spans; those that have not changed are left alone. Returns how many were written."""
    written = 0
    of_all = [span for span in spans if span.series is None]
    of_one = [span for span in spans if span.series is not None]
    for some in (of_all, of_one):  # not in one call: these may overlap those
        if some:
            series, starts, ends = zip(*some, strict=True)
            tag = await connection.execute(load_sql("city.rollup", f"roll_{level}.sql"), series, starts, ends)
            written += int(tag.rsplit(" ", 1)[1])
    return written
