"""Whatever the readings: how they are cut into steps, frozen, thawed or replayed changes nothing."""

from itertools import pairwise, zip_longest

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.adoption import adopt, open_alerts
from alerts.engine import Arrival, Engine, Tick
from alerts.freeze import Freezing, encode, freeze, thaw
from alerts.journal import Entry, Place, Position, Range, Step
from alerts.replay import Piece, Replay
from alerts.transitions import Transition
from city.events import Refusal
from tests.alerts.depth import EVERY_KIND, report
from tests.alerts.town import ALL, START, US, at, engine, town

RULES = [*ALL, *EVERY_KIND]

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=100)

LEVELS = st.sampled_from([-2.5, -1.6, -1.45, -1.4, 0.0, 1.44, 1.45, 1.5, 1.52, 1.6, 1.61, 2.0])
RAINS = st.sampled_from([0.0, 50.0, 51.0, 100.0, 101.0])


MOMENTS = st.tuples(
    st.sampled_from([0.0, 1.0, 10.0, 30.0, 60.0, 60.0, 120.0, 301.0, 4000.0]),
    st.sampled_from([0.0, 0.0, 0.0, 1.0, 61.0, 301.0, 25_200.0, -60.0]),
    st.sampled_from("ABC"),
    st.sampled_from([None, "1", "2"]),
    LEVELS,
    st.one_of(st.none(), RAINS),
    st.integers(0, 9),
)


def arrivals() -> st.SearchStrategy[list[Arrival]]:
    """Up to 60 records of three assets over hours: out of order, repeated, stale, from the future."""
    return st.lists(MOMENTS, min_size=1, max_size=60).map(recorded)


def recorded(moments: list[tuple[float, float, str, str | None, float, float | None, int]]) -> list[Arrival]:
    now = 0.0
    records: list[Arrival] = []
    for offset, (pause, age, asset, zone, level, rain, future) in enumerate(moments):
        now += pause
        values = {"level_m": level} if rain is None else {"level_m": level, "rain_mm_h": rain}
        one = at(now, asset, age, zone, **values)
        told = report(now, f"{asset}-{future}", zone, age_s=max(age, 0.0)).event if future == 1 else one.event
        event = told if future else Refusal("future_time", "")
        records.append(Arrival(START + round(now * US), event, 0, offset))
    return records


cuts = st.lists(st.integers(0, 60), max_size=8)


def pieces(records: list[Arrival], at_cuts: list[int]) -> list[list[Arrival]]:
    edges = sorted({0, len(records), *(cut for cut in at_cuts if cut < len(records))})
    return [records[a:b] for a, b in pairwise(edges)]


def run(subject: Engine, steps: list[list[Arrival]]) -> list[Transition]:
    return [one for step in steps for one in subject.step(step, Tick(step[-1].record_time, False))]


def one_by_one(records: list[Arrival]) -> list[Transition]:
    return run(engine(*RULES), [[record] for record in records])


@patient
@given(arrivals(), cuts)
def test_batching_changes_nothing(records: list[Arrival], at_cuts: list[int]) -> None:
    assert run(engine(*RULES), pieces(records, at_cuts)) == one_by_one(records)


@patient
@given(arrivals(), cuts)
def test_freezing_and_thawing_at_any_step_changes_nothing(records: list[Arrival], at_cuts: list[int]) -> None:
    subject = engine(*RULES)
    seen: list[Transition] = []
    for step in pieces(records, at_cuts):
        state = encode(freeze(subject))
        subject = thaw(state, town(), RULES)
        assert encode(freeze(subject)) == state
        seen += run(subject, [step])
    assert seen == one_by_one(records)


@patient
@given(arrivals(), st.integers(0, 60), st.lists(st.integers(0, 2), max_size=12), st.booleans())
def test_a_copy_made_while_the_engine_goes_on_is_of_the_instant_it_began(
    records: list[Arrival], before: int, slices: list[int], fewer_rules: bool
) -> None:
    subject = engine(*RULES)
    seen = run(subject, [[record] for record in records[:before]])
    at_once = encode(freeze(subject))
    copying = Freezing(subject)
    for most, record in zip_longest(slices, records[before:]):
        if most is not None:
            copying.advance(most)
        if record is not None:
            seen += run(subject, [[record]])
    if fewer_rules:
        subject.apply(RULES[:1], 0)
    assert encode(copying.finish()) == at_once
    assert subject.copying is None
    assert seen == one_by_one(records)


@patient
@given(arrivals(), cuts, cuts, st.integers(0, 8))
def test_replaying_the_journal_gives_the_same_engine(
    records: list[Arrival], journalled: list[int], fetched: list[int], snapshot_after: int
) -> None:
    """Live until the end; then thaw an earlier state and take the journalled steps again from other batches."""
    live = engine(*RULES)
    steps = pieces(records, journalled)
    state, place = encode(freeze(live)), Position(0)
    entries: list[Entry] = []
    for number, step in enumerate(steps):
        if number == snapshot_after:
            state, place, entries = encode(freeze(live)), Position(step[0].offset), []
        now = step[-1].record_time
        live.step(step, Tick(now, True))
        journalled_step = Step("records", now, True, (Range(0, step[0].offset, step[-1].offset + 1),))
        entries.append(Entry((journalled_step,), Place(number, 1, "test", "c", 0, {})))
    replay = Replay(thaw(state, town(), RULES), entries, {0: place}, {})
    for batch in pieces(records[place.next :], fetched):
        if batch:
            replay.feed([Piece(0, batch[0].offset, batch[-1].offset + 1, b"", batch)])
    assert replay.done
    assert replay.left_over() == []
    assert encode(freeze(replay._engine)) == encode(freeze(live))


@patient
@given(arrivals())
def test_every_story_is_well_formed(records: list[Arrival]) -> None:
    """An alert is raised once, escalated or eased, cleared at most once; one is open at a time for one cause."""
    standing: dict[tuple[str, str], str] = {}
    ids: set[str] = set()
    for one in one_by_one(records):
        cause = (one.rule, one.group)
        if one.kind == "raised":
            assert cause not in standing
            assert one.alert_id not in ids
            standing[cause] = one.alert_id
            ids.add(one.alert_id)
        else:
            assert standing[cause] == one.alert_id
            if one.kind == "cleared":
                del standing[cause]
    subject = engine(*RULES)
    run(subject, [records])
    assert {key for key in open_alerts(subject) if not key[0].startswith("system-")} == {
        key for key in standing if not key[0].startswith("system-")
    }


@patient
@given(arrivals(), st.permutations(["A", "B", "C"]))
def test_assets_do_not_disturb_each_other(records: list[Arrival], order: list[str]) -> None:
    """The alerts of one asset are the same whatever the other assets send in between."""
    whole = [one for one in one_by_one(records) if one.asset == order[0] and not one.rule.startswith("system-")]
    alone = [r for r in records if getattr(r.event, "asset", None) == order[0]]
    assert [one for one in one_by_one(alone) if one.asset and not one.rule.startswith("system-")] == whole


@patient
@given(arrivals())
def test_adopting_the_open_alerts_of_another_engine_gives_the_same_open_alerts(records: list[Arrival]) -> None:
    subject = engine(*RULES)
    run(subject, [records])
    truth = open_alerts(subject)
    heir = engine(*RULES)
    assert adopt(heir, truth.values(), 0) == []
    assert {k: (v.severity, v.raised_at) for k, v in open_alerts(heir).items()} == {
        k: (v.severity, v.raised_at) for k, v in truth.items()
    }
