"""Causes for every kind of condition, and what each must lead to: groups, and the transitions of each in order.

Beside every cause there is one that falls short of it by a little and must lead to nothing.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from city.settings import DEFAULT_CITY
from city.zones import ZoneMap
from tests.kill.plan import Plan

RULES: Final = (
    "kill-for",
    "kill-mean",
    "kill-change",
    "kill-crowd",
    "kill-absent",
    "kill-repeats",
    "kill-reports",
    "kill-together",
    "kill-frozen",
    "kill-late",
)
LONGEST_S: Final = 30.0
"""A cause is complete so long after its first record."""
STEADY: Final = 10
"""Sensors that report all the time, and of which no absence may be told."""
STEADY_EVERY_S: Final = 2.0

Point = tuple[float, float]
Expected = dict[str, dict[str, list[str]]]
"""By rule and group: kinds of transitions, in order."""


@dataclass(frozen=True)
class Step:
    """One record: a reading of an asset, or (without measurements) a report of that subject."""

    at: float
    sector: str
    subject: str
    measurements: tuple[tuple[str, float], ...] = ()
    point: Point | None = None


@dataclass(frozen=True)
class Story:
    """What is sent of one rule, and what must come of it."""

    steps: tuple[Step, ...]
    expected: Expected


def times_each(plan: Plan) -> int:
    """How many causes of each kind there are, and as many that fall short."""
    return max(2, plan.causes // 15)


def story(plan: Plan) -> Story:
    """All causes of the run, spread over it."""
    steps: list[Step] = []
    expected: dict[str, dict[str, list[str]]] = {rule: {} for rule in RULES}
    count = times_each(plan)
    zones = list(ZoneMap.load(DEFAULT_CITY).zones.values())
    for number in range(count):
        begin = (plan.seconds * 0.90 - LONGEST_S) * (number + 0.5) / count
        zone, other = zones[2 * number], zones[2 * number + 1]
        for rule, group, made, kinds in _causes(number, (zone.lon, zone.lat), zone.code):
            steps += _later(made, begin)
            expected[rule][group] = kinds
        for made in _near_misses(number, (other.lon, other.lat)):
            steps += _later(made, begin)
    return Story(tuple(sorted(steps, key=lambda step: step.at)), expected)


def _causes(number: int, point: Point, zone: str) -> Iterator[tuple[str, str, list[Step], list[str]]]:
    """Of each rule: the group, its records, what they lead to. Every second one is over again, where that is quick."""
    over = number % 2 == 1
    ended = ["raised", "cleared"] if over else ["raised"]
    lasting = [(0, 100.0), *((at, 900.0) for at in (2, 5, 8, 11, 14)), *([(17, 100.0)] if over else [])]
    yield "kill-for", f"DEEP-FOR-{number}", _readings("traffic", f"DEEP-FOR-{number}", "queue_m", lasting), ended
    mean = [(0, 5.0), *((at, 90.0) for at in range(2, 29, 3))]
    yield "kill-mean", f"DEEP-MEAN-{number}", _readings("environment", f"DEEP-MEAN-{number}", "flood_cm", mean), RAISED
    change = [(0, 100.0), (5, 250.0), (8, 450.0)]
    asset = f"DEEP-CHANGE-{number}"
    yield "kill-change", asset, _readings("traffic", asset, "queue_m", change), RAISED
    crowd = [
        step
        for place in range(3)
        for step in _readings(
            "environment", f"DEEP-CROWD-{number}-{place}", "flood_cm", [(0, 5.0), (3 + place, 80.0)], point
        )
    ]
    crowd += _readings("environment", f"DEEP-CROWD-{number}-1", "flood_cm", [(9, 5.0)] if over else [], point)
    yield "kill-crowd", zone, crowd, ended
    asset = f"DEEP-SILENT-{number}"
    yield "kill-absent", asset, _readings("environment", asset, "noise_db", [(0, 50.0), (2, 51.0)]), RAISED
    entries = [(0, 900.0), (3, 100.0), (6, 900.0), (9, 100.0), (12, 900.0), (13, 900.0)]
    asset = f"DEEP-REPEATS-{number}"
    yield "kill-repeats", asset, _readings("traffic", asset, "queue_m", entries), RAISED
    yield "kill-reports", zone, [Step(at, "traffic", f"R-{number}-{at}", (), point) for at in (0, 6)], RAISED
    asset = f"DEEP-TOGETHER-{number}"
    together = _readings("traffic", asset, "speed_kmh", [(0, 5.0), *([(9, 50.0)] if over else [])])
    yield "kill-together", asset, together + _readings("traffic", asset, "queue_m", [(0, 100.0), (5, 900.0)]), ended
    still = [(at, 1.25) for at in range(0, 25, 4)] + ([(27, 1.5)] if over else [])
    asset = f"DEEP-FROZEN-{number}"
    yield "kill-frozen", asset, _readings("environment", asset, "water_level_m", still), ended
    late = [(0, 5.0), (3, 80.0), *([(12, 5.0)] if over else [])]
    yield "kill-late", f"DEEP-LATE-{number}", _readings("environment", f"DEEP-LATE-{number}", "flood_cm", late), ended


def _near_misses(number: int, point: Point) -> Iterator[list[Step]]:
    """Records that no rule may make anything of."""
    short = [(0, 100.0), (2, 900.0), (5, 900.0), (7, 100.0), (9, 900.0), (12, 900.0), (14, 100.0)]
    yield _readings("traffic", f"DEEP-FOR-{number}-no", "queue_m", short)
    low = [(at, 90.0 if at % 9 == 2 else 5.0) for at in range(2, 29, 3)]
    yield _readings("environment", f"DEEP-MEAN-{number}-no", "flood_cm", low)
    yield _readings("traffic", f"DEEP-CHANGE-{number}-no", "queue_m", [(0, 100.0), (4, 390.0), (8, 110.0)])
    for place, times in enumerate(([(0, 5.0), (3, 80.0), (5, 5.0)], [(4, 80.0)], [(7, 80.0)])):
        yield _readings("environment", f"DEEP-CROWD-{number}-no{place}", "flood_cm", times, point)
    yield _readings("traffic", f"DEEP-REPEATS-{number}-no", "queue_m", [(0, 900.0), (2, 900.0), (5, 100.0), (8, 900.0)])
    yield [Step(at, "traffic", f"R-{number}-no", (), point) for at in (0, 5, 9)]  # one report, updated twice
    asset = f"DEEP-TOGETHER-{number}-no"
    yield _readings("traffic", asset, "speed_kmh", [(0, 50.0), (8, 5.0)])
    yield _readings("traffic", asset, "queue_m", [(1, 900.0), (5, 100.0)])
    moving = [(at, 1.25 if at < 16 else 1.5) for at in range(0, 29, 4)]
    yield _readings("environment", f"DEEP-FROZEN-{number}-no", "water_level_m", moving)
    yield _readings("environment", f"DEEP-LATE-{number}-no", "flood_cm", [(0, 5.0), (4, 45.0), (9, 5.0)])


RAISED: Final = ["raised"]


def _readings(
    sector: str, asset: str, metric: str, values: list[tuple[float, float]], point: Point | None = None
) -> list[Step]:
    return [Step(at, sector, asset, ((metric, value),), point) for at, value in values]


def _later(steps: list[Step], begin: float) -> list[Step]:
    return [Step(begin + one.at, one.sector, one.subject, one.measurements, one.point) for one in steps]


def came_of(rows: list[tuple[str, str, str]]) -> Expected:
    """What was found, (rule, group, kind) in order of seq, in the form of what was expected."""
    found: dict[str, dict[str, list[str]]] = {rule: defaultdict(list) for rule in RULES}
    for rule, group, kind in rows:
        found[rule][group].append(kind)
    return {rule: dict(groups) for rule, groups in found.items()}
