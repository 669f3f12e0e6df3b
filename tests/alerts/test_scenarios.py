"""The simulated city through decoder and engine in one process on a manual clock: the right alerts in the right order,
and on a calm day next to none."""

from collections import Counter
from functools import cache

import pytest

from alerts.engine import Arrival, Engine, Tick
from alerts.rulefile import load_rules
from alerts.transitions import Transition
from city.decoding import Decoder
from city.sectors import Catalogue
from city.settings import DEFAULT_CITY
from city.timestamps import parse_time
from city.zones import ZoneMap
from simulation.city import City
from simulation.scenario import SCENARIOS

US = 1_000_000
EVENING = "2026-11-23T17:00:00+07:00"
MIDNIGHT = "2026-11-24T00:00:00+07:00"

ORDER = ["raised", "escalated", "eased", "cleared"]


class Told:
    """What the city's engines said, with the second of the scenario at which they said it."""

    def __init__(self) -> None:
        self.said: list[tuple[float, Transition]] = []

    def raised(self, rule: str = "") -> list[float]:
        """Seconds at which alerts (of one rule) were raised."""
        return [second for second, one in self.said if one.kind == "raised" and rule in ("", one.rule)]

    def rules(self) -> list[str]:
        """Rules in the order of their first alert."""
        return list(dict.fromkeys(one.rule for _, one in self.said if one.kind == "raised"))

    def worst(self, rule: str) -> str:
        """The worst severity that an alert of the rule reached."""
        order = ["info", "warning", "critical", "emergency"]
        return max((one.severity for _, one in self.said if one.rule == rule), key=order.index)

    def story(self, rule: str, group: str) -> list[str]:
        """Kinds and severities of one alert."""
        return [f"{one.kind} {one.severity}" for _, one in self.said if (one.rule, one.group) == (rule, group)]

    def still_open(self) -> Counter[str]:
        """Open alerts at the end, by rule."""
        count: Counter[str] = Counter()
        for _, one in self.said:
            count[one.rule] += {"raised": 1, "cleared": -1}.get(one.kind, 0)
        return +count


@cache
def play(
    scenario: str, seconds: int, *, seed: int = 7, rate: float = 100, start: str = EVENING, tick_s: int = 5
) -> Told:
    """Run a scenario from its start."""
    catalogue, zones = Catalogue.load(DEFAULT_CITY), ZoneMap.load(DEFAULT_CITY)
    rules = [loaded.rule for loaded in load_rules(DEFAULT_CITY / "rules", catalogue)]
    city = City(seed, zones, catalogue, SCENARIOS[scenario], rate=rate, tick_s=float(tick_s))
    decoder = Decoder(catalogue, zones)
    engines = {sector: Engine(sector, catalogue, rules) for sector in catalogue.sectors}
    began = parse_time(start)
    city.step(began)
    told = Told()
    for second in range(tick_s, seconds + 1, tick_s):
        now = began + second * US
        heard: dict[str, list[Arrival]] = {sector: [] for sector in engines}
        for event in city.step(now):
            decoded = decoder.decode(event.encode(), (), sector=event.sector, record_time_us=now)
            assert decoded is not None
            heard[event.sector].append(Arrival(now, decoded))
        for sector, engine in engines.items():
            told.said += [(second, one) for one in engine.step(heard[sector], Tick(now, at_end=True))]
    return told


def test_a_calm_day_leaves_the_operators_in_peace() -> None:
    told = play("calm", 86_400, rate=10, start=MIDNIGHT, tick_s=20)
    alarms = told.raised()
    for hour in range(24):
        assert sum(hour * 3600 <= second < (hour + 1) * 3600 for second in alarms) <= 6
    assert all(sum(first <= second < first + 600 for second in alarms) <= 10 for first in alarms)
    again = Counter((one.rule, one.group) for _, one in told.said if one.kind == "raised")
    assert max(again.values(), default=0) <= 3, "chattering"


@pytest.mark.parametrize("start", [EVENING, "2026-11-23T07:00:00+07:00"])
def test_a_calm_rush_hour_of_the_whole_city_raises_next_to_nothing(start: str) -> None:
    assert len(play("calm", 1800, start=start).raised()) <= 3


def test_welcome_shows_one_street_that_floods_and_dries() -> None:
    told = play("welcome", 300)
    assert told.story("street-flood", "FL-NGUYEN-HUU-CANH")[0] == "raised warning"
    assert told.story("street-flood", "FL-NGUYEN-HUU-CANH")[-1].startswith("cleared")
    assert told.raised()[0] <= 60
    assert told.said[-1][0] <= 240
    assert len(told.raised()) <= 3


def test_flood_rain_then_streets_then_river_then_traffic() -> None:
    told = play("flood", 3300)
    first = {rule: told.raised(rule)[0] for rule in told.rules()}
    assert first["heavy-rain"] < first["street-flood"] < first["river-alarm-phu-an"]
    assert first["street-flood"] < first["speed-collapse"]
    assert told.worst("street-flood") == "emergency"
    assert told.story("river-alarm-phu-an", "PA-1")[:3] == [
        "raised warning",
        "escalated critical",
        "escalated emergency",
    ]
    assert told.story("river-alarm-phu-an", "PA-1")[-1].startswith("cleared")
    assert 10 <= len(told.raised()) <= 150


def test_rush_hour_junctions_come_to_a_standstill() -> None:
    told = play("rush-hour", 3000)
    assert told.rules()[0] == "speed-collapse"
    assert set(told.rules()) <= {"speed-collapse", "long-queue", "lasting-congestion", "ambulances-short", "er-waiting"}
    assert told.raised("lasting-congestion")
    assert len(told.raised()) <= 100


def test_smog_alarms_stations_within_minutes() -> None:
    told = play("smog", 2400)
    assert set(told.rules()) == {"fine-dust", "air-quality-index"}
    assert told.raised()[0] <= 1200
    assert told.worst("fine-dust") in ("critical", "emergency")


def test_outbreak_wards_first_then_hospitals() -> None:
    told = play("outbreak", 3000)
    first = {rule: told.raised(rule)[0] for rule in told.rules()}
    assert told.rules()[0] == "dengue-outbreak"
    assert first["dengue-outbreak"] < first["icu-nearly-full"]
    assert "er-arrivals" in first


def test_a_feed_that_dies_is_one_alert_a_sector_and_clears_when_it_is_back() -> None:
    told = play("dead-feed", 1200)
    assert told.story("system-feed-dead", "traffic") == [
        "raised warning",  # the detectors, after three of their cadences
        "escalated critical",  # everything of the sector, as the slower instruments are missed too
        "eased warning",
        "cleared warning",
    ]
    assert told.story("system-feed-dead", "environment") == ["raised warning", "cleared warning"]
    assert told.raised() == told.raised("system-feed-dead")
    assert 60 < told.raised()[0] <= 120


def test_wrong_clocks_behind_and_ahead_are_one_alert_a_sector() -> None:
    told = play("wrong-clock", 1800)
    assert told.story("system-wrong-clock", "health") == ["raised warning", "cleared warning"]
    assert told.story("system-wrong-clock", "environment") == ["raised warning", "cleared warning"]
    assert told.raised() == told.raised("system-wrong-clock")
    assert not told.still_open()


def test_the_same_seed_gives_the_same_alerts() -> None:
    play.cache_clear()
    once = [(second, one) for second, one in play("welcome", 200).said]
    play.cache_clear()
    assert once == play("welcome", 200).said
