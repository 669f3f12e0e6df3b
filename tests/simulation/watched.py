"""The simulated city watched as the services would: decoded, judged by the default rules, a hand on the clock."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from alerts.engine import Arrival, Engine, Tick
from alerts.rulefile import load_rules
from alerts.transitions import Transition
from city.decoding import Decoder
from city.events import Reading, Refusal, Report
from city.sectors import Catalogue
from city.settings import DEFAULT_CITY
from city.timestamps import from_datetime
from city.zones import ZoneMap
from simulation.city import City
from simulation.event import Event
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
    def raised(self) -> set[str]:
        """Rules that raised."""
        return {transition.rule for _, transition in self.transitions if transition.kind == "raised"}


def watch(
    scenario: str,
    seconds: float,
    *,
    seed: int = 7,
    rate: float = 40,
    start: int = MONDAY_15H,
    tick_s: float = 1.0,
    decode: bool = True,
) -> Seen:
    """Run the city, the decoder and an engine a sector, five seconds a step, every record read at once."""
    town, decoder, seen = city(scenario, seed=seed, rate=rate, tick_s=tick_s), Decoder(CATALOGUE, ZONES), Seen()
    engines = {
        name: Engine(name, CATALOGUE, [rule for rule in RULES if rule.sector == name]) for name in CATALOGUE.sectors
    }
    town.step(start)
    for now in range(start + 5_000_000, start + round(seconds * 1e6) + 1, 5_000_000):
        arrivals: dict[str, list[Arrival]] = defaultdict(list)
        for event in town.step(now):
            said = (
                decoder.decode(event.encode(), (), sector=event.sector, record_time_us=now) if decode else _plain(event)
            )
            if isinstance(said, Refusal):
                seen.refusals[said.reason] += 1
            elif isinstance(said, Reading):
                seen.readings[event.sector] += 1
                arrivals[event.sector].append(Arrival(now, said))
            elif isinstance(said, Report):
                seen.reports.append(said)
        for name, engine in engines.items():
            steps = engine.step(arrivals[name], Tick(now, at_end=True))
            seen.transitions += [((now - start) / 1e6, transition) for transition in steps]
    return seen


def _plain(event: Event) -> Reading | None:
    if event.kind != "reading":
        return None
    return Reading(event.sector, event.asset, event.time, event.data["measurements"], event.data.get("zone"))
