"""The alert engine alone, without broker or database: evaluations a second, state a series, stall by a snapshot.

An evaluation is one rule looking at one reading. 5,000 assets report two metrics each, one rule watches each metric,
one reading in a hundred crosses a limit. The snapshot is of 20,000 series, one in twenty with an open alert; its stall
is the longest time that the event loop was kept from running while it was frozen and encoded.
"""

import asyncio
import random
import statistics
import time
import tracemalloc
from typing import Final

from alerts.engine import Arrival, Engine, Tick
from alerts.freeze import encode, freeze
from alerts.rulefile import parse_rules
from alerts.rules import Rule
from benchmarks.stack import Row
from city.events import Reading
from city.sectors import Catalogue
from city.settings import DEFAULT_CITY

ASSETS: Final = 5_000
ROUNDS: Final = 40
SNAPSHOT_ASSETS: Final = 10_000
SNAPSHOTS: Final = 9
START: Final = 1_795_331_220_000_000
US: Final = 1_000_000

RULES: Final = """
rule: bench-flood
title: {vi: a, en: b}
short: {vi: a, en: b}
sector: environment
metric: flood_cm
raise: {warning: {above: 15, for: 20s}, critical: {above: 30}}
clear: {below: 10, for: 1m}
---
rule: bench-rain
title: {vi: a, en: b}
short: {vi: a, en: b}
sector: environment
metric: rain_mm_h
raise: {warning: {above: 50, for: 1m}}
clear: {below: 30, for: 1m}
"""


async def measure() -> list[Row]:
    """Rows of the report."""
    catalogue = Catalogue.load(DEFAULT_CITY)
    rules = [loaded.rule for loaded in parse_rules(RULES, catalogue)]
    rate = max(_rate(catalogue, rules) for _ in range(3))
    state = _state_bytes(catalogue, rules)
    stall = await _stall_ms(catalogue, rules)
    return [
        Row(
            name="engine_threshold_evaluations_per_s",
            value=round(rate),
            unit="1/s",
            budget=1_000_000,
            met=rate >= 1_000_000,
        ),
        Row(name="engine_state_bytes", value=round(state), unit="B", budget=1024, met=state < 1024),
        Row(name="snapshot_stall_ms", value=round(stall, 1), unit="ms", budget=20, met=stall < 20),
    ]


def arrivals(second: int, assets: int, chance: random.Random, crossing: float) -> list[Arrival]:
    """One reading of every asset, a share of them beyond the limits."""
    now = START + second * US
    made = []
    for number in range(assets):
        flood = 20.0 if chance.random() < crossing else chance.uniform(0, 14)
        values = {"flood_cm": flood, "rain_mm_h": chance.uniform(0, 49)}
        made.append(Arrival(now, Reading("environment", f"A-{number}", now, values, "26740", False, (106.7, 10.8))))
    return made


def _rate(catalogue: Catalogue, rules: list[Rule]) -> float:
    engine = Engine("environment", catalogue, rules)
    chance = random.Random(1)
    steps = [arrivals(10 * number, ASSETS, chance, 0.01) for number in range(ROUNDS)]
    engine.step(steps[0], Tick(START, True))  # meets every asset
    began = time.perf_counter()
    for number, step in enumerate(steps[1:], start=1):
        engine.step(step, Tick(START + 10 * number * US, True))
    return (ROUNDS - 1) * ASSETS * len(rules) / (time.perf_counter() - began)


def _state_bytes(catalogue: Catalogue, rules: list[Rule]) -> float:
    """Bytes a (rule, series), names of the assets included."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        engine = Engine("environment", catalogue, rules)
        chance = random.Random(1)
        for second in range(0, 60, 10):
            engine.step(arrivals(second, ASSETS, chance, 0.05), Tick(START + second * US, True))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / (ASSETS * len(rules))


async def _stall_ms(catalogue: Catalogue, rules: list[Rule]) -> float:
    """Median over the snapshots of the longest stall of each."""
    engine = Engine("environment", catalogue, rules)
    chance = random.Random(1)
    for second in range(0, 60, 10):
        engine.step(arrivals(second, SNAPSHOT_ASSETS, chance, 0.05), Tick(START + second * US, True))
    worst = []
    for _ in range(SNAPSHOTS):
        late = [0.0]
        beating = asyncio.create_task(_beat(late))
        await asyncio.sleep(0.01)
        late[0] = 0.0
        began = time.perf_counter()
        frozen = freeze(engine)
        stopped = time.perf_counter() - began
        await asyncio.to_thread(encode, frozen)
        beating.cancel()
        worst.append(max(stopped, late[0]))
        del frozen
    return statistics.median(worst) * 1e3


async def _beat(late: list[float]) -> None:
    """Note by how much the event loop was late, at worst."""
    while True:
        due = time.perf_counter() + 0.001
        await asyncio.sleep(0.001)
        late[0] = max(late[0], time.perf_counter() - due)
