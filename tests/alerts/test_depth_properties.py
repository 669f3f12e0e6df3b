"""Rules on groups, whatever the readings: they agree with the fast path where both can judge, order of arrival within
the lateness changes nothing, and what ticks bring comes out the same when the journal is taken again."""

from itertools import pairwise

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.engine import Arrival, Tick
from alerts.freeze import encode, freeze, thaw
from alerts.rules import Over, Rule
from alerts.transitions import Transition
from alerts.window import Shape
from tests.alerts.depth import EVERY_KIND, rule
from tests.alerts.test_engine_properties import LEVELS, arrivals, run
from tests.alerts.town import ALL, START, US, at, engine, town

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)


def slow_path(one: Rule) -> Rule:
    """The same rule, but judged by groups: a least time between raises that is no time."""
    return msgspec.structs.replace(one, again_after_us=1)


@patient
@given(arrivals())
def test_a_threshold_judged_by_groups_tells_the_same(records: list[Arrival]) -> None:
    steps = [[record] for record in records]
    by_group = run(engine(*map(slow_path, ALL)), steps)
    assert sorted(by_group, key=_order) == sorted(run(engine(), steps), key=_order)


def _order(one: Transition) -> tuple[object, ...]:
    return (one.group, one.rule, one.event_time, one.raised_at, one.kind)


LATE = rule("metric: level_m\nraise: {warning: {above: 1.5, for: 1m}, critical: {above: 1.6}}\nlateness: 2m", "late")
LATE_ZONE = rule("metric: level_m\nper: zone\nlateness: 2m\nmeasure: {mean: 5m}\nraise: {warning: {above: 1}}", "zone")
LATE_CROWD = rule(
    "metric: level_m\nper: zone\nlateness: 2m\nraise: {warning: {at_least: {assets: 2, above: 1}}}", "crowd"
)


@patient
@given(
    st.lists(st.tuples(st.sampled_from([5.0, 20.0, 60.0, 119.0]), st.sampled_from("AB"), LEVELS), max_size=40),
    st.lists(st.floats(0, 119), min_size=40, max_size=40),
)
def test_the_order_of_arrival_within_the_lateness_changes_nothing(
    moments: list[tuple[float, str, float]], delays: list[float]
) -> None:
    second, punctual, late = 0.0, [], []
    for (pause, asset, level), delay in zip(moments, delays, strict=False):
        second += pause
        punctual.append(at(second, asset, zone="1", level_m=level))
        late.append(at(second + delay, asset, age_s=delay, zone="1", level_m=level))
    end = [at(second + 10_000, name, zone="1", level_m=0) for name in "AB"]
    late.sort(key=lambda one: one.record_time)
    rules = (LATE, LATE_ZONE, LATE_CROWD)
    one_order = run(engine(*rules), [[one] for one in [*punctual, *end]])
    other = run(engine(*rules), [[one] for one in [*late, *end]])
    assert sorted(map(_order, one_order), key=str) == sorted(map(_order, other), key=str)


@patient
@given(arrivals(), st.lists(st.integers(0, 60), max_size=6), st.integers(0, 6))
def test_a_replay_needs_only_the_ticks_that_the_engine_asks_for(
    records: list[Arrival], cuts: list[int], snapshot_after: int
) -> None:
    """Live with a tick every few seconds; then from a snapshot with the journalled steps alone."""
    rules = [*ALL, *EVERY_KIND]
    live, journal = engine(*rules), list[tuple[list[Arrival], Tick]]()
    edges = sorted({0, len(records), *(cut for cut in cuts if cut < len(records))})
    state, since = encode(freeze(live)), 0
    told: list[Transition] = []
    for number, (a, b) in enumerate(pairwise(edges)):
        if number == snapshot_after:
            state, since = encode(freeze(live)), len(journal)
        tick = Tick(records[b - 1].record_time + US, True)
        told = told if number != snapshot_after else []
        told += live.step(records[a:b], tick)
        journal.append((records[a:b], tick))
        for pause in (7, 40, 130, 700):
            later = Tick(tick.time + pause * US, True)
            if b < len(records) and later.time > records[b].record_time:
                break
            said = live.step((), later)
            told += said
            if said or live.moved:
                journal.append(([], later))
    heir = thaw(state, town(), rules)
    again = [one for step, tick in journal[since:] for one in heir.step(step, tick)]
    assert again == told
    assert encode(freeze(heir)) == encode(freeze(live))


@patient
@given(
    st.sampled_from(["mean", "min", "max", "sum", "count", "stddev"]),
    st.lists(
        st.tuples(st.integers(1, 400), st.one_of(st.sampled_from([0.0, 1.0, -1.0]), st.floats(-1000, 1000))),
        min_size=1,
        max_size=300,
    ),
)
def test_a_window_measures_what_its_panes_hold(kind: str, readings: list[tuple[int, float]]) -> None:
    shape = Shape.of(Over(kind, 600 * US), 60 * US, -1000)  # type: ignore[arg-type]
    window, time, seen = shape.window(), START, []
    for pause, value in readings:
        time += pause * US
        seen.append((time // shape.pane_us, value))
        window.take(shape, time, value)
        held = [x for pane, x in seen if pane > time // shape.pane_us - shape.panes]
        mean = sum(held) / len(held)
        expected = {
            "mean": mean,
            "min": min(held),
            "max": max(held),
            "sum": sum(held),
            "count": float(len(held)),
            "stddev": (sum((x - mean) ** 2 for x in held) / len(held)) ** 0.5,
        }[kind]
        assert abs(window.value - expected) < 1e-3, (kind, held)
