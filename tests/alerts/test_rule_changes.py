"""Rules on groups that change, come and go while their alerts are pending or open."""

import msgspec
import pytest

from alerts.adoption import adopt, open_alerts
from alerts.engine import Engine
from alerts.freeze import Freezing, encode, freeze, thaw
from alerts.rules import Rule
from tests.alerts.depth import EVERY_KIND, report, rule
from tests.alerts.town import START, US, Arrival, at, engine, feed, tick, told, town

MEAN = "metric: level_m\nmeasure: {{mean: 5m}}\nraise: {{{0}: {{above: 1{1}}}}}"
THRESHOLD = rule("metric: level_m\nraise: {warning: {above: 1}}")
CROWD = rule("metric: level_m\nper: zone\nraise: {warning: {at_least: {assets: 2, above: 1}}}")


def mean(severity: str = "warning", more: str = "") -> Rule:
    return rule(MEAN.format(severity, more))


def raised(one: Rule) -> Engine:
    """An engine in which this rule's alert is open."""
    subject = engine(one)
    story = [at(60 * i, name, zone="1", level_m=2) for i in range(6) for name in "AB"]
    assert any(line.startswith("raised deep") for line in told(feed(subject, *story)))
    return subject


def test_the_same_rule_keeps_its_windows() -> None:
    one = engine(mean())
    feed(one, *(at(60 * i, level_m=2) for i in range(4)))
    assert one.apply([mean(), THRESHOLD_ELSEWHERE], tick(200).time) == []
    assert told(feed(one, at(240, level_m=2))) == ["raised deep warning @240"]


THRESHOLD_ELSEWHERE = rule("metric: rain_mm_h\nraise: {warning: {above: 1}}", "other")


def test_a_changed_rule_begins_anew_and_keeps_its_alert() -> None:
    one = raised(mean())
    before = open_alerts(one)
    assert one.apply([mean(more=".1")], tick(400).time) == []
    assert open_alerts(one) == before
    assert told(one.apply([mean("critical")], tick(410).time)) == ["escalated deep critical @410"] * 2


@pytest.mark.parametrize(("before", "after"), [(mean(), THRESHOLD), (THRESHOLD, mean())])
def test_an_alert_is_carried_between_the_fast_path_and_the_other(before: Rule, after: Rule) -> None:
    one = raised(before)
    kept = {key: alert.raised_at for key, alert in open_alerts(one).items()}
    assert one.apply([after], tick(400).time) == []
    assert {key: alert.raised_at for key, alert in open_alerts(one).items()} == kept
    calm = [at(1000 + 60 * i, name, zone="1", level_m=0) for i in range(6) for name in "AB"]
    cleared = feed(one, *calm)
    assert [line.split(" @")[0] for line in told(cleared)] == ["cleared deep warning"] * 2
    assert open_alerts(one) == {}


@pytest.mark.parametrize("after", [[], [CROWD]])
def test_an_alert_whose_rule_is_gone_or_watches_something_else_is_cleared(after: list[Rule]) -> None:
    one = raised(mean())
    assert told(one.apply(after, tick(400).time)) == ["cleared deep warning @400"] * 2
    assert open_alerts(one) == {}


def test_a_zones_alert_is_taken_from_the_table_and_cleared_by_its_assets() -> None:
    one = raised(CROWD)
    truth = open_alerts(one)
    assert [(alert.group, alert.asset, alert.place.zone) for alert in truth.values()] == [("1", None, "1")]
    heir = engine(CROWD)
    assert adopt(heir, truth.values(), tick(400).time) == []
    assert open_alerts(heir) == truth
    assert told(feed(heir, *(at(500, name, zone="1", level_m=0) for name in "AB"))) == ["cleared deep warning @500"]
    orphaned = engine(THRESHOLD_ELSEWHERE)
    (gone,) = adopt(orphaned, truth.values(), tick(400).time)
    assert (gone.kind, gone.group, gone.asset) == ("cleared", "1", None)


def test_an_alert_that_the_table_does_not_know_is_forgotten() -> None:
    one = raised(CROWD)
    assert adopt(one, [], tick(400).time) == []
    assert open_alerts(one) == {}


def test_forgetting_timers_keeps_open_alerts_and_nothing_else() -> None:
    one = engine(*EVERY_KIND)
    feed(one, *story())
    before = open_alerts(one)
    assert before
    one.forget_timers()
    assert {key: alert.raised_at for key, alert in open_alerts(one).items()} == {
        key: alert.raised_at for key, alert in before.items()
    }


def story() -> list[Arrival]:
    readings = [
        at(60 * i, name, zone=zone, level_m=2.0, rain_mm_h=110.0)
        for i in range(12)
        for name, zone in ("A1", "B1", "C2")
    ]
    return [*readings, report(700, "x"), report(701, "y")]


def test_a_copy_of_groups_is_of_the_instant_it_began() -> None:
    one = engine(*EVERY_KIND)
    feed(one, *story())
    at_once = encode(freeze(one))
    copying = Freezing(one)
    feed(one, *(at(800 + i, name, zone="2", level_m=-2.0, rain_mm_h=0.0) for i in range(3) for name in "ABC"))
    feed(one, report(810, "z"), report(811, "w", "7"))
    one.step([], tick(3000))
    assert encode(copying.finish()) == at_once
    heir = thaw(at_once, town(), EVERY_KIND)
    assert encode(freeze(heir)) == at_once


def test_a_metric_that_comes_weekly_is_watched_like_any_other() -> None:
    week = 7 * 86_400
    one = engine(rule("metric: weekly\nmeasure: {mean: 21d}\nraise: {warning: {above: 100}}\nclear: {for: 7d}"))
    values = [50, 120, 200, 200, 10, 10, 10, 10]
    transitions = feed(one, *(at(i * week, age_s=2 * 86_400, weekly=v) for i, v in enumerate(values)))
    days = [(t.kind, round((t.event_time - START) / US / 86_400)) for t in transitions]
    assert days == [("raised", 12), ("cleared", 40)]


def test_ten_thousand_new_series_at_once() -> None:
    one = engine(*EVERY_KIND)
    names = [f"S-{i}" for i in range(300)]
    out = one.step([at(0, name, zone=name[-1], level_m=2, rain_mm_h=60) for name in names], tick(0))
    assert len({(t.rule, t.group) for t in out}) == len(out)
    assert all(msgspec.structs.asdict(t)["event_time"] == tick(0).time for t in out)
