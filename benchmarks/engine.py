"""The alert engine alone, without broker or database: evaluations a second, state a series, stall by a snapshot.

An evaluation is one rule looking at one reading. 5,000 assets report two metrics each, one rule watches each metric,
one reading in a hundred crosses a limit. The window evaluations are of such readings by rules on the mean of 15 minutes
and the greatest value of 5. The snapshots are of 20,000 series and of 200,000, the most a sector may have, one in
twenty with an open alert; the stall is the longest time that the event loop was kept from running while the state was
copied, in slices as the worker does it, and encoded. The back-test is of one threshold rule over one metric of the same
assets, from bytes as the database sends them.
"""

import asyncio
import gc
import random
import statistics
import time
import tracemalloc
from typing import Final

import msgspec
import numpy as np

from alerts.backtest import Backtest, StoredSeries
from alerts.copyrows import PG_EPOCH_US, ROW
from alerts.engine import Arrival, Engine, Tick
from alerts.freeze import Freezing
from alerts.frozen import encode
from alerts.rulefile import parse_rules
from alerts.rules import Rule
from alerts.service import collect_seldom
from alerts.snapshot import copy
from alerts.worker import MAX_RECORDS
from benchmarks.stack import Row, row
from city.events import Reading
from city.sectors import Catalogue
from city.settings import DEFAULT_CITY

ASSETS: Final = 5_000
ROUNDS: Final = 40
SNAPSHOT_ASSETS: Final = (10_000, 100_000)
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

WINDOW_RULES: Final = """
rule: bench-mean
title: {vi: a, en: b}
short: {vi: a, en: b}
sector: environment
metric: flood_cm
measure: {mean: 15m}
raise: {warning: {above: 15, for: 20s}, critical: {above: 30}}
clear: {below: 10, for: 1m}
---
rule: bench-max
title: {vi: a, en: b}
short: {vi: a, en: b}
sector: environment
metric: rain_mm_h
measure: {max: 5m}
raise: {warning: {above: 50, for: 1m}}
clear: {below: 30, for: 1m}
"""


async def measure() -> list[Row]:
    """Rows of the report."""
    catalogue = Catalogue.load(DEFAULT_CITY)
    rules = [loaded.rule for loaded in parse_rules(RULES, catalogue)]
    rate = max(_rate(catalogue, rules) for _ in range(3))
    windows = [loaded.rule for loaded in parse_rules(WINDOW_RULES, catalogue)]
    window_rate = max(_rate(catalogue, windows) for _ in range(3))
    tested = max(_backtested(catalogue, [rule]) for rule in rules[:1] for _ in range(3))
    new = statistics.median(_met_ms(catalogue, windows) for _ in range(5))
    state = _state_bytes(catalogue, rules)
    stall, largest = [await _stall_ms(catalogue, rules, assets) for assets in SNAPSHOT_ASSETS]
    return [
        row("engine_threshold_evaluations_per_s", rate, "1/s", 1_000_000, at_least=True, digits=None),
        row("engine_window_evaluations_per_s", window_rate, "1/s", 300_000, at_least=True, digits=None),
        row("backtest_readings_per_s", tested, "1/s", 500_000, at_least=True, digits=None),
        row("engine_new_series_ms", new, "ms", 20, digits=1),
        row("engine_state_bytes", state, "B", 1024, digits=None),
        row("snapshot_stall_ms", stall, "ms", 20, digits=1),
        row("snapshot_stall_200k_series_ms", largest, "ms", 20, digits=1),
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


def _met_ms(catalogue: Catalogue, rules: list[Rule]) -> float:
    """The longest of steps that bring as many new assets as one may, both series of each under a windowed rule; garbage
    is collected as the worker has it."""
    engine = Engine("environment", catalogue, rules)
    readings = arrivals(0, 10_000, random.Random(1), 0.01)
    thresholds, took = gc.get_threshold(), []
    gc.collect()
    collect_seldom()
    for first in range(0, len(readings), MAX_RECORDS):
        began = time.perf_counter()
        engine.step(readings[first : first + MAX_RECORDS], Tick(START, True))
        took.append(time.perf_counter() - began)
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    return max(took) * 1e3


def _backtested(catalogue: Catalogue, rules: list[Rule]) -> float:
    """Readings a second of a back-test, from bytes as COPY sends them, 64 KiB at a time; the database not counted."""
    series = [StoredSeries(number, f"A-{number}", "26740", "flood_cm") for number in range(ASSETS)]
    rows = np.zeros(ASSETS * ROUNDS, dtype=ROW)
    rows["fields"], rows["time_length"], rows["series_length"], rows["value_length"] = 3, 8, 4, 8
    rows["time"] = START - PG_EPOCH_US + np.repeat(np.arange(ROUNDS) * 10 * US, ASSETS)
    rows["series"] = np.tile(np.arange(ASSETS), ROUNDS)
    rows["value"] = np.random.default_rng(1).uniform(0, 15.1, ASSETS * ROUNDS)
    data = bytes(19) + rows.tobytes()
    test = Backtest(catalogue, "environment", rules, series)
    began = time.perf_counter()
    for start in range(0, len(data), 65_536):
        test.take(data[start : start + 65_536])
    return test.readings / (time.perf_counter() - began)


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


async def _stall_ms(catalogue: Catalogue, rules: list[Rule], assets: int) -> float:
    """Median over the snapshots of the longest stall of each."""
    sector = msgspec.structs.replace(catalogue.sectors["environment"], series_limit=200_000)
    catalogue = Catalogue(catalogue.sectors | {"environment": sector}, catalogue.city)
    engine = Engine("environment", catalogue, rules)
    chance = random.Random(1)
    for second in range(0, 60, 10):
        engine.step(arrivals(second, assets, chance, 0.05), Tick(START + second * US, True))
    worst = []
    for _ in range(SNAPSHOTS):
        late = [0.0]
        beating = asyncio.create_task(_beat(late))
        await asyncio.sleep(0.01)
        late[0] = 0.0
        frozen = await copy(Freezing(engine), engine.sector)
        await asyncio.to_thread(encode, frozen)
        await asyncio.sleep(0.002)
        beating.cancel()
        worst.append(late[0])
        del frozen
    return statistics.median(worst) * 1e3


async def _beat(late: list[float]) -> None:
    """Note by how much the event loop was late, at worst."""
    while True:
        due = time.perf_counter() + 0.001
        await asyncio.sleep(0.001)
        late[0] = max(late[0], time.perf_counter() - due)
