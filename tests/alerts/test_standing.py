"""Every step of pending, firing, kept firing and resolved: from each state, what each kind of news leads to."""

import pytest

from alerts.standing import Standing, Timing

TIMING = Timing(holds=(60, 60), clear_us=60, gap_us=300)
NORMAL, PENDING, FIRING, KEPT, WORSE = "normal", "pending", "firing", "kept firing", "firing worse"
MET, CALM, UNKNOWN = (True, False), (False, False), (None, None)
BAD = (True, True)


def negated(truths: tuple[bool | None, ...]) -> tuple[bool | None, ...]:
    return tuple(None if truth is None else not truth for truth in truths)


def news(
    standing: Standing, time: int, truths: tuple[bool | None, ...], fresh: bool = True, active: bool = True
) -> bool:
    return standing.advance(TIMING, time, truths, negated(truths), fresh, active)


def stand_in(state: str) -> Standing:
    """A group in this state at second 1000, by the shortest way."""
    standing = Standing.of(2)
    ways: dict[str, list[tuple[int, tuple[bool | None, ...]]]] = {
        NORMAL: [(1000, CALM)],
        PENDING: [(1000, MET)],
        FIRING: [(940, MET), (1000, MET)],
        KEPT: [(880, MET), (940, MET), (1000, CALM)],
        WORSE: [(940, BAD), (1000, BAD)],
    }
    for time, truths in ways[state]:
        news(standing, time, truths)
    assert state_of(standing) == state
    return standing


def state_of(standing: Standing) -> str:
    if standing.level == 2:
        return WORSE
    if standing.level:
        return KEPT if any(standing.back) else FIRING
    return PENDING if any(standing.past) else NORMAL


@pytest.mark.parametrize(
    ("state", "truths", "after", "fresh", "active", "leads_to"),
    [
        (NORMAL, CALM, 60, True, True, NORMAL),
        (NORMAL, MET, 60, True, True, PENDING),
        (NORMAL, UNKNOWN, 60, True, True, NORMAL),
        (NORMAL, MET, 60, False, True, NORMAL),
        (NORMAL, MET, 60, True, False, NORMAL),
        (PENDING, MET, 59, True, True, PENDING),
        (PENDING, MET, 60, True, True, FIRING),
        (PENDING, MET, 301, True, True, PENDING),  # a gap: it begins anew
        (PENDING, CALM, 60, True, True, NORMAL),
        (PENDING, CALM, 60, False, True, NORMAL),  # what is old may stop a timer
        (PENDING, UNKNOWN, 60, True, True, PENDING),
        (PENDING, MET, 60, False, True, PENDING),  # and never brings it home
        (PENDING, MET, 60, True, False, NORMAL),
        (FIRING, MET, 60, True, True, FIRING),
        (FIRING, CALM, 60, True, True, KEPT),
        (FIRING, CALM, 60, False, True, KEPT),
        (FIRING, CALM, 60, True, False, KEPT),
        (FIRING, UNKNOWN, 60, True, True, FIRING),
        (FIRING, UNKNOWN, 9999, True, True, FIRING),
        (FIRING, MET, 9999, False, False, FIRING),
        (KEPT, MET, 60, True, True, FIRING),
        (KEPT, CALM, 59, True, True, KEPT),
        (KEPT, CALM, 60, True, True, NORMAL),
        (KEPT, CALM, 60, False, False, NORMAL),  # it clears by its values even out of hours
        (KEPT, CALM, 301, True, True, KEPT),  # a gap: calm begins anew
        (KEPT, UNKNOWN, 60, True, True, KEPT),
        (WORSE, BAD, 60, True, True, WORSE),
        (WORSE, MET, 60, True, True, WORSE),
        (WORSE, UNKNOWN, 60, True, True, WORSE),
    ],
)
def test_what_news_leads_to(
    state: str, truths: tuple[bool | None, ...], after: int, fresh: bool, active: bool, leads_to: str
) -> None:
    standing = stand_in(state)
    before = standing.level
    assert news(standing, 1000 + after, truths, fresh, active) == (standing.level != before)
    assert state_of(standing) == leads_to


def test_it_worsens_and_eases_by_one_level_after_the_other() -> None:
    standing = stand_in(FIRING)
    assert [news(standing, second, BAD) for second in (1060, 1120)] == [False, True]
    assert state_of(standing) == WORSE
    assert [news(standing, second, MET) for second in (1180, 1240)] == [False, True]
    assert state_of(standing) == FIRING
    assert standing.raised_at == 1000


def test_between_two_raises_lies_the_least_time() -> None:
    timing = Timing((0,), 0, 10_000, again_us=500)
    standing = Standing.of(1)
    story = [(1000, True), (1100, False), (1200, True), (1499, True), (1500, True)]
    changed = [standing.advance(timing, time, (met,), (not met,), True, True) for time, met in story]
    assert changed == [True, True, False, False, True]
