"""The readings of a work as sorted columns, and the count of what became of them."""

from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from ingest.packing import Floats, Ints
from ingest.work import Part, Work

Mask = npt.NDArray[np.bool_]


class Tally(msgspec.Struct, frozen=True):
    """What became of one part: records that were new or not, and its readings."""

    stored: int
    duplicate: int
    readings_stored: int
    readings_duplicate: int
    readings_conflict: int
    reports_new: int


@dataclass(slots=True, frozen=True, eq=False)
class Rows:
    """Readings sorted by series, time and order of arrival; `first` marks the first of each identity, which wins."""

    number: Ints
    time: Ints
    series: Ints
    value: Floats
    first: Mask

    @classmethod
    def of(cls, work: Work) -> "Rows":
        counts = np.array(work.counts, np.int64)
        number = np.repeat(np.array(work.numbers, np.int64), counts)
        time = np.repeat(np.array(work.times, np.int64), counts)
        series = np.array(work.series, np.int64)
        value = np.array(work.values, np.float64)
        order = np.lexsort((number, time, series))
        time, series = time[order], series[order]
        first = np.ones(len(order), bool)
        first[1:] = (series[1:] != series[:-1]) | (time[1:] != time[:-1])
        return cls(number[order], time, series, value[order], first)

    def __len__(self) -> int:
        return len(self.time)

    @property
    def kept(self) -> Floats:
        """For each row the value of the first of its identity."""
        return self.value[np.maximum.accumulate(np.where(self.first, np.arange(len(self)), 0))]


def tally(work: Work, rows: Rows, new: Mask, conflict: Mask, new_reports: set[int]) -> list[Tally]:
    """Count each part, given which rows are new, which conflict, and which report records (by number) were new."""
    bases = np.array([part.base for part in work.parts])
    part_of = np.searchsorted(bases, rows.number, side="right") - 1
    stored_records: Mask = np.zeros(work.records, bool)
    stored_records[rows.number[new]] = True
    stored_records[list(new_reports)] = True
    parts = len(work.parts)
    total, fresh, conflicts = (np.bincount(part_of[mask], minlength=parts) for mask in (slice(None), new, conflict))
    return [
        _tally(
            part, stored_records, int(fresh[i]), int(total[i] - fresh[i] - conflicts[i]), int(conflicts[i]), new_reports
        )
        for i, part in enumerate(work.parts)
    ]


def _tally(
    part: Part, stored_records: Mask, fresh: int, duplicates: int, conflicts: int, new_reports: set[int]
) -> Tally:
    numbers = range(part.base, part.base + len(part.batch.records))
    stored = int(np.count_nonzero(stored_records[numbers.start : numbers.stop]))
    reports = sum(number in numbers for number in new_reports)
    return Tally(stored, part.taken - stored, fresh, duplicates, conflicts, reports)
