"""Readings as a chart, a map or a person asks for them: history at the resolution wanted, newest values, conflicts."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Literal, NamedTuple

from city.database import Connection, load_sql

Level = Literal["raw", "1m", "1h"]

WIDTH_US: Final[dict[Level, int]] = {"raw": 1, "1m": 60_000_000, "1h": 3_600_000_000}
KEPT_FROM: Final = "SELECT to_us(raw_from) AS raw, to_us(minutes_from) AS minutes FROM rollup_state"
MINUTES_MOST: Final = 4 * 24 * 60
"""Rows of the minute level that a chart reads of one series at most: four days of them."""
CONFLICTS: Final = """
SELECT series_id, to_us(time) AS time, kept, refused, to_us(at) AS at
  FROM conflict
 WHERE $1::integer IS NULL OR series_id = $1
 ORDER BY at DESC
 LIMIT $2
"""


class Point(NamedTuple):
    """A bucket of a chart and how many readings it holds; `time` in µs, at the raw level that of its first reading."""

    time: int
    mean: float
    min: float
    max: float
    readings: int


class History(NamedTuple):
    """Points by series, in order of time; a series without readings in the range has no entry."""

    level: Level
    step_us: int
    points: dict[int, list[Point]]


class Latest(NamedTuple):
    """The newest reading of a series; `time` in µs."""

    series: int
    time: int
    value: float


class Conflict(NamedTuple):
    """Another value for a reading that was there already; the first was kept. Times in µs."""

    series: int
    time: int
    kept: float
    refused: float
    at: int


def resolve(start_us: int, end_us: int, max_points: int) -> tuple[Level, int]:
    """The coarsest level that gives a chart at least half of `max_points`, and the step, a multiple of its width.

    Beyond MINUTES_MOST it is hours, however many points are wanted: a minute of one series lies on a page of its own
    among those of thousands of others, so a chart takes as long as the rows that it reads.
    """
    wanted = max(1, -(-(end_us - start_us) // max_points))
    level: Level = "1h" if wanted * 2 >= WIDTH_US["1h"] else "1m" if wanted * 2 >= WIDTH_US["1m"] else "raw"
    if level == "1m" and end_us - start_us > MINUTES_MOST * WIDTH_US["1m"]:
        level = "1h"
    width = WIDTH_US[level]
    return level, -(-wanted // width) * width


async def history(
    connection: Connection, series_ids: Sequence[int], start_us: int, end_us: int, max_points: int
) -> History:
    """Readings of these series in [start, end), at most `max_points` + 1 points a series.

    Where raw readings are past their retention, minutes stand in for them, and hours for minutes.

    Raises:
        ValueError: an empty range or fewer than one point.
    """
    if end_us <= start_us or max_points < 1:
        raise ValueError(f"a history needs start < end and at least one point, got {start_us}, {end_us}, {max_points}")
    level, step = resolve(start_us, end_us, max_points)
    if level != "1h":
        (kept,) = await connection.fetch(KEPT_FROM)
        if level == "raw" and start_us < kept["raw"]:
            level, step = "1m", WIDTH_US["1m"]
        if level == "1m" and start_us < kept["minutes"]:
            level, step = "1h", -(-step // WIDTH_US["1h"]) * WIDTH_US["1h"]
    rows = await connection.fetch(
        load_sql("city", f"history_{level}.sql"),
        series_ids,
        start_us - start_us % WIDTH_US[level],
        end_us,
        timedelta(microseconds=step),
    )
    points: dict[int, list[Point]] = {}
    for series, *point in rows:
        points.setdefault(series, []).append(Point(*point))
    return History(level, step, points)


async def latest_values(connection: Connection, since_us: int = 0) -> list[Latest]:
    """The newest reading of every series that has one at or after `since_us`; the later that is, the faster."""
    return [Latest(*row) for row in await connection.fetch(load_sql("city", "latest_values.sql"), since_us)]


async def conflicts(connection: Connection, series_id: int | None = None, limit: int = 100) -> list[Conflict]:
    """Refused second values, newest first; of one series, or of all."""
    return [Conflict(*row) for row in await connection.fetch(CONFLICTS, series_id, limit)]
