"""The model: the same seed tells the same story, and the story is plausible."""

from collections import Counter
from itertools import pairwise
from statistics import mean

import pytest

from simulation.event import AUTHORITY
from simulation.scenario import SCENARIOS, Scenario
from simulation.tide import tide_m
from tests.simulation.watched import CATALOGUE, HOUR_US, MONDAY_15H, ZONES, city, events, values, watch


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first = [event.encode() for event in events("flood", 120, seed=3)]
    assert first == [event.encode() for event in events("flood", 120, seed=3)]
    assert first != [event.encode() for event in events("flood", 120, seed=4)]


def test_how_often_it_is_stepped_changes_nothing() -> None:
    town = city("flood")
    town.step(MONDAY_15H)
    pieces = [event for at in range(1, 401) for event in town.step(MONDAY_15H + at * 300_000)]
    assert pieces == events("flood", 120)


@pytest.mark.parametrize("tick_s", [0.2, 5.0])
def test_streets_flood_alike_however_short_a_tick_is(tick_s: float) -> None:
    """The demo moves five times a second."""
    usual, other = city("flood", rate=20), city("flood", rate=20, tick_s=tick_s)
    for town in (usual, other):
        town.step(MONDAY_15H)
        town.step(MONDAY_15H + 420_000_000)
    assert usual.flood.depth_cm.max() > 15
    assert other.flood.depth_cm == pytest.approx(usual.flood.depth_cm, abs=1.5)


def test_mishaps_of_a_calm_day_are_single_and_only_where_the_scenario_has_them() -> None:
    calm, smog = city("calm", rate=5, tick_s=10), city("smog", rate=5, tick_s=10)
    for town in (calm, smog):
        town.step(MONDAY_15H)
    worst = [max(values(calm.step(MONDAY_15H + hour * HOUR_US), "noise_db")) for hour in range(1, 13)]
    assert max(worst) > 92
    assert min(worst) < 89
    assert max(values(smog.step(MONDAY_15H + 12 * HOUR_US), "noise_db")) < 89


def test_time_never_goes_back() -> None:
    town = city("calm")
    town.step(MONDAY_15H)
    town.step(MONDAY_15H + 10_000_000)
    with pytest.raises(ValueError, match="time goes back"):
        town.step(MONDAY_15H)


@pytest.mark.parametrize("rate", [20, 40, 200, 3000])
def test_the_rate_is_kept_by_the_size_of_the_city(rate: float) -> None:
    happened = events("calm", 30, rate=rate)
    steady = [event for event in happened if event.time > MONDAY_15H + 10_000_000]
    assert 0.5 * rate < len(steady) / 20 <= rate


def test_events_come_in_the_order_of_time_and_once_an_asset_and_instant() -> None:
    happened = events("calm", 90)
    assert all(one.time <= other.time for one, other in pairwise(happened))
    readings = [(event.sector, event.asset, event.time) for event in happened if event.kind == "reading"]
    assert len(set(readings)) == len(readings)


def test_ids_are_unique_within_a_source() -> None:
    ids = [(event.source, event.time, event.number) for event in events("flood", 300)]
    assert len(set(ids)) == len(ids)


def test_every_source_says_that_it_is_simulated() -> None:
    assert {event.source.startswith(AUTHORITY + "/") for event in events("flood", 60)} == {True}


@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - {"wrong-clock"}))
def test_every_event_of_every_scenario_is_taken(name: str) -> None:
    seen = watch(name, 300, rate=20)
    assert not seen.refusals
    assert set(seen.readings) == set(CATALOGUE.sectors)


def test_instruments_report_at_least_as_often_as_the_catalogue_says() -> None:
    town = city("calm")
    told: dict[tuple[str, str], float] = {}
    for feed in town.feeds:
        told[feed.sector, feed.name] = feed.instruments.cadence_us / 1e6
    town.step(MONDAY_15H)
    for event in town.step(MONDAY_15H + 11_000_000):
        if event.kind == "reading":
            cadence = told[event.sector, event.source.rsplit("/", 1)[1]]
            for name in event.data["measurements"]:
                metric = CATALOGUE.metric(event.sector, name)
                assert metric is not None
                assert cadence <= metric.cadence_s, (event.asset, name)


def test_metrics_that_a_catalogue_lacks_are_not_sent() -> None:
    town = city("calm")
    town.traffic.known = frozenset({"speed_kmh"})
    town.step(MONDAY_15H)
    told = {
        name
        for event in town.step(MONDAY_15H + 10_000_000)
        if event.source.endswith("/traffic")
        for name in event.data["measurements"]
    }
    assert told == {"speed_kmh"}


