"""Which ranges of event time a batch of readings touched, for the rollup of a plain store.

A writer calls `MARK_DIRTY` once in the transaction that writes the readings, so that readings and marks are seen
together: whatever the rollup sums up, it does not miss. On TimescaleDB the same call does nothing.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

RECENT_US: Final = 3 * 60 * 1_000_000
"""Readings younger than this share one mark for every series: the rollup has not passed them yet, or only just."""

MARK_DIRTY: Final = "SELECT mark_dirty($1::int[], $2::bigint[], $3::bigint[])"
"""Arguments are the three lists of `dirty_marks`."""


class Marks(NamedTuple):
    """Ranges, both ends included, in µs since 1970; a series of None means every series."""

    series: list[int | None]
    first: list[int]
    last: list[int]


def dirty_marks(series: npt.NDArray[np.int64], time: npt.NDArray[np.int64], now_us: int) -> Marks:
    """The marks of readings in any order: one for what is recent, one a series for the rest.

    Costs a comparison a reading in the usual case, where all are recent and the answer is a single mark.
    `now_us` only decides which is which; a wrong clock makes the rollup slower, never wrong.
    """
    marks = Marks([], [], [])
    recent = time >= now_us - RECENT_US
    fresh = time[recent]
    if len(fresh):
        marks.series.append(None)
        marks.first.append(int(fresh.min()))
        marks.last.append(int(fresh.max()))
    if len(fresh) < len(time):
        old_series, old_time = series[~recent], time[~recent]
        order = np.lexsort((old_time, old_series))
        old_series, old_time = old_series[order], old_time[order]
        begins = np.flatnonzero(np.append(True, old_series[1:] != old_series[:-1]))
        ends = np.append(begins[1:], len(old_series)) - 1
        marks.series.extend(old_series[begins].tolist())
        marks.first.extend(old_time[begins].tolist())
        marks.last.extend(old_time[ends].tolist())
    return marks
