"""What does not come: one sensor is absent, a feed is dead, and nobody who was not listened to is blamed."""

from alerts.freeze import encode, freeze, thaw
from tests.alerts.depth import rule
from tests.alerts.town import Engine, at, engine, tick, told, town

ABSENT = rule("metric: rain_mm_h\nraise: {warning: {absent: 1m}, critical: {absent: 2m}}", "absent")
ZONE = rule("metric: rain_mm_h\nper: zone\nraise: {warning: {absent: 1m}}", "zone-absent")


def alive(subject: Engine, second: float, *names: str, age_s: float = 0) -> list[str]:
    return told(subject.step([at(second, name, age_s, zone="1", rain_mm_h=0) for name in names], tick(second)))


def silent_until(subject: Engine, *seconds: float) -> list[str]:
    return [line for second in seconds for line in told(subject.step([], tick(second)))]


def test_a_silent_sensor_among_others_is_absent_and_comes_back() -> None:
    one = engine(ABSENT)
    assert alive(one, 0, *"ABCD") == []
    said = [line for second in range(10, 200, 10) for line in alive(one, second, *"BCD")]
    assert said == ["raised absent warning @60", "escalated absent critical @120"]
    assert alive(one, 200, *"ABCD") == ["cleared absent critical @200"]


def test_nobody_is_absent_while_records_are_unread_or_nobody_listened() -> None:
    one = engine(ABSENT)
    alive(one, 0, *"ABCD")
    others = [at(100, name, rain_mm_h=0) for name in "BCD"]
    assert told(one.step(others, tick(100, at_end=False))) == []
    one.resume(tick(110).time)
    assert alive(one, 160, *"BCD") == []
    assert alive(one, 170, *"BCD") == ["raised absent warning @170"]


def test_a_feed_that_dies_is_one_alert_and_returns_with_a_burst_that_raises_nothing() -> None:
    one = engine(ABSENT, rule("metric: rain_mm_h\nraise: {warning: {above: 50}}", "rain"))
    names = [f"S-{i}" for i in range(5000)]
    said: list[str] = []
    for second in (0, 10, 20):
        said += alive(one, second, *names)
    said += silent_until(one, *range(21, 3600))
    assert said == ["raised system-feed-dead critical @50"]
    burst = [at(3600, name, 3600 - t, rain_mm_h=90) for t in range(30, 3300, 300) for name in names]
    assert told(one.step(burst, tick(3600))) == ["cleared system-feed-dead critical @3600"]
    for second in range(3610, 3700, 10):
        said += alive(one, second, *names[1:])
    assert said[1:] == ["raised absent warning @3660"]  # who did not come back with the others


def test_a_feed_that_may_just_have_died_is_waited_for() -> None:
    short = rule("metric: rain_mm_h\nraise: {warning: {absent: 30s}}", "absent")
    one = engine(short)
    alive(one, 0, *"AB")
    assert alive(one, 9, *"CD") == []
    assert silent_until(one, *range(10, 39)) == []  # A and B would be absent at 30, C and D are as silent
    assert silent_until(one, *range(39, 100)) == ["raised system-feed-dead critical @39"]


def test_a_zone_is_absent_when_all_its_sensors_are() -> None:
    one = engine(ZONE)
    alive(one, 0, "A", "B")
    others = [at(0, name, zone="2", rain_mm_h=0) for name in "CDE"]
    one.step(others, tick(0))
    said: list[str] = []
    for second in range(10, 120, 10):
        here = [at(second, "A", zone="1", rain_mm_h=0)] if second <= 30 else []
        said += told(one.step([*here, *(at(second, n, zone="2", rain_mm_h=0) for n in "CDE")], tick(second)))
    assert said == ["raised zone-absent warning @90"]


def test_absence_survives_a_restart() -> None:
    one = engine(ABSENT)
    alive(one, 0, *"ABCD")
    for second in (10, 20, 30, 40):
        alive(one, second, *"BCD")
    heir = thaw(encode(freeze(one)), town(), [ABSENT])
    for second in (50, 61):
        mine, theirs = alive(one, second, *"BCD"), alive(heir, second, *"BCD")
        assert mine == theirs
    assert mine == ["raised absent warning @60"]
    assert encode(freeze(one)) == encode(freeze(heir))


def test_out_of_hours_an_absence_waits_for_the_first_hour() -> None:
    # START is 14:07 in Hồ Chí Minh City
    late = rule("metric: rain_mm_h\nraise: {warning: {absent: 1m}}\nactive: {hours: '14:10-15:00'}", "absent")
    one = engine(late)
    alive(one, 0, *"ABCD")
    said = [line for second in range(10, 200, 10) for line in alive(one, second, *"BCD")]
    assert said == ["raised absent warning @180"]


def test_a_clock_set_back_makes_nobody_absent_late() -> None:
    one = engine(ABSENT)
    alive(one, 7200, *"ABCD")
    one.resume(tick(0).time)
    said = [line for second in range(10, 100, 10) for line in alive(one, second, *"BCD")]
    assert said == ["raised absent warning @60"]


def test_so_many_groups_cost_a_tick_nothing_and_are_all_found() -> None:
    one = engine(ABSENT, series_limit=200_000)
    names = [f"S-{i}" for i in range(2_000)]
    said: list[str] = []
    for second in range(0, 130, 10):
        said += alive(one, second, *(names if second < 50 else names[100:]))
    assert len(said) == 100
    assert said[0] == "raised absent warning @100"
