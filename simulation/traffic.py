"""Vehicles: each detector sees its share of the city's driving, slowed by what exceeds the road and by water on it."""

from typing import Final

import numpy as np

from simulation.feed import Measuring, Moment, Round, Wander
from simulation.flood import Flood
from simulation.instruments import Floats, Indices, Instruments, Surveyor, distances_km
from simulation.mishaps import Mishaps
from simulation.weather import Weather

_NEAR_KM: Final = 0.2
_JAM_KMH: Final = 13.0
_FREE_AGAIN_KMH: Final = 17.0
_QUEUE_S: Final = 120.0


class Traffic(Measuring):
    """Loop detectors. Speed follows the Bureau of Public Roads' curve of volume over capacity."""

    name = "traffic"
    sector = "traffic"

    def __init__(
        self, count: int, cadence_s: float, surveyor: Surveyor, flood: Flood, rng: np.random.Generator
    ) -> None:
        names = [f"TD-{i:04d}" for i in range(1, count + 1)]
        super().__init__(Instruments(names, surveyor.places(count), cadence_s))
        self._free_kmh = rng.uniform(30, 52, count)
        self._capacity_vph = rng.choice([1200.0, 2400.0, 3600.0], count, p=[0.5, 0.35, 0.15])
        self._load = rng.uniform(0.55, 0.88, count)
        hot = rng.random(count) < 0.03
        self._rush_load = np.where(hot, rng.uniform(0.7, 1.15, count), rng.uniform(0.0, 0.2, count))
        self._rush_load[: max(1, count // 200)] = 1.15  # however small the city, a junction jams
        self._wander = Wander(count, 0.035, 20, rng)
        self._flood = flood
        self._accidents = Mishaps(count, 6.0, (8.0, 25.0), rng)
        distances = distances_km(self.instruments, flood.instruments)
        self._water = distances.argmin(axis=1)
        self._under_water = distances.min(axis=1) < _NEAR_KM
        self._queue_m: Floats = np.zeros(count)
        self._jammed_since = np.full(count, -1, dtype=np.int64)

    @property
    def jam(self) -> float:
        """Share of the detectors in a jam."""
        return float(np.mean(self._jammed_since >= 0))

    def advance(self, moment: Moment, weather: Weather) -> Round | None:
        """The readings that are due."""
        self._accidents.advance(moment, 2 * moment.local.driving)
        who, when = self.instruments.due(moment.after_us, moment.until_us)
        if not len(who):
            return None
        rush = moment.scenario.rush.at(moment.second)
        demand = self._load[who] * max(moment.local.driving, rush) + self._rush_load[who] * rush
        rain = weather.rain_at(self.instruments.points[who]) if weather.raining else np.zeros(len(who))
        passable = np.minimum(self._passable(who), 1 - 0.88 * self._accidents.strength(who))
        ratio = demand * (1 + self._wander.step(who)) / (1 - 0.2 * np.minimum(1.0, rain / 60))
        speed = np.maximum(self._free_kmh[who] / (1 + 0.9 * ratio**4) * passable, 0.8)
        flow = self._capacity_vph[who] * np.minimum(ratio, 1 - 0.3 * np.clip(ratio - 1, 0, 1)) * passable
        crowding = np.minimum(100.0, 11 * flow / self._capacity_vph[who] * self._free_kmh[who] / speed)
        queue = self._grow_queues(who, ratio + 0.7 * (1 - passable))
        self._note_jams(who, when, speed)
        jammed = self._jammed_since[who] >= 0
        minutes = np.where(jammed, (when - self._jammed_since[who]) / 60e6, 0.0)
        columns = {
            "speed_kmh": (speed, 1),
            "flow_vph": (np.maximum(flow, 0.0), 0),
            "occupancy_pct": (crowding, 1),
            "queue_m": (queue, 0),
            "congested": (jammed.astype(np.float64), 0),
            "congested_min": (np.floor(minutes), 0),
        }
        return self.round(moment, who, when, columns)

    def _passable(self, who: Indices) -> Floats:
        """1: dry; towards 0.12 as water beside the detector stalls motorcycles (25 cm) and cars (40 cm)."""
        depth = np.where(self._under_water[who], self._flood.depth_cm[self._water[who]], 0.0)
        return np.asarray(np.clip(1 - (depth - 8) / 30, 0.12, 1.0), dtype=np.float64)

    def _grow_queues(self, who: Indices, ratio: Floats) -> Floats:
        towards = 640 * np.minimum(np.maximum(ratio - 0.95, 0.0), 2.0)
        share = 1 - np.exp(-self.instruments.cadence_us / 1e6 / _QUEUE_S)
        self._queue_m[who] += (towards - self._queue_m[who]) * share
        return self._queue_m[who]

    def _note_jams(self, who: Indices, when: Indices, speed: Floats) -> None:
        since = self._jammed_since[who]
        since = np.where((since < 0) & (speed < _JAM_KMH), when, since)
        self._jammed_since[who] = np.where((since >= 0) & (speed > _FREE_AGAIN_KMH), -1, since)
