"""Hospitals, ambulances and the wards' dengue reports: they feel rain, smog, jams and epidemics a little later."""

from typing import Final

import numpy as np

from simulation.feed import Measuring, Moment, Round, Wander
from simulation.flood import Flood
from simulation.hours import EMERGENCIES
from simulation.instruments import Floats, Instruments, Surveyor, distances_km
from simulation.mishaps import Mishaps

KNOWN: Final = (
    ("BV-CHO-RAY", 106.6594, 10.7577),
    ("BV-NHAN-DAN-GIA-DINH", 106.6943, 10.8039),
    ("BV-NHAN-DAN-115", 106.6672, 10.7755),
    ("BV-THONG-NHAT", 106.6533, 10.7916),
    ("BV-NGUYEN-TRI-PHUONG", 106.6697, 10.7552),
    ("BV-NHI-DONG-1", 106.6702, 10.7687),
    ("BV-NHI-DONG-2", 106.7029, 10.7812),
    ("BV-TU-DU", 106.6853, 10.7687),
    ("BV-BENH-NHIET-DOI", 106.6789, 10.7534),
    ("BV-TRUNG-VUONG", 106.6580, 10.7726),
    ("BV-SAI-GON", 106.6983, 10.7714),
    ("BV-BINH-DAN", 106.6812, 10.7743),
    ("BV-QUAN-Y-175", 106.6795, 10.8177),
    ("BV-THU-DUC", 106.7632, 10.8540),
)
"""Real places; every number about them is invented."""

_RESPONDS_S: Final = 240.0
_ROUNDS_KM: Final = 1.5
"""Where an ambulance station's cars mostly drive."""
_IMPASSABLE_CM: Final = 25.0
_STUCK: Final = 0.4
"""Share of a station's cars that a flooded street around it holds up."""


class Hospitals(Measuring):
    """Emergency rooms and intensive care."""

    name = "health"
    sector = "health"

    def __init__(self, count: int, cadence_s: float, surveyor: Surveyor, rng: np.random.Generator) -> None:
        known = KNOWN[:count]
        names = [name for name, *_ in known] + [f"BV-{i:03d}" for i in range(len(known) + 1, count + 1)]
        places = [surveyor.at(lon, lat) for _, lon, lat in known] + surveyor.places(count - len(known), core_share=0.6)
        super().__init__(Instruments(names, places, cadence_s))
        self._busiest_ph = np.sort(rng.uniform(8, 32, count))[::-1]
        self._beds = np.round(self._busiest_ph * rng.uniform(12, 18, count))
        self._icu_free_pct = rng.uniform(20, 36, count)
        self._arrivals = Wander(count, 0.05, 15, rng)
        self._icu = Wander(count, 0.9, 60, rng)
        self._rng = rng
        self._crashes = Mishaps(count, 1.5, (15.0, 40.0), rng)
        self.pressure = 0.0
        """Emergencies beyond the ordinary: 1 is as many again as an ordinary peak."""

    def advance(self, moment: Moment, distress: float) -> Round | None:
        """The readings that are due; distress: how much of the city is flooded, 0 to 1."""
        scenario, second = moment.scenario, moment.second
        towards = 1.5 * distress + 1.9 * scenario.outbreak.at(second) + 0.7 * scenario.smog.at(second)
        self.pressure += (towards - self.pressure) * (1 - float(np.exp(-moment.seconds / _RESPONDS_S)))
        self._crashes.advance(moment)
        who, when = self.instruments.due(moment.after_us, moment.until_us)
        if not len(who):
            return None
        load = np.maximum(0.05, moment.local.share(EMERGENCIES) + self.pressure + self._arrivals.step(who))
        icu = np.clip(self._icu_free_pct[who] - 9 * self.pressure + self._icu.step(who), 0, 100)
        columns: dict[str, tuple[Floats, int]] = {
            "er_arrivals_ph": (self._busiest_ph[who] * load + 65 * self._crashes.strength(who), 0),
            "er_wait_min": (10 + 15 * load**2, 0),
            "er_occupancy_pct": (np.clip(62 * load, 5, 300), 0),
            "icu_free_pct": (icu, 1),
            "beds_free": (np.maximum(0.0, self._beds[who] * (0.24 - 0.07 * self.pressure)), 0),
            "ventilators_free": (np.maximum(0.0, self._beds[who] * 0.001 * icu), 0),
            "oxygen_pct": (84 - 9 * self.pressure + self._rng.normal(0, 0.3, len(who)), 0),
        }
        return self.round(moment, who, when, columns)


class Ambulances(Measuring):
    """Stations of the emergency service 115."""

    name = "ambulance"
    sector = "health"

    def __init__(
        self, count: int, cadence_s: float, surveyor: Surveyor, flood: Flood, rng: np.random.Generator
    ) -> None:
        names = [f"T115-{i:02d}" for i in range(1, count + 1)]
        super().__init__(Instruments(names, surveyor.places(count, core_share=0.7), cadence_s))
        self._cars = rng.integers(6, 10, count).astype(np.float64)
        self._wander = Wander(count, 0.55, 30, rng)
        self._flood = flood
        self._streets_around = distances_km(self.instruments, flood.instruments) < _ROUNDS_KM

    def advance(self, moment: Moment, pressure: float, jam: float) -> Round | None:
        """The readings that are due."""
        who, when = self.instruments.due(moment.after_us, moment.until_us)
        if not len(who):
            return None
        cut_off = np.any(self._streets_around[who] & (self._flood.depth_cm > _IMPASSABLE_CM), axis=1)
        on_the_way = self._cars[who] * (
            0.2 + 0.15 * moment.local.share(EMERGENCIES) + 0.2 * pressure + _STUCK * cut_off
        )
        free = np.clip(np.round(self._cars[who] - on_the_way - self._wander.step(who)), 0, self._cars[who])
        minutes = 7 + 4 * moment.local.driving + 40 * jam + 3 * pressure
        columns = {"ambulances_free": (free, 0), "response_min": (np.full(len(who), minutes), 1)}
        return self.round(moment, who, when, columns)


class DenguePosts(Measuring):
    """Each ward's count of the last seven days; weekly, and more often while an epidemic runs."""

    name = "dengue"
    sector = "health"

    def __init__(self, surveyor: Surveyor, rng: np.random.Generator, *, epidemic: bool) -> None:
        names = [f"SXH-{zone.code}" for zone in surveyor.zones]
        places = [surveyor.within(zone) for zone in surveyor.zones]
        super().__init__(Instruments(names, places, 600 if epidemic else 7 * 86_400))
        self._ordinary = rng.uniform(2, 9, len(names))
        self._cluster = np.where(rng.random(len(names)) < 0.15, rng.uniform(60, 170, len(names)), 16.0)
        self._rng = rng

    def advance(self, moment: Moment) -> Round | None:
        """The reports that are due."""
        who, when = self.instruments.due(moment.after_us, moment.until_us)
        if not len(who):
            return None
        outbreak = moment.scenario.outbreak.at(moment.second)
        cases = self._rng.poisson(self._ordinary[who] + outbreak * self._cluster[who]).astype(np.float64)
        return self.round(moment, who, when, {"dengue_cases_weekly": (cases, 0)})
