"""Every scenario raises the right alerts in the right order, under the default city's rules; a calm day raises few."""

from collections import Counter

from simulation.scenario import WELCOME_SENSOR
from tests.simulation.watched import HOUR_US, MONDAY_15H, watch


def test_welcome_raises_within_a_minute_and_clears_within_four() -> None:
    for seed in range(3):
        seen = watch("welcome", 240, rate=100, seed=seed)
        assert seen.raised == {"street-flood"}
        assert {transition.asset for _, transition in seen.transitions} == {WELCOME_SENSOR}
        assert seen.when("street-flood")[0] <= 50
        assert len(seen.when("street-flood", "escalated", "critical")) == 1
        assert seen.when("street-flood", "cleared")[0] <= 200


def test_welcome_does_so_at_any_hour_and_in_a_small_city() -> None:
    for hour in (0, 4, 9, 12, 20):
        seen = watch("welcome", 240, rate=5, start=MONDAY_15H + hour * HOUR_US)
        assert seen.raised == {"street-flood"}
        assert seen.when("street-flood", "cleared")[0] <= 200


def test_a_calm_day_has_few_alarms_and_nothing_chatters() -> None:
    day = watch("calm", 24 * 3600, rate=10, tick_s=5, decode=False)
    raised = [at for at, transition in day.transitions if transition.kind == "raised"]
    assert max(Counter(int(at // 3600) for at in raised).values(), default=0) <= 6
    assert max((sum(at <= other < at + 600 for other in raised) for at in raised), default=0) <= 10
    causes = Counter((step.rule, step.group) for _, step in day.transitions if step.kind == "raised")
    assert max(causes.values(), default=0) <= 2


def test_the_evening_rush_of_a_calm_day_in_its_usual_size() -> None:
    seen = watch("calm", 1800, rate=200, start=MONDAY_15H + 2 * HOUR_US, tick_s=2.5, decode=False)
    assert len([step for _, step in seen.transitions if step.kind == "raised"]) <= 6


def test_rush_hour_stops_junctions_then_lasts() -> None:
    seen = watch("rush-hour", 2700, rate=40)
    assert seen.raised <= {"speed-collapse", "long-queue", "lasting-congestion"}
    assert 240 < seen.when("speed-collapse")[0] < 900
    assert seen.when("lasting-congestion")[0] > 1800


def test_flood_tells_rain_then_streets_then_traffic_and_three_tide_levels() -> None:
    seen = watch("flood", 3600, rate=60)
    rain, street, traffic = (seen.when(rule)[0] for rule in ("heavy-rain", "street-flood", "speed-collapse"))
    assert rain <= street + 60
    assert street < traffic < 900
    river = [(transition.kind, transition.severity) for _, transition in seen.transitions if transition.group == "PA-1"]
    assert river[:3] == [("raised", "warning"), ("escalated", "critical"), ("escalated", "emergency")]
    assert seen.when("river-alarm-phu-an", "escalated", "emergency")[0] < 900
    flooded = [report for report in seen.reports if report.category == "flooding"]
    assert len(flooded) > 10
    for rule in ("heavy-rain", "street-flood", "speed-collapse"):
        assert len(seen.when(rule, "cleared")) == len(seen.when(rule)), rule


def test_smog_raises_dust_and_index_over_the_city_and_nothing_else() -> None:
    seen = watch("smog", 1500, rate=20)
    assert {"fine-dust", "air-quality-index"} <= seen.raised <= {"fine-dust", "air-quality-index", "er-waiting"}
    assert 600 < seen.when("fine-dust")[0] < 1200


def test_outbreak_raises_wards_first_and_hospitals_later() -> None:
    seen = watch("outbreak", 2400, rate=20)
    assert seen.when("dengue-outbreak")[0] < 30
    assert len(seen.when("dengue-outbreak")) > 8
    assert seen.when("dengue-outbreak")[0] < seen.when("er-arrivals")[0] < seen.when("icu-nearly-full")[0]


def test_a_dead_feed_is_one_alert_and_clears_when_it_speaks_again() -> None:
    seen = watch("dead-feed", 900, rate=40)
    dead = [(kind, transition.sector) for kind, transition in _kinds(seen.transitions, "system-feed-dead")]
    assert ("raised", "traffic") in dead
    assert ("cleared", "traffic") in dead
    assert dead.count(("raised", "traffic")) == 1
    assert 60 < seen.when("system-feed-dead")[0] < 300
    assert seen.raised == {"system-feed-dead"}


def test_a_wrong_clock_is_told_and_its_future_is_refused() -> None:
    seen = watch("wrong-clock", 900, rate=40)
    assert set(seen.refusals) == {"future_time"}
    assert "system-wrong-clock" in seen.raised
    assert seen.raised <= {"system-wrong-clock", "system-feed-dead"}


def _kinds(transitions: list, rule: str) -> list:  # type: ignore[type-arg]
    return [(transition.kind, transition) for _, transition in transitions if transition.rule == rule]
