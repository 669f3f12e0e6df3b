"""A dead feed, a wrong clock and too many series are each one system alert, and data that is merely old is none."""

from alerts.engine import Arrival
from city.events import Refusal
from tests.alerts.town import START, US, at, engine, feed, tick, told


def test_thousands_of_silent_sensors_are_one_alert() -> None:
    one = engine()
    one.step([at(0, asset=f"S-{i}", rain_mm_h=0) for i in range(5000)], tick(0))
    assert told(one.step([], tick(29))) == []
    assert told(one.step([], tick(31))) == ["raised system-feed-dead critical @30"]
    assert told(one.step([], tick(90))) == []


def test_a_feed_counts_as_silent_only_when_read_to_its_end() -> None:
    one = engine()
    one.step([at(0, rain_mm_h=0)], tick(0))
    assert told(one.step([], tick(500, at_end=False))) == []


def test_silence_that_nobody_listened_to_counts_for_nothing() -> None:
    one = engine()
    one.step([at(0, rain_mm_h=0)], tick(0))
    one.resume(tick(1200).time)
    assert told(one.step([], tick(1220))) == []
    assert told(one.step([], tick(1231))) == ["raised system-feed-dead critical @1230"]


def test_the_feed_returns_with_an_hours_burst_and_nothing_raises_on_old_data() -> None:
    one = engine()
    one.step([at(0, rain_mm_h=0)], tick(0))
    one.step([], tick(3600))
    burst = [at(3600 + i / 1000, age_s=3600 + i / 1000 - 10 * i, rain_mm_h=80) for i in range(1, 354)]
    transitions = told(one.step(burst, tick(3601)))
    assert transitions == ["cleared system-feed-dead critical @3600"]
    fresh = told(one.step([at(3602, rain_mm_h=80)], tick(3602)))
    assert fresh == ["raised rain warning @3602"]


def test_a_slow_feed_may_be_silent_for_longer() -> None:
    one = engine()
    one.step([at(0, weekly=1)], tick(0))
    assert told(one.step([], tick(6 * 86400))) == []


def test_a_feed_that_comes_back_slower_is_measured_by_its_new_cadence() -> None:
    one = engine()
    one.step([at(0, rain_mm_h=0), at(0, asset="W", weekly=1)], tick(0))
    assert len(one.step([], tick(60))) == 1
    assert told(one.step([at(100, asset="W", weekly=2)], tick(100))) == ["cleared system-feed-dead critical @100"]
    assert told(one.step([], tick(1000))) == []


def test_a_sensor_seven_hours_behind_is_one_alert_and_clears_when_it_is_set() -> None:
    one = engine()
    behind = [at(10 * i, asset="S", age_s=7 * 3600, rain_mm_h=80) for i in range(20)]
    assert told(feed(one, *behind)) == ["raised system-wrong-clock warning @60"]
    assert told(feed(one, at(210, asset="S", rain_mm_h=0))) == ["cleared system-wrong-clock warning @210"]


def test_a_whole_feed_with_a_wrong_clock_is_one_alert() -> None:
    one = engine()
    behind = [at(10 * i, asset=f"S-{j}", age_s=7 * 3600, rain_mm_h=80) for i in range(20) for j in range(50)]
    assert told(feed(one, *behind)) == ["raised system-wrong-clock warning @60"]


def test_a_sensor_seven_hours_ahead_is_told_too() -> None:
    one = engine()
    refusals = [Arrival(START + 10 * i * US, Refusal("future_time", "")) for i in range(12)]
    assert told(feed(one, *refusals)) == ["raised system-wrong-clock warning @60"]
    later = [at(200 + 10 * i, rain_mm_h=0) for i in range(40)]
    assert told(feed(one, *later)) == ["cleared system-wrong-clock warning @420"]


def test_a_backfill_is_no_wrong_clock() -> None:
    one = engine()
    backfill = [at(i / 10, age_s=86400 * 30 - 600 * i, rain_mm_h=80) for i in range(4000)]
    assert told(feed(one, *backfill)) == []


def test_weekly_reports_that_are_days_old_are_no_wrong_clock() -> None:
    one = engine()
    assert told(feed(one, *(at(60 * i, age_s=5 * 86400, weekly=1) for i in range(30)))) == []


def test_more_series_than_allowed_is_one_alert() -> None:
    one = engine(series_limit=10)
    told_of = told(feed(one, *(at(i, asset=f"S-{i}", rain_mm_h=80) for i in range(30))))
    assert [line for line in told_of if "series-limit" in line] == ["raised system-series-limit warning @10"]
    assert len([line for line in told_of if "rain" in line]) == 10
