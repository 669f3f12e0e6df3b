"""The sky over the city: cells of rain that come, drift and go; air temperature, humidity and wind."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulation.hours import WARMTH, LocalTime
from simulation.scenario import Curve, Scenario, StormPlan

Points = npt.NDArray[np.float64]
"""Positions in km east and north of the city's middle, shape (n, 2)."""

MIDDLE: Final = (106.700, 10.790)
KM_PER_LAT: Final = 111.195
KM_PER_LON: Final = KM_PER_LAT * math.cos(math.radians(MIDDLE[1]))

SHOWER_PEAK_MM_H: Final = 30.0
_SHOWERS_A_DAY: Final = 2.5
_DRAINS_SILENTLY: Final = 0.05


def plane(lon: float, lat: float) -> tuple[float, float]:
    """Kilometres east and north of the city's middle."""
    return (lon - MIDDLE[0]) * KM_PER_LON, (lat - MIDDLE[1]) * KM_PER_LAT


@dataclass
class _Cell:
    plan: StormPlan
    began_s: float
    ends_s: float


class Weather:
    """Call `advance` with every tick, in order; everything else looks at the moment reached."""

    def __init__(self, scenario: Scenario, rng: np.random.Generator) -> None:
        self._scenario = scenario
        self._rng = rng
        self._cells = [_Cell(plan, 0.0, plan.peak_mm_h.points[-1][0]) for plan in scenario.storms]
        self._second = 0.0
        self.temperature_c = 28.0
        self.humidity_pct = 75.0
        self.wind_ms = 2.0
        self.wetness = 0.0
        """0: dry; 1: it has rained hard over the middle for minutes."""

    def advance(self, second: float, local: LocalTime, seconds: float) -> None:
        """Move on to `second` since the start; `seconds` have passed."""
        self._second = second
        if self._scenario.showers:
            self._perhaps_shower(local, seconds)
        self._cells = [cell for cell in self._cells if second <= cell.ends_s]
        rain = float(self.rain_at(np.zeros((1, 2)))[0])
        drying = math.exp(-seconds / 900)
        self.wetness = self.wetness * drying + min(1.0, rain / 40) * (1 - drying)
        warm = 24.5 + 9.5 * local.share(WARMTH) - 4.0 * self.wetness
        calmness = math.exp(-seconds / 1800)
        self.temperature_c = self.temperature_c * calmness + warm * (1 - calmness)
        self.humidity_pct = min(99.0, 118 - 1.7 * self.temperature_c + 12 * self.wetness)
        gusts = 1.5 + 2.5 * local.share(WARMTH) + 5 * min(1.0, rain / 60)
        self.wind_ms = self.wind_ms * calmness + gusts * (1 - calmness)

    def rain_at(self, points: Points) -> npt.NDArray[np.float64]:
        """Rain in mm/h at each point now."""
        rain = np.zeros(len(points))
        for cell in self._cells:
            age = self._second - cell.began_s
            peak = cell.plan.peak_mm_h.at(age)
            if peak <= 0:
                continue
            east, north = plane(cell.plan.lon, cell.plan.lat)
            drift = age / 3600
            dx = points[:, 0] - (east + cell.plan.drift_km_h[0] * drift)
            dy = points[:, 1] - (north + cell.plan.drift_km_h[1] * drift)
            rain += peak * np.exp(-(dx * dx + dy * dy) / (2 * cell.plan.radius_km**2))
        rain[rain < _DRAINS_SILENTLY] = 0.0
        return rain

    @property
    def raining(self) -> bool:
        """Whether any cell of rain is about."""
        return bool(self._cells)

    def _perhaps_shower(self, local: LocalTime, seconds: float) -> None:
        """Showers come mostly between one and six in the afternoon."""
        afternoon = max(0.1, 1 - abs(local.hour - 15.5) / 3.5)
        chance = _SHOWERS_A_DAY / 86_400 * seconds * afternoon * 3
        if self._rng.random() >= chance or len(self._cells) > 3:
            return
        lasts = self._rng.uniform(1200, 3600)
        peak = self._rng.uniform(4, SHOWER_PEAK_MM_H)
        curve = Curve(((0, 0), (0.3 * lasts, peak), (0.6 * lasts, 0.7 * peak), (lasts, 0)))
        lon, lat = MIDDLE[0] + self._rng.normal(0, 0.06), MIDDLE[1] + self._rng.normal(0, 0.06)
        drift = self._rng.normal(0, 4, 2)
        plan = StormPlan(lon, lat, self._rng.uniform(2, 5), curve, (float(drift[0]), float(drift[1])))
        self._cells.append(_Cell(plan, self._second, self._second + lasts))
