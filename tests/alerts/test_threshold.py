"""Levels, `for`, hysteresis, easing, staleness and gaps, as an operator would expect them."""

import msgspec
import pytest

from alerts.adoption import adopt, open_alerts
from alerts.freeze import freeze
from alerts.frozen import encode, thaw
from tests.alerts.town import LOW, RAIN, TIDE, at, engine, feed, rules_of, tick, told, town


def test_a_value_must_stay_above_for_the_whole_time() -> None:
    one = engine(*rules_of(TIDE))
    assert told(feed(one, at(0, level_m=1.55), at(60, level_m=1.4), at(120, level_m=1.55), at(180, level_m=1.55))) == []
    assert told(feed(one, at(240, level_m=1.55))) == ["raised tide warning @240"]


def test_raised_escalated_eased_cleared() -> None:
    one = engine(*rules_of(TIDE))
    readings = [1.55, 1.55, 1.55, 1.7, 1.7, *[1.5] * 12, *[1.4] * 12]
    assert told(feed(one, *(at(60 * i, level_m=value) for i, value in enumerate(readings)))) == [
        "raised tide warning @120",
        "escalated tide critical @240",
        "eased tide warning @900",  # 1.50 is calm for critical (1.60 less the margin of 0.05) since 300 s
        "cleared tide warning @1620",
    ]


def test_a_jump_to_the_worst_raises_once() -> None:
    one = engine(*rules_of(TIDE))
    assert told(feed(one, at(0, level_m=2.0), at(60, level_m=2.0), at(120, level_m=2.0))) == [
        "raised tide critical @60"
    ]


def test_limits_themselves_are_calm() -> None:
    one = engine(*rules_of(RAIN))
    assert told(feed(one, at(0, rain_mm_h=50.0))) == []
    assert told(feed(one, at(10, rain_mm_h=50.0001), at(20, rain_mm_h=50.0))) == [
        "raised rain warning @10",
        "cleared rain warning @20",
    ]


def test_hysteresis_is_strict() -> None:
    one = engine(*rules_of(LOW))
    assert told(feed(one, at(0, level_m=-1.6), at(60, level_m=-1.4), at(120, level_m=-1.39))) == [
        "raised low-water warning @0",
        "cleared low-water warning @120",
    ]


def test_below_rules_escalate_downwards() -> None:
    one = engine(*rules_of(LOW))
    readings = [at(60 * i, level_m=-2.5) for i in range(7)]
    assert told(feed(one, *readings)) == ["raised low-water warning @0", "escalated low-water critical @300"]


def test_an_old_reading_raises_nothing() -> None:
    one = engine(*rules_of(RAIN))
    assert told(feed(one, at(0, age_s=61, rain_mm_h=80))) == []
    assert told(feed(one, at(10, age_s=60, rain_mm_h=80))) == ["raised rain warning @-50"]


def test_an_old_reading_clears() -> None:
    one = engine(*rules_of(RAIN))
    assert told(feed(one, at(0, rain_mm_h=80), at(100, age_s=90, rain_mm_h=0))) == [
        "raised rain warning @0",
        "cleared rain warning @10",
    ]


def test_old_readings_never_advance_a_for() -> None:
    one = engine(*rules_of(TIDE))
    assert told(feed(one, at(0, level_m=1.55))) == []
    late = [at(1000 + i, age_s=400, level_m=1.55) for i in range(600, 760, 10)]
    assert told(feed(one, *late)) == []
    assert told(feed(one, at(1500, level_m=1.55), at(1560, level_m=1.55))) == []  # the way begins anew after the gap
    assert told(feed(one, at(1620, level_m=1.55))) == ["raised tide warning @1620"]


def test_a_gap_longer_than_max_age_starts_the_for_anew() -> None:
    one = engine(*rules_of(TIDE))
    assert told(feed(one, at(0, level_m=1.55), at(3600, level_m=1.55), at(3660, level_m=1.55))) == []
    assert told(feed(one, at(3720, level_m=1.55))) == ["raised tide warning @3720"]


def test_silence_never_clears() -> None:
    one = engine(*rules_of(TIDE))
    feed(one, *(at(60 * i, level_m=1.55) for i in range(3)))
    assert told(feed(one, at(7200, level_m=1.4), at(7260, level_m=1.4))) == []
    assert len(open_alerts(one)) == 1
    assert told(feed(one, *(at(7320 + 60 * i, level_m=1.4) for i in range(9)))) == ["cleared tide warning @7800"]


def test_the_same_time_counts_once_and_the_first_wins() -> None:
    one = engine(*rules_of(RAIN))
    assert told(feed(one, at(0, rain_mm_h=0), at(0, rain_mm_h=80), at(1, age_s=1, rain_mm_h=80))) == []


def test_an_older_time_that_comes_later_changes_nothing() -> None:
    one = engine(*rules_of(RAIN))
    assert told(feed(one, at(10, rain_mm_h=80), at(11, age_s=5, rain_mm_h=0))) == ["raised rain warning @10"]