def test_rush_hour_is_slower_and_fuller_than_the_night() -> None:
    night = events("calm", 60, start=MONDAY_15H + 12 * HOUR_US)
    rush = events("calm", 60, start=MONDAY_15H + 2 * HOUR_US + HOUR_US // 4)
    assert mean(values(rush, "speed_kmh")) < 0.85 * mean(values(night, "speed_kmh"))
    assert mean(values(rush, "flow_vph")) > 4 * mean(values(night, "flow_vph"))
    assert mean(values(rush, "noise_db")) > mean(values(night, "noise_db")) + 8
    assert mean(values(rush, "no2")) > 2 * mean(values(night, "no2"))
    assert mean(values(rush, "er_arrivals_ph")) > 1.5 * mean(values(night, "er_arrivals_ph"))


def test_weekends_are_quieter_on_the_road_in_the_morning() -> None:
    monday = events("calm", 60, start=MONDAY_15H + 16 * HOUR_US + HOUR_US // 4)
    saturday = events("calm", 60, start=MONDAY_15H + (16 + 4 * 24) * HOUR_US + HOUR_US // 4)
    assert mean(values(saturday, "flow_vph")) < 0.7 * mean(values(monday, "flow_vph"))


def test_rain_floods_streets_and_floods_stop_traffic() -> None:
    town = city("flood", rate=100)
    town.step(MONDAY_15H)
    before = town.step(MONDAY_15H + 20_000_000)
    town.step(MONDAY_15H + 700_000_000)
    after = town.step(MONDAY_15H + 900_000_000)
    assert max(values(before, "flood_cm")) == 0
    assert max(values(after, "rain_mm_h")) > 80
    assert max(values(after, "flood_cm")) > 30
    assert min(values(after, "speed_kmh")) < 8 < min(values(before, "speed_kmh"))
    assert mean(values(after, "speed_kmh")) > 20  # the rest of the city still moves


def test_water_leaves_the_streets_when_the_rain_is_over() -> None:
    town = city("flood")
    town.step(MONDAY_15H)
    town.step(MONDAY_15H + 2 * HOUR_US - 60_000_000)
    assert max(values(town.step(MONDAY_15H + 2 * HOUR_US), "flood_cm")) < 10


def test_the_tide_has_two_high_waters_a_day_below_the_first_alarm_level() -> None:
    for day in range(0, 60, 3):
        levels = [tide_m(MONDAY_15H + (day * 24 * 60 + minute) * 60_000_000) for minute in range(0, 24 * 60 + 50, 5)]
        highs = [b for (a, b), (_, c) in zip(pairwise(levels), pairwise(levels[1:]), strict=False) if a < b >= c]
        assert len(highs) in (1, 2, 3)
        assert 0.75 < max(levels) < 1.4
        assert 1.0 < max(levels) - min(levels) < 2.0


def test_showers_of_ordinary_days_come_and_go() -> None:
    town = city("calm", rate=5, tick_s=20)
    town.step(MONDAY_15H)
    wet = [bool(town.step(MONDAY_15H + hour * HOUR_US)) and town.weather.raining for hour in range(1, 36)]
    assert 0 < sum(wet) < len(wet) / 2


def test_reports_are_opened_and_closed_and_their_subject_stays() -> None:
    happened = [event for event in events("flood", 3600, rate=10) if event.kind == "report"]
    lines = Counter(event.source.rsplit("/", 1)[1] for event in happened)
    assert set(lines) == {"1022", "113", "114", "115"}
    status: dict[str, list[str]] = {}
    for event in happened:
        status.setdefault(event.asset, []).append(event.data["status"])
    assert ["open", "closed"] in status.values()
    assert all(told in (["open"], ["open", "closed"]) for told in status.values())
    assert any("Nguyễn Hữu Cảnh" in event.data["description"] for event in happened)


def test_places_are_inside_the_city() -> None:
    for event in events("calm", 12, rate=100):
        if "location" in event.data:
            assert ZONES.locate(*event.data["location"]) is not None
        assert event.data.get("zone", next(iter(ZONES.zones))) in ZONES.zones


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        city("calm", rate=0)


def test_every_scenario_says_what_it_tells() -> None:
    required = {"calm", "rush-hour", "flood", "smog", "outbreak", "dead-feed", "wrong-clock", "welcome"}
    assert set(SCENARIOS) == required
    assert all(isinstance(each, Scenario) and each.summary.endswith(".") for each in SCENARIOS.values())
