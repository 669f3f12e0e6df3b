"""A dead feed, a wrong clock and too many series are each one system alert, and data that is merely old is none."""

from alerts.engine import Arrival
from alerts.freeze import freeze
from alerts.frozen import encode, thaw
from city.events import Refusal
from tests.alerts.town import ALL, START, US, at, engine, feed, tick, told, town


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
    assert transitions == ["cleared system-feed-dead critical @3601"]
    fresh = told(one.step([at(3602, rain_mm_h=80)], tick(3602)))
    assert fresh == ["raised rain warning @3602"]


def test_a_slow_feed_may_be_silent_for_longer() -> None:
    one = engine()
    one.step([at(0, weekly=1)], tick(0))
    assert told(one.step([], tick(6 * 86400))) == []


def test_weekly_reports_are_no_sign_that_a_sector_is_heard() -> None:
    one = engine()
    one.step([at(0, rain_mm_h=0), at(0, asset="W", weekly=1)], tick(0))
    assert told(one.step([], tick(60))) == ["raised system-feed-dead critical @30"]
    assert told(one.step([at(100, asset="W", weekly=2)], tick(100))) == []
    assert told(one.step([at(101, rain_mm_h=0)], tick(101))) == ["cleared system-feed-dead critical @101"]


def test_one_kind_of_instruments_that_falls_silent_is_a_warning_and_all_of_them_critical() -> None:
    one = engine()
    rain = [at(0, asset=f"R-{i}", rain_mm_h=0) for i in range(5)]
    level = [at(0, asset=f"L-{i}", level_m=0) for i in range(5)]
    one.step(rain + level, tick(0))
    (raised,) = one.step([], tick(40))
    assert (raised.severity, raised.metric, raised.value) == ("warning", "rain_mm_h", 30)
    assert told(one.step([], tick(190))) == ["escalated system-feed-dead critical @190"]
    assert told(one.step([at(200, asset="L-1", level_m=0)], tick(200))) == ["eased system-feed-dead warning @200"]
    assert told(one.step([at(210, asset="R-1", rain_mm_h=0)], tick(210))) == ["cleared system-feed-dead warning @210"]


def test_one_silent_sensor_among_others_is_no_dead_feed() -> None:
    one = engine()
    one.step([at(0, asset="PA-1", level_m=0), *(at(0, asset=f"R-{i}", rain_mm_h=0) for i in range(5))], tick(0))
    for second in range(10, 400, 10):
        assert told(one.step([at(second, asset="R-1", rain_mm_h=0)], tick(second))) == []


def test_a_dead_feed_stays_dead_for_the_next_owner() -> None:
    one = engine()
    one.step([at(0, rain_mm_h=0)], tick(0))
    one.step([], tick(60))
    heir = thaw(encode(freeze(one)), town(), ALL)
    heir.resume(tick(500).time)
    assert told(heir.step([], tick(501))) == []
    assert told(heir.step([at(502, rain_mm_h=0)], tick(502))) == ["cleared system-feed-dead critical @502"]


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
