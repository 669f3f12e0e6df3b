"""What the rollup plans to sum up, and what a batch marks for it: nothing is left out, and nothing that is erased."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from city.dirty import RECENT_US, dirty_marks
from city.rollup.plan import DAY, HOUR, MINUTE, Mark, Span, floor, merge, plan
from tests.database.conftest import NOW_US

TIMES = st.integers(0, 40 * DAY)
MARKS = st.builds(
    lambda series, first, length: Mark(series, first, first + length),
    st.sampled_from([None, 1, 2]),
    TIMES,
    st.sampled_from([0, 1, MINUTE - 1, MINUTE, HOUR, 3 * DAY, 25 * DAY]),
)


@given(st.lists(MARKS, max_size=8), TIMES, TIMES, TIMES)
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_plan_covers_what_is_marked_and_nothing_erased(marks: list[Mark], a: int, b: int, raw_from: int) -> None:
    rolled_before, boundary = sorted((floor(a, MINUTE), floor(b, MINUTE)))
    raw_from = floor(raw_from, DAY)
    marks = [mark for mark in marks if mark.first < boundary]
    todo = plan(marks, rolled_before=rolled_before, boundary=boundary, raw_from=raw_from)

    def covered(series: int | None, at: int, spans: list[Span]) -> bool:
        return any(span.series == series and span.start <= at < span.end for span in spans)

    kept = [Span(mark.series, mark.first, mark.last + 1) for mark in todo.keep]
    for mark in marks:
        for at in {mark.first, mark.last, (mark.first + mark.last) // 2}:
            if at >= raw_from:
                assert covered(mark.series, at, todo.minutes) or covered(mark.series, at, kept)
    for span in todo.minutes:
        assert raw_from <= span.start < span.end <= boundary
        assert span.start % MINUTE == span.end % MINUTE == 0
        for at in {floor(span.start, HOUR), floor(span.end - 1, HOUR)}:
            if at < floor(boundary, HOUR):
                assert covered(span.series, at, todo.hours)
    for at in {rolled_before, boundary - 1}:
        if rolled_before <= at < floor(boundary, HOUR):
            assert covered(None, at, todo.hours)
    assert all(span.end <= floor(boundary, HOUR) for span in todo.hours)
    assert merge(todo.minutes) == todo.minutes
    assert merge(todo.hours) == todo.hours


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(-5 * HOUR, 5 * MINUTE)), min_size=1, max_size=60),
)
def test_marks_cover_every_reading(readings: list[tuple[int, int]]) -> None:
    series = np.array([series for series, _ in readings])
    times = np.array([NOW_US + offset for _, offset in readings])
    marks = dirty_marks(series, times, NOW_US)
    spans = list(zip(*marks, strict=True))
    for reading, at in zip(series, times, strict=True):
        assert any(of in (None, reading) and first <= at <= last for of, first, last in spans)
    assert len(spans) <= 1 + len(set(series.tolist()))
    assert sum(of is None for of in marks.series) <= 1
    assert all(first >= NOW_US - RECENT_US for of, first, _ in spans if of is None)


def test_a_live_batch_is_one_mark() -> None:
    times = NOW_US - np.arange(5000) * 1000
    assert dirty_marks(np.arange(5000), times, NOW_US) == ([None], [int(times.min())], [NOW_US])
