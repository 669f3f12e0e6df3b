"""An engine that begins without its state remembers what stored readings tell, counts each once, misses no cause."""

import asyncio
import time
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.adoption import OpenAlert, adopt, forbid_older, open_alerts
from alerts.engine import Engine
from alerts.freeze import freeze
from alerts.frozen import encode, thaw
from alerts.journal import Entry
from alerts.reach import lookbacks, reach_us
from alerts.refill import Filling
from alerts.rules import Rule
from alerts.stored import StoredSeries
from tests.alerts.conftest import City
from tests.alerts.depth import EVERY_KIND, rule
from tests.alerts.test_engine_properties import LEVELS
from tests.alerts.town import LOW, START, TIDE, US, Arrival, at, engine, feed, rules_of, tick, told, town

REMEMBERING = [one for one in EVERY_KIND if one.reports is None and "level_m" in one.metrics]
SERIES = {
    number: StoredSeries(number, name, "1", None, None, ["level_m", "rain_mm_h"])
    for number, name in enumerate("AB", start=1)
}


def filled(rules: list[Rule], stored: list[Arrival], judged_until: float, truth: Sequence[OpenAlert] = ()) -> Engine:
    """An engine that never saw these readings of level_m, but finds them stored, and these alerts open."""
    fresh = engine(*rules)
    assert adopt(fresh, truth, 0, forbid=False) == []
    filling = Filling(fresh, "level_m", START + round(judged_until * US), SERIES)
    events = sorted((one.event for one in stored), key=lambda event: (event.time, event.asset))  # type: ignore[union-attr]
    filling.take(
        [event.time for event in events],
        ["?AB".index(event.asset) for event in events],  # type: ignore[union-attr]
        [event.measurements["level_m"] for event in events],  # type: ignore[union-attr]
    )
    filling.finish()
    forbid_older(fresh, truth)
    assert filling.readings == len(stored)
    return fresh


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=80)
@given(
    st.lists(st.tuples(st.sampled_from([5.0, 20.0, 60.0, 130.0]), st.sampled_from("AB"), LEVELS), max_size=40),
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_what_is_filled_is_what_was_remembered(
    moments: list[tuple[float, str, float]], taken: int, judged: int, stored: int
) -> None:
    """Stored beyond what was taken, and what was taken told again by the log: in the end the memories are the same."""
    second, readings = 0.0, []
    for pause, asset, level in moments:
        second += pause
        readings.append(at(second, asset, zone="1", level_m=level))
    judged = min(judged, taken, len(readings))
    until = (readings[judged - 1].record_time - START) / US if judged else -1.0
    unwaiting = [one for one in REMEMBERING if not one.lateness_us and one.comparison != "absent"]
    lived, heir = engine(*unwaiting), filled(unwaiting, readings[: max(stored, taken)], until)
    ends = [at(second + pause, name, zone="1", level_m=0.5) for pause in (10, 2000) for name in "AB"]
    feed(lived, *readings, *ends)
    feed(heir, *readings[taken:], *ends)
    for name, watching in lived.groups.rules.items():
        again = heir.groups.rules[name]
        assert set(again.groups) == set(watching.groups)
        for key, group in watching.groups.items():
            other = again.groups[key]
            assert (other.memories, other.windows, other.latest) == (group.memories, group.windows, group.latest), name
            assert (other.stored, other.newest) == (None, group.newest)


OF_ONE_ASSET = [
    *(one for one in REMEMBERING if one.per == "asset" and not one.lateness_us and not one.again_after_us),
    *rules_of(TIDE, LOW),
    rule("metric: level_m\nraise: {warning: {above: 1.5, for: 3m}}\nclear: {for: 2m}", "calm"),
    rule(
        "metric: level_m\nmeasure: {mean: 2m}\nraise: {warning: {above: 1, for: 2m}, critical: {above: 1.5, for: 3m}}\n"
        "clear: {below: 0.9, for: 4m}",
        "slow-mean",
    ),
]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from([5.0, 20.0, 60.0, 130.0]), st.sampled_from("AB"), LEVELS), max_size=40),
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_an_heir_that_was_filled_tells_what_would_have_been_told(
    moments: list[tuple[float, str, float]], taken: int, judged: int, stored: int
) -> None:
    """Every `for` goes on where it stood, towards raising, worsening, easing and clearing."""
    second, readings = 0.0, []
    for pause, asset, level in moments:
        second += pause
        readings.append(at(second, asset, zone="1", level_m=level))
    taken = min(taken, len(readings))
    judged = min(judged, taken)
    until = (readings[judged - 1].record_time - START) / US if judged else -1.0
    rules = [one for one in OF_ONE_ASSET if one.comparison != "absent"]
    lived = engine(*rules)
    feed(lived, *readings[:taken])
    heir = filled(rules, readings[: max(stored, taken)], until, list(open_alerts(lived).values()))
    assert open_alerts(heir).keys() == open_alerts(lived).keys()
    rest = [
        *readings[taken:],
        *(at(second + 10 * n, name, zone="1", level_m=2.0) for n in range(1, 40) for name in "AB"),
    ]
    assert feed(heir, *rest) == feed(lived, *rest)


