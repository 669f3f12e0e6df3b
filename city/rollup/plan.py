"""Which ranges of time one pass of the rollup sums up: pure, times in µs."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MINUTE: Final = 60 * 1_000_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
LATE_SPAN: Final = 10 * DAY
"""Of a late mark at most so much time in one pass; the rest waits its turn."""


class Mark(NamedTuple):
    """Readings of a series (None: of any) were written with times from `first` to `last`, both included, in µs."""

    series: int | None
    first: int
    last: int


class Span(NamedTuple):
    """A series (None: every series) and a half-open range of time, in µs."""

    series: int | None
    start: int
    end: int


@dataclass(frozen=True)
class Plan:
    """What one pass sums up, and the marks that it leaves for later."""

    minutes: list[Span] = field(default_factory=list)
    hours: list[Span] = field(default_factory=list)
    keep: list[Mark] = field(default_factory=list)


def plan(marks: Iterable[Mark], *, rolled_before: int, boundary: int, raw_from: int) -> Plan:
    """Pure: the marked ranges, merged, between `raw_from` and `boundary`; everything before `boundary` is then whole.

    An hour is summed up when it is complete, and again whenever a minute of it is; spans of a level never overlap
    within a series.
    """
    minutes: list[Span] = []
    keep: list[Mark] = []
    for mark in marks:
        start, end = floor(max(mark.first, raw_from), MINUTE), floor(mark.last, MINUTE) + MINUTE
        limit = boundary if mark.series is None else min(boundary, start + LATE_SPAN)
        if end > limit and limit > mark.first:
            keep.append(Mark(mark.series, limit, mark.last))
        if start < min(end, limit):
            minutes.append(Span(mark.series, start, min(end, limit)))
    minutes = merge(minutes)
    whole = floor(boundary, HOUR)
    hours = [
        Span(span.series, floor(span.start, HOUR), min(floor(span.end - 1, HOUR) + HOUR, whole)) for span in minutes
    ]
    hours.append(Span(None, floor(rolled_before, HOUR), whole))
    return Plan(minutes, merge(span for span in hours if span.start < span.end), keep)


def merge(spans: Iterable[Span]) -> list[Span]:
    """The same time as spans that neither overlap nor touch within a series."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.series is not None, span.series or 0, span.start)):
        if merged and merged[-1].series == span.series and span.start <= merged[-1].end:
            merged[-1] = merged[-1]._replace(end=max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def floor(at: int, width: int) -> int:
    """The start of the bucket that holds `at`."""
    return at - at % width
