"""Every scenario raises the right alerts in the right order under the default city's rules, on a manual clock and with
as many instruments as the demo has; a calm day raises a handful."""

from collections import defaultdict

import pytest

from alerts.transitions import Transition
from city.decoding import Decoder
from simulation.scenario import SCENARIOS, WELCOME_SENSOR
from tests.simulation.watched import CATALOGUE, HOUR_US, MONDAY_15H, ZONES, Seen, Sense, city, watch, watch_undecoded

CHATTER_S = 600
MIDNIGHT = MONDAY_15H - 15 * HOUR_US
EVENING = MONDAY_15H + 2 * HOUR_US


def chatter(transitions: list[tuple[float, Transition]]) -> list[tuple[str, str]]:
    """Rules and groups that were raised again within ten minutes."""
    raised: dict[tuple[str, str], float] = defaultdict(lambda: -CHATTER_S)
    found = []
    for at, one in transitions:
        if one.kind == "raised":
            if at - raised[one.rule, one.group] < CHATTER_S:
                found.append((one.rule, one.group))
            raised[one.rule, one.group] = at
    return found


def most_within(alarms: list[float], seconds: float) -> int:
    """The most alarms in any window of so many seconds."""
    return max((sum(first <= at < first + seconds for at in alarms) for first in alarms), default=0)


@pytest.fixture(scope="module")
def calm_day() -> Seen:
    """From midnight to midnight, every instrument at its own cadence."""
    return watch_undecoded(city("calm", rate=200, tick_s=10), MIDNIGHT, 86_400)


def test_a_calm_day_of_the_whole_city_has_a_handful_of_alarms_and_nothing_chatters(calm_day: Seen) -> None:
    assert 1 <= len(calm_day.alarms) <= 20
    assert most_within(calm_day.alarms, 3600) <= 6
    assert most_within(calm_day.alarms, 600) <= 10
    assert not chatter(calm_day.transitions)


def test_what_happens_on_a_calm_day_is_of_several_kinds_and_over_by_its_end(calm_day: Seen) -> None:
    assert {"speed-collapse", "noise"} <= set(calm_day.raised)
    assert not any(rule.startswith("system-") for rule in calm_day.raised)
    assert not calm_day.still_open


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_columns_say_what_the_decoder_reads_from_the_events(name: str) -> None:
    """What `watch_undecoded` relies on. Readings from the future are refused by the decoder only."""
    events, columns, decoder, sense = city(name), city(name), Decoder(CATALOGUE, ZONES), Sense()
    for town in (events, columns):
        town.step(EVENING)
    end = EVENING + 200_000_000
    decoded = [
        decoder.decode(e.encode(), (), sector=e.sector, record_time_us=end + 9 * HOUR_US)
        for e in events.step(end)
        if e.kind == "reading"
    ]
    made = [reading for tick in columns.ticks(end) for round_ in tick.rounds for reading in sense.readings(round_)]
    assert len(made) > 1000
    assert sorted(map(repr, decoded)) == sorted(map(repr, made))


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_the_first_alert_comes_when_the_outlook_says_at_any_hour(name: str) -> None:
    scenario = SCENARIOS[name]
    if scenario.first_alert_s is None:
        assert "within" not in scenario.outlook
        return
    assert scenario.outlook.startswith(
        "within a minute" if scenario.first_alert_s == 60 else f"within {scenario.first_alert_s / 60:.0f} minutes"
    )
    for hour in (3, 12, 17):
        seen = watch(name, scenario.first_alert_s, rate=200, start=MIDNIGHT + hour * HOUR_US, tick_s=5)
        assert seen.alarms, hour
        assert seen.alarms[0] <= scenario.first_alert_s


def test_what_the_outlooks_say_comes_then() -> None:
    flood = watch("flood", 1020, rate=200, start=MIDNIGHT, tick_s=5)
    for rule in ("river-alarm-phu-an", "street-flood"):
        assert flood.when(rule)[0] < 420
    assert any(one.severity == "emergency" and at < 900 for at, one in flood.transitions)
    clocks = watch("wrong-clock", 1800, start=MIDNIGHT)
    assert clocks.raised == ["system-wrong-clock"]
    assert len(clocks.alarms) == 2
    assert not clocks.still_open


