"""What is sent, and who is struck when: everything follows from the seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

KINDS: Final = ("ingest", "alerts", "center")
FAILPOINTS: Final = (
    ("ingest", "after_commit_before_fetch:5"),
    ("ingest", "mid_copy:3"),
    ("ingest", "during_takeover"),
    ("alerts", "between_seq_and_commit:2"),
    ("alerts", "after_commit:3"),
    ("alerts", "during_takeover"),
    ("alerts", "during_snapshot"),
)
"""Instants named in the code, each armed once in a full run: the worker is killed and comes back armed."""

ASSETS: Final = 2_000
MEASUREMENTS: Final = ("speed_kmh", "flow_vph")
RESENT_EVERY: Final = 97
"""One record in so many is sent twice, as a producer's retry would."""


@dataclass(frozen=True)
class Strike:
    """At `at` seconds, do `action` to a process of `kind`: kill, pause (for `seconds`), or kill and arm `failpoint`."""

    at: float
    kind: str
    action: str
    seconds: float = 0.0
    failpoint: str = ""


@dataclass(frozen=True)
class Plan:
    """One run."""

    seed: int
    seconds: float
    records: int
    causes: int
    strikes: tuple[Strike, ...]

    @property
    def readings(self) -> int:
        """Distinct (series, time) among the mass of records."""
        return self.records * len(MEASUREMENTS)

    @property
    def cause_readings(self) -> int:
        """Distinct readings of the alert causes: calm, past the limit, and for every second one calm again."""
        return self.causes * 2 + self.causes // 2


def make(seed: int, seconds: float, readings: int, causes: int, strikes: int, *, full: bool) -> Plan:
    """The plan of a run; the middle of it has one worker of each kind before and two after."""
    chance = random.Random(seed)
    first, last = seconds * 0.06, seconds * 0.80
    pause = 35.0 if full else 14.0
    struck = [
        Strike(
            at=chance.uniform(first, last),
            kind=KINDS[number % len(KINDS)],
            action="pause" if number % 4 == 3 else "kill",
            seconds=chance.uniform(pause, pause * 1.3),
        )
        for number in range(strikes)
    ]
    if full:
        step = (last - first) / len(FAILPOINTS)
        struck += [
            Strike(first + number * step, kind, "arm", failpoint=failpoint)
            for number, (kind, failpoint) in enumerate(chance.sample(FAILPOINTS, len(FAILPOINTS)))
        ]
    else:
        kind, failpoint = chance.choice(FAILPOINTS[:4])
        struck.append(Strike(chance.uniform(first, seconds * 0.4), kind, "arm", failpoint=failpoint))
    struck.append(Strike(chance.uniform(first, last), "database", "kill"))
    records = readings // len(MEASUREMENTS)
    return Plan(seed, seconds, records, causes, tuple(sorted(struck, key=lambda strike: strike.at)))


def cause_steps(plan: Plan) -> Iterator[tuple[float, str, str, str, float]]:
    """(second, sector, asset, metric, value) in order of time; asset KILL-n is cause n, spread over the run."""
    steps = []
    for number in range(plan.causes):
        at = plan.seconds * 0.90 * (number + 0.5) / plan.causes
        sector, metric, calm, high = (
            ("traffic", "queue_m", 100.0, 900.0) if number % 2 == 0 else ("environment", "flood_cm", 5.0, 80.0)
        )
        asset = f"KILL-{number:04d}"
        steps.append((max(0.0, at - 3.0), sector, asset, metric, calm))
        steps.append((at, sector, asset, metric, high))
        if number % 2 == 1:
            steps.append((at + 4.0, sector, asset, metric, calm))
    return iter(sorted(steps))