def test_what_waits_for_the_log_survives_a_snapshot() -> None:
    tide = rules_of(TIDE)
    story = [at(10 * n, "A", zone="1", level_m=1.55 if n > 5 else 0.0) for n in range(40)]
    heir = filled(tide, story[:12], -1.0)
    heir = thaw(encode(freeze(heir)), town(), tide)
    assert told(feed(heir, *story[12:])) == ["raised tide warning @180"]


def test_a_cause_that_is_stored_and_unread_is_raised_as_the_log_brings_it() -> None:
    peak = rule("metric: level_m\nmeasure: {max: 10m}\nraise: {warning: {above: 1.5}}", "max")
    story = [at(60 * minute, "A", zone="1", level_m=2.0 if minute == 15 else 0.0) for minute in range(30)]
    heir = filled([peak], story, 10 * 60)
    assert [(one.kind, (one.event_time - START) // US // 60) for one in feed(heir, *story[10:])] == [
        ("raised", 15),
        ("cleared", 25),
    ]


def test_silence_is_told_of_who_was_heard_before_and_never_again() -> None:
    silent = rule("metric: level_m\nraise: {warning: {absent: 5m}}", "silent")
    story = [at(60 * minute, name, zone="1", level_m=0) for minute in range(3) for name in "AB"]
    heir = filled([silent], story, 200)
    heir.resume(tick(600).time)
    said = []
    for second in range(600, 1300, 10):
        said += heir.step([at(second, "A", zone="1", level_m=0)], tick(second))
    assert [(one.kind, one.group, one.event_time) for one in said] == [("raised", "B", tick(900).time)]


def test_how_far_back_rules_look() -> None:
    reaches = {one.rule: reach_us(one) // US for one in EVERY_KIND if one.reports is None}
    assert (reaches["mean"], reaches["max"], reaches["changed"], reaches["frozen"]) == (360, 720, 300, 180)
    assert (reaches["repeats"], reaches["absent"], reaches["crowd"], reaches["again"]) == (1800, 1200, 0, 0)
    back = lookbacks(engine(*EVERY_KIND).groups.rules.values())
    assert {metric: reach // US for metric, reach in back.items()} == {
        "level_m": 1800 + 300 + 120,
        "rain_mm_h": 240 + 60 + 20,
    }


SURGE = """
rule: surge
title: {vi: a, en: b}
short: {vi: a, en: b}
sector: environment
metric: flood_cm
raise: {warning: {repeats: {times: 3, within: 10m, above: 15}}}
"""


async def journalled(city: City) -> int:
    """How many records the journal has of the sector."""
    newest = "SELECT body FROM engine_journal WHERE sector = 'environment' ORDER BY step DESC LIMIT 1"
    body = await city.pool.fetchval(newest)
    return sum(one.next for one in msgspec.msgpack.decode(body, type=Entry).place.positions.values())


async def test_after_another_engine_the_entries_of_before_count(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three entries two were judged by the old engine; the third comes while nobody watches, stored but unread."""
    await city.apply(SURGE)
    async with city.worker():
        await city.owned()
        for value in (20, 0, 20, 0):
            await city.stored(await city.send("F-1", flood_cm=value), "F-1", flood_cm=value)
        await city.stored(await city.send("F-2", flood_cm=20), "F-2", flood_cm=20)
        while await journalled(city) < 5:
            await asyncio.sleep(0.05)
    for module in ("engine", "freeze", "frozen", "recovery", "runner"):
        monkeypatch.setattr(f"alerts.{module}.ENGINE_VERSION", 999)
    await city.stored(await city.send("F-1", flood_cm=20), "F-1", flood_cm=20)
    began = time.monotonic()
    async with city.worker():
        while not (history := await city.history()):
            assert time.monotonic() - began < 30
        await city.send("F-2", flood_cm=0)
        await city.send("F-2", flood_cm=20)
        await city.send("F-9", flood_cm=0)
    assert await city.history() == history == [("raised", "surge", "F-1")]
