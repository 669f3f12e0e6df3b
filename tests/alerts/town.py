"""A small town for these tests: one sector with a few metrics, rules in short, and arrivals by the second."""

from alerts.engine import Arrival, Engine, Tick
from alerts.rulefile import parse_rules
from alerts.rules import Rule
from alerts.transitions import Transition
from city.events import Reading
from city.sectors import Catalogue, CityInfo, Metric, Sector

US = 1_000_000
START = 1_795_331_220 * US
BOTH = {"vi": "x", "en": "x"}


def metric(name: str, low: float, high: float, cadence_s: float = 60, max_age_s: float = 300) -> Metric:
    return Metric(
        name=name,
        unit="u",
        low=low,
        high=high,
        cadence_s=cadence_s,
        max_age_s=max_age_s,
        label=BOTH,
        short=BOTH,
        decimals=1,
        aggregate="mean",
    )


def town(series_limit: int = 100_000) -> Catalogue:
    """A catalogue with the sectors river and street."""
    river = [
        metric("level_m", -3, 5),
        metric("rain_mm_h", 0, 300, 10, 60),
        metric("weekly", 0, 1000, 7 * 86400, 14 * 86400),
    ]
    sectors = {
        name: Sector(
            name=name,
            title=BOTH,
            short=BOTH,
            metrics={m.name: m for m in river},
            key_figures=[],
            reports=["flooding", "fallen_tree"],
            series_limit=series_limit,
            deep=False,
        )
        for name in ("river", "street")
    }
    return Catalogue(sectors, CityInfo(BOTH, "Asia/Ho_Chi_Minh", (106.7, 10.8), {1: BOTH}))


TIDE = """
rule: tide
title: {vi: a, en: b}
short: {vi: a, en: b}
sector: river
metric: level_m
raise:
  warning: {above: 1.5, for: 2m}
  critical: {above: 1.6, for: 1m}
clear: {below: 1.45, for: 10m}
"""
RAIN = """
rule: rain
title: {vi: a, en: b}
short: {vi: a, en: b}
sector: river
metric: rain_mm_h
raise:
  warning: {above: 50}
  emergency: {above: 100, for: 30s}
"""
LOW = """
rule: low-water
title: {vi: a, en: b}
short: {vi: a, en: b}
sector: river
metric: level_m
raise: {warning: {below: -1.5}, critical: {below: -2, for: 5m}}
clear: {above: -1.4}
"""


def rules_of(*texts: str) -> list[Rule]:
    """Rules of the town from YAML texts."""
    return [loaded.rule for text in texts for loaded in parse_rules(text, town())]


ALL = rules_of(TIDE, RAIN, LOW)


def engine(*rules: Rule, series_limit: int = 100_000) -> Engine:
    """An engine for the river with these rules, or all."""
    return Engine("river", town(series_limit), rules or ALL)


def at(second: float, asset: str = "PA-1", age_s: float = 0.0, zone: str | None = None, **values: float) -> Arrival:
    """A reading recorded so many seconds after START, `age_s` old by then."""
    record = START + round(second * US)
    return Arrival(record, Reading("river", asset, record - round(age_s * US), values, zone))


def tick(second: float, at_end: bool = True) -> Tick:
    return Tick(START + round(second * US), at_end)


def feed(subject: Engine, *arrivals: Arrival) -> list[Transition]:
    """One step for each arrival, the tick at its own time."""
    return [
        transition for arrival in arrivals for transition in subject.step([arrival], Tick(arrival.record_time, False))
    ]


def told(transitions: list[Transition]) -> list[str]:
    """Transitions in short: 'raised tide warning @120'."""
    return [f"{one.kind} {one.rule} {one.severity} @{(one.event_time - START) / US:g}" for one in transitions]
