"""Rain gauges, the tide gauge, noise meters and air stations."""

from datetime import date
from typing import Final

import numpy as np

from simulation.feed import Measuring, Moment, Round, Wander
from simulation.hours import NOISE
from simulation.instruments import Floats, Instruments, Surveyor
from simulation.mishaps import Mishaps
from simulation.weather import Weather

PHU_AN: Final = (106.7070, 10.7770)

# Breakpoints of VN_AQI for one hour of PM2.5, µg/m³ (Decision 1459/QĐ-TCMT of 2019).
_PM25: Final = (0.0, 25.0, 50.0, 80.0, 150.0, 250.0, 350.0, 500.0)
_AQI: Final = (0.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0, 500.0)


class RainGauges(Measuring):
    """Intensity, and what fell since local midnight."""

    name = "rain"
    sector = "environment"

    def __init__(self, count: int, cadence_s: float, surveyor: Surveyor, rng: np.random.Generator) -> None:
        names = [f"RG-{i:03d}" for i in range(1, count + 1)]
        places = [surveyor.at(106.7020, 10.7900), *surveyor.places(count - 1, tells_zone=False)]
        super().__init__(Instruments(names, places, cadence_s))
        self._rng = rng
        self._fallen_mm: Floats = np.zeros(count)
        self._day: date | None = None

    def advance(self, moment: Moment, weather: Weather) -> Round | None:
        """The readings that are due."""
        if self._day != moment.local.at.date():
            self._day = moment.local.at.date()
            self._fallen_mm = np.zeros(len(self.instruments))
        rain = weather.rain_at(self.instruments.points)
        self._fallen_mm += rain * moment.seconds / 3600
        who, when = self.instruments.due(moment.after_us, moment.until_us)
        measured = np.maximum(0.0, rain[who] * (1 + self._rng.normal(0, 0.03, len(who))))
        columns = {"rain_mm_h": (measured, 1), "rain_mm_day": (self._fallen_mm[who], 1)}
        return self.round(moment, who, when, columns)


class TideGauge(Measuring):
    """The gauge at Phú An on the Sài Gòn river."""

    name = "tide"
    sector = "environment"

    def __init__(self, cadence_s: float, surveyor: Surveyor, rng: np.random.Generator) -> None:
        super().__init__(Instruments(["PA-1"], [surveyor.at(*PHU_AN)], cadence_s))
        self._rng = rng

    def advance(self, moment: Moment) -> Round | None:
        """The readings that are due."""
        who, when = self.instruments.due(moment.after_us, moment.until_us)
        level = moment.tide_m + self._rng.normal(0, 0.003, len(who))
        return self.round(moment, who, when, {"water_level_m": (level, 3)})


class NoiseMeters(Measuring):
    """Sound at the roadside."""

    name = "noise"
    sector = "environment"

    def __init__(self, count: int, cadence_s: float, surveyor: Surveyor, rng: np.random.Generator) -> None:
        names = [f"NM-{i:04d}" for i in range(1, count + 1)]
        super().__init__(Instruments(names, surveyor.places(count, tells_zone=False, core_share=0.95), cadence_s))
        self._site_db = rng.normal(0, 2.5, count)
        self._wander = Wander(count, 1.6, 8, rng)
        self._sites = Mishaps(count, 3.0, (20.0, 70.0), rng)

    def advance(self, moment: Moment, weather: Weather) -> Round | None:
        """The readings that are due."""
        self._sites.advance(moment, 1.6 * moment.local.share(NOISE))
        who, when = self.instruments.due(moment.after_us, moment.until_us)
        if not len(who):
            return None
        rain = weather.rain_at(self.instruments.points[who]) if weather.raining else np.zeros(len(who))
        day = 54 + 17 * moment.local.share(NOISE) + 3 * moment.scenario.rush.at(moment.second)
        wander = self._wander.step(who)
        loud = day + self._site_db[who] + wander + 4 * np.minimum(1, rain / 60)
        street = np.clip(loud, 38, 88)
        works = self._sites.strength(who) * (97 + wander)  # a breaker, a stage
        return self.round(moment, who, when, {"noise_db": (np.maximum(street, works), 1)})


class AirStations(Measuring):
    """What people breathe: traffic makes it, rain washes it out, still air keeps it."""

    name = "air"
    sector = "environment"

    def __init__(self, count: int, cadence_s: float, surveyor: Surveyor, rng: np.random.Generator) -> None:
        names = [f"AQ-{i:03d}" for i in range(1, count + 1)]
        super().__init__(Instruments(names, surveyor.places(count), cadence_s))
        self._site = rng.uniform(0.75, 1.25, count)
        self._wander = Wander(count, 0.06, 15, rng)
        self._rng = rng

    def advance(self, moment: Moment, weather: Weather) -> Round | None:
        """The readings that are due."""
        who, when = self.instruments.due(moment.after_us, moment.until_us)
        if not len(who):
            return None
        driving = moment.local.driving
        smog = moment.scenario.smog.at(moment.second)
        inversion = max(0.0, 1 - abs(moment.local.hour - 7) / 3)
        fresh = (1 - 0.5 * weather.wetness) * self._site[who] * (1 + self._wander.step(who))
        fine = (12 + 13 * driving + 8 * inversion + 150 * smog) * fresh
        sun = max(0.0, 1 - abs(moment.local.hour - 13) / 5)
        scatter = 1 + self._rng.normal(0, 0.02, len(who))
        columns = {
            "pm25": (fine, 1),
            "pm10": (fine * 1.6, 1),
            "aqi": (aqi_of_pm25(fine), 0),
            "no2": ((10 + 38 * driving) * fresh, 1),
            "no": ((4 + 30 * driving) * fresh, 1),
            "so2": ((4 + 5 * driving) * fresh, 1),
            "co": ((0.3 + 1.1 * driving + smog) * fresh, 2),
            "o3": ((18 + 75 * sun) * scatter, 1),
            "temperature_c": (weather.temperature_c * scatter, 1),
            "humidity_pct": (np.minimum(100.0, weather.humidity_pct * scatter), 0),
            "wind_ms": (np.maximum(0.1, (1 - 0.8 * smog) * weather.wind_ms * scatter), 1),
        }
        return self.round(moment, who, when, columns)


def aqi_of_pm25(pm25: Floats) -> Floats:
    """The part of VN_AQI that fine dust gives."""
    return np.asarray(np.interp(pm25, _PM25, _AQI), dtype=np.float64)