def test_welcome_raises_within_a_minute_and_clears_within_four() -> None:
    for seed in range(3):
        seen = watch("welcome", 240, seed=seed)
        assert seen.raised == ["street-flood"]
        assert {transition.asset for _, transition in seen.transitions} == {WELCOME_SENSOR}
        assert seen.alarms[0] <= 50
        assert len(seen.when("street-flood", "escalated", "critical")) == 1
        assert seen.when("street-flood", "cleared")[0] <= 200


def test_welcome_does_so_at_any_hour_and_in_a_small_city() -> None:
    for hour in (0, 4, 9, 12, 20):
        seen = watch("welcome", 240, rate=5, start=MONDAY_15H + hour * HOUR_US)
        assert seen.raised == ["street-flood"]
        assert seen.when("street-flood", "cleared")[0] <= 200


def test_flood_tells_rain_then_river_then_streets_then_traffic_then_ambulances() -> None:
    seen = watch("flood", 3600, start=EVENING)
    assert seen.raised[:5] == ["heavy-rain", "river-alarm-phu-an", "street-flood", "speed-collapse", "ambulances-short"]
    assert seen.when("street-flood")[0] < 420
    assert seen.when("speed-collapse")[0] < 720
    assert seen.worst("street-flood") == "emergency"
    river = seen.story("river-alarm-phu-an", "PA-1")
    assert river[:3] == ["raised warning", "escalated critical", "escalated emergency"]
    assert river[-1].startswith("cleared")
    assert seen.when("river-alarm-phu-an", "escalated", "emergency")[0] < 900
    assert len([report for report in seen.reports if report.category == "flooding"]) > 10
    for rule in ("heavy-rain", "street-flood", "speed-collapse"):
        assert len(seen.when(rule, "cleared")) == len(seen.when(rule)), rule
    assert 15 <= len(seen.alarms) <= 45
    assert 10 < most_within(seen.alarms, 600) <= 25, "a flood of alarms, which people can still read"


def test_rush_hour_stops_junctions_then_lasts() -> None:
    seen = watch("rush-hour", 3000, start=EVENING)
    assert seen.raised[0] == "speed-collapse"
    assert set(seen.raised) <= {"speed-collapse", "long-queue", "lasting-congestion", "ambulances-short", "er-waiting"}
    assert 240 < seen.when("speed-collapse")[0] < 900
    assert seen.when("lasting-congestion")[0] > 1800
    assert len(seen.alarms) <= 100


def test_smog_raises_dust_and_index_over_the_city_and_nothing_else() -> None:
    seen = watch("smog", 2400)
    assert set(seen.raised) == {"fine-dust", "air-quality-index"}
    assert 600 < seen.when("fine-dust")[0] < 1200
    assert seen.worst("fine-dust") in ("critical", "emergency")


def test_outbreak_raises_wards_first_and_hospitals_later() -> None:
    seen = watch("outbreak", 3000)
    assert seen.when("dengue-outbreak")[0] < 30
    assert len(seen.when("dengue-outbreak")) > 8
    assert seen.when("dengue-outbreak")[0] < seen.when("er-arrivals")[0] < seen.when("icu-nearly-full")[0]


def test_a_feed_that_dies_is_one_alert_a_sector_and_clears_when_it_is_back() -> None:
    seen = watch("dead-feed", 1200, start=EVENING)
    assert seen.story("system-feed-dead", "traffic") == [
        "raised warning",  # the detectors, after three of their cadences
        "escalated critical",  # everything of the sector, as the slower instruments are missed too
        "eased warning",
        "cleared warning",
    ]
    assert seen.story("system-feed-dead", "environment") == ["raised warning", "cleared warning"]
    assert seen.raised == ["system-feed-dead"]
    assert 60 < seen.alarms[0] <= 120


def test_wrong_clocks_behind_and_ahead_are_one_alert_a_sector_and_the_future_is_refused() -> None:
    seen = watch("wrong-clock", 1800, start=EVENING)
    assert seen.story("system-wrong-clock", "health") == ["raised warning", "cleared warning"]
    assert seen.story("system-wrong-clock", "environment") == ["raised warning", "cleared warning"]
    assert seen.raised == ["system-wrong-clock"]
    assert not seen.still_open
    assert set(seen.refusals) == {"future_time"}


def test_the_same_seed_gives_the_same_alerts() -> None:
    assert watch("welcome", 200).transitions == watch("welcome", 200).transitions