@pytest.mark.parametrize("zone", [None, "26740"])
def test_the_alert_tells_where(zone: str | None) -> None:
    (raised,) = feed(engine(*rules_of(RAIN)), at(0, zone=zone, rain_mm_h=80))
    assert (raised.group, raised.asset, raised.place.zone, raised.value, raised.limit) == (
        "PA-1",
        "PA-1",
        zone,
        80,
        50,
    )


def test_the_same_cause_has_the_same_id_wherever_it_is_computed() -> None:
    first = feed(engine(*rules_of(RAIN)), at(0, rain_mm_h=80))
    second = feed(engine(), at(0, rain_mm_h=80), at(1, rain_mm_h=81))
    assert [one.alert_id for one in first] == [one.alert_id for one in second]


def test_where_limits_a_rule_to_assets_and_zones() -> None:
    one = engine(*rules_of(RAIN + "where: {assets: 'PA-*', zones: ['1', '2']}\n"))
    assert (
        told(feed(one, at(0, asset="XX-1", zone="1", rain_mm_h=80), at(0, asset="PA-2", zone="3", rain_mm_h=80))) == []
    )
    assert told(feed(one, at(0, asset="PA-3", zone="2", rain_mm_h=80))) == ["raised rain warning @0"]
    assert told(feed(one, at(1, asset="PA-2", zone="1", rain_mm_h=80))) == ["raised rain warning @1"]


def test_an_asset_that_leaves_the_zone_keeps_its_alert_until_it_clears() -> None:
    one = engine(*rules_of(RAIN + "where: {zones: ['1']}\n"))
    assert told(feed(one, at(0, zone="1", rain_mm_h=80), at(1, zone="2", rain_mm_h=90))) == ["raised rain warning @0"]
    assert told(feed(one, at(2, zone="2", rain_mm_h=0), at(3, zone="2", rain_mm_h=80))) == ["cleared rain warning @2"]


def test_a_rule_changed_while_its_alert_is_open_keeps_the_alert() -> None:
    one = engine(*rules_of(TIDE))
    feed(one, *(at(60 * i, level_m=1.55) for i in range(3)))
    before = open_alerts(one)
    changed = rules_of(TIDE.replace("above: 1.5,", "above: 1.52,"))
    assert one.apply(changed, tick(200).time) == []
    assert open_alerts(one) == before
    milder = rules_of(TIDE.replace("warning:", "info:"))
    assert told(one.apply(milder, tick(210).time)) == ["eased tide info @210"]
    assert told(feed(one, *(at(240 + 60 * i, level_m=1.4) for i in range(11)))) == ["cleared tide info @840"]


def test_a_rule_changed_in_the_middle_of_a_for_starts_it_anew() -> None:
    one = engine(*rules_of(TIDE))
    feed(one, at(0, level_m=1.55), at(60, level_m=1.55))
    one.apply(rules_of(TIDE.replace("for: 2m", "for: 3m")), tick(61).time)
    readings = [at(60 * i, level_m=1.55) for i in range(2, 6)]
    assert told(feed(one, *readings)) == ["raised tide warning @300"]


def test_a_rule_retired_while_its_alert_is_open_clears_it() -> None:
    one = engine(*rules_of(TIDE))
    feed(one, *(at(60 * i, level_m=1.55) for i in range(3)))
    assert told(one.apply([], tick(200).time)) == ["cleared tide warning @200"]
    assert open_alerts(one) == {}


def test_a_rule_that_comes_back_knows_its_open_alert_again_from_the_table() -> None:
    one = engine(*rules_of(TIDE))
    feed(one, *(at(60 * i, level_m=1.7) for i in range(3)))
    heir = engine(*rules_of(TIDE.replace("critical: {above: 1.6, for: 1m}", "")))
    assert told(adopt(heir, open_alerts(one).values(), tick(300).time)) == ["eased tide warning @300"]
    orphaned = engine(*rules_of(RAIN))
    assert told(adopt(orphaned, open_alerts(one).values(), tick(300).time)) == ["cleared tide critical @300"]


@pytest.mark.parametrize("warmed", [False, True])
def test_a_reading_older_than_what_an_adopted_alert_rests_on_counts_for_nothing(warmed: bool) -> None:
    one = engine(*rules_of(RAIN))
    told(feed(one, at(100, rain_mm_h=60)))
    (alert,) = open_alerts(one).values()
    heir = thaw(encode(freeze(one)), town(), rules_of(RAIN)) if warmed else engine(*rules_of(RAIN))
    raised_then_worse = msgspec.structs.replace(alert, heard_at=tick(200).time)
    assert adopt(heir, [raised_then_worse], tick(300).time) == []
    assert feed(heir, at(310, age_s=120, rain_mm_h=0)) == []
    assert feed(heir, at(310, age_s=110, rain_mm_h=0)) == []
    assert told(feed(heir, at(310, age_s=109, rain_mm_h=0))) == ["cleared rain warning @201"]
