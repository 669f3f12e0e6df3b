"""The simulated city watched as the services would: decoded, judged by the default rules, a hand on the clock."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from alerts.engine import Arrival, Engine, Tick
from alerts.rulefile import load_rules
from alerts.rules import SEVERITIES
from alerts.transitions import Transition
from city.decoding import Decoder
from city.events import Location, Reading, Refusal, Report
from city.sectors import Catalogue
from city.settings import DEFAULT_CITY
from city.timestamps import from_datetime
from city.zones import ZoneMap
from simulation.city import USUAL_RATE, City
from simulation.event import Event
from simulation.feed import Round
from simulation.scenario import SCENARIOS

CATALOGUE: Final = Catalogue.load(DEFAULT_CITY)
ZONES: Final = ZoneMap.load(DEFAULT_CITY)
RULES: Final = [loaded.rule for loaded in load_rules(DEFAULT_CITY / "rules", CATALOGUE)]

MONDAY_15H: Final = from_datetime(datetime(2026, 11, 23, 8, tzinfo=UTC))
HOUR_US: Final = 3_600_000_000


def city(scenario: str, *, seed: int = 7, rate: float = 40, tick_s: float = 1.0) -> City:
    """A city of the default map."""
    return City(seed, ZONES, CATALOGUE, SCENARIOS[scenario], rate=rate, tick_s=tick_s)


def events(scenario: str, seconds: float, *, seed: int = 7, rate: float = 40, start: int = MONDAY_15H) -> list[Event]:
    """All that happens in so many seconds."""
    town = city(scenario, seed=seed, rate=rate)
    town.step(start)
    return town.step(start + round(seconds * 1e6))


def values(happened: list[Event], metric: str) -> list[float]:
    """Every value of one metric, in the order of time."""
    return [event.data["measurements"][metric] for event in happened if metric in event.data.get("measurements", {})]


@dataclass
class Seen:
    """What the watchers saw; instants in seconds since the start."""

    transitions: list[tuple[float, Transition]] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    reports: list[Report] = field(default_factory=list)
    readings: Counter[str] = field(default_factory=Counter)

    def when(self, rule: str, kind: str = "raised", severity: str | None = None) -> list[float]:
        """When a rule did so."""
        return [
            at
            for at, transition in self.transitions
            if (transition.rule, transition.kind) == (rule, kind) and severity in (None, transition.severity)
        ]

    @property
    def raised(self) -> list[str]:
        """Rules that raised, in the order of their first alert."""
        return list(dict.fromkeys(one.rule for _, one in self.transitions if one.kind == "raised"))

    @property
    def alarms(self) -> list[float]:
        """When alerts were raised."""
        return [at for at, transition in self.transitions if transition.kind == "raised"]

    def worst(self, rule: str) -> str:
        """The worst severity that an alert of the rule reached."""
        return max((one.severity for _, one in self.transitions if one.rule == rule), key=SEVERITIES.index)

    def story(self, rule: str, group: str) -> list[str]:
        """Kinds and severities of what one group's alerts of a rule did."""
        return [f"{one.kind} {one.severity}" for _, one in self.transitions if (one.rule, one.group) == (rule, group)]

    @property
    def still_open(self) -> Counter[str]:
        """Open alerts at the end, by rule."""
        count: Counter[str] = Counter()
        for _, one in self.transitions:
            count[one.rule] += {"raised": 1, "cleared": -1}.get(one.kind, 0)
        return +count


class Watchers:
    """An engine a sector under the default rules; every record is read as soon as it is there."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._engines = {name: Engine(name, CATALOGUE, RULES) for name in CATALOGUE.sectors}
        self.seen = Seen()

    def take(self, heard: Mapping[str, Sequence[Arrival]], now: int) -> None:
        """One step of every engine, at `now`."""
        for name, engine in self._engines.items():
            for transition in engine.step(heard.get(name, ()), Tick(now, at_end=True)):
                self.seen.transitions.append(((now - self._start) / 1e6, transition))


def watch(
    scenario: str,
    seconds: float,
    *,
    seed: int = 7,
    rate: float = USUAL_RATE,
    start: int = MONDAY_15H,
    tick_s: float = 1.0,
) -> Seen:
    """Run the city, the decoder and the engines, five seconds a step."""
    town, decoder = city(scenario, seed=seed, rate=rate, tick_s=tick_s), Decoder(CATALOGUE, ZONES)
    watchers = Watchers(start)
    seen = watchers.seen
    town.step(start)
    for now in range(start + 5_000_000, start + round(seconds * 1e6) + 1, 5_000_000):
        heard: dict[str, list[Arrival]] = defaultdict(list)
        for event in town.step(now):
            said = decoder.decode(event.encode(), (), sector=event.sector, record_time_us=now)
            assert said is not None
            heard[event.sector].append(Arrival(now, said))
            if isinstance(said, Refusal):
                seen.refusals[said.reason] += 1
            elif isinstance(said, Reading):
                seen.readings[event.sector] += 1
            else:
                seen.reports.append(said)
        watchers.take(heard, now)
    return seen


def watch_undecoded(town: City, start: int, seconds: float) -> Seen:
    """As `watch`, a city's tick a step, with readings made from the city's columns instead of decoded from its events;
    reports and refusals are left out. What it saves is most of the time of a long run."""
    watchers, sense = Watchers(start), Sense()
    town.step(start)
    end = start + round(seconds * 1e6)
    for happened in town.ticks(end):
        heard: dict[str, list[Arrival]] = defaultdict(list)
        now = happened.until_us
        for round_ in happened.rounds:
            heard[round_.feed.sector] += [Arrival(now, reading) for reading in sense.readings(round_)]
        watchers.take(heard, now)
    return watchers.seen


class Sense:
    """Makes of a round what the decoder makes of its events."""

    def __init__(self) -> None:
        self._place = Decoder(CATALOGUE, ZONES).place
        self._assets: dict[str, list[tuple[str, str | None, bool, Location | None]]] = {}

    def readings(self, round_: Round) -> Iterator[Reading]:
        """One a row, in order."""
        feed = round_.feed
        assets = self._assets.get(feed.source)
        if assets is None:
            held = feed.instruments
            assets = self._assets[feed.source] = [
                (name, *self._place(place.zone, place.location), place.location)
                for name, place in zip(held.names, held.places, strict=True)
            ]
        sector = feed.sector
        for i, at, measurements in round_.rows():
            name, zone, approximate, location = assets[i]
            yield Reading(sector, name, at, measurements, zone, approximate, location)
