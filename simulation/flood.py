"""Water on the streets: what rain brings beyond the drains, and how fast it leaves against the tide."""

from typing import Final

import numpy as np

from simulation.feed import Measuring, Moment, Round
from simulation.instruments import Floats, Instruments, Surveyor
from simulation.mishaps import Mishaps
from simulation.scenario import WELCOME_SENSOR
from simulation.weather import Weather

KNOWN: Final = (
    (WELCOME_SENSOR, "Nguyễn Hữu Cảnh", 106.7195, 10.7925),
    ("FL-BACH-DANG", "Bạch Đằng", 106.7060, 10.8030),
    ("FL-UNG-VAN-KHIEM", "Ung Văn Khiêm", 106.7165, 10.8075),
    ("FL-QUOC-HUONG", "Quốc Hương", 106.7325, 10.8040),
    ("FL-TRAN-XUAN-SOAN", "Trần Xuân Soạn", 106.7065, 10.7520),
    ("FL-HUYNH-TAN-PHAT", "Huỳnh Tấn Phát", 106.7370, 10.7300),
    ("FL-BINH-QUOI", "Bình Quới", 106.7290, 10.8230),
    ("FL-TO-NGOC-VAN", "Tô Ngọc Vân", 106.7480, 10.8560),
    ("FL-PHAN-ANH", "Phan Anh", 106.6270, 10.7810),
    ("FL-KINH-DUONG-VUONG", "Kinh Dương Vương", 106.6170, 10.7370),
    ("FL-LE-VAN-LUONG", "Lê Văn Lương", 106.7020, 10.7050),
    ("FL-NGUYEN-VAN-KHOI", "Nguyễn Văn Khối", 106.6480, 10.8480),
)
"""Streets that the city knows for flooding: sensor, street, longitude, latitude."""

_CATCHMENT: Final = 12.0  # a street collects the surplus of so many times its own area
_DRAIN_S: Final = 1500.0


class Flood(Measuring):
    """Depth in cm at every sensor."""

    name = "flood"
    sector = "environment"

    def __init__(self, count: int, cadence_s: float, surveyor: Surveyor, rng: np.random.Generator) -> None:
        known = KNOWN[: max(1, min(count, len(KNOWN)))]
        names = [name for name, *_ in known] + [f"FL-{i:04d}" for i in range(len(known) + 1, count + 1)]
        places = [surveyor.at(lon, lat) for _, _, lon, lat in known]
        places += surveyor.places(count - len(known), tells_zone=True)
        super().__init__(Instruments(names, places, cadence_s))
        self.streets = [street for _, street, *_ in known] + [""] * (count - len(known))
        self._drains_mm_h = rng.uniform(34, 60, count)
        self._brim_cm = rng.uniform(38, 72, count)
        self._rng = rng
        self._bursts = Mishaps(count, 1.5, (15.0, 45.0), rng)
        self.depth_cm: Floats = np.zeros(count)

    @property
    def distress(self) -> float:
        """0: no street is flooded; 1: a sixth or more are."""
        return min(1.0, 6 * float(np.mean(self.depth_cm > 15)))

    def advance(self, moment: Moment, weather: Weather) -> Round | None:
        """Let water come and go; the readings that are due."""
        self._bursts.advance(moment)
        self._move(moment, weather)
        who, when = self.instruments.due(moment.after_us, moment.until_us)
        if not len(who):
            return None
        depth = np.maximum(self.depth_cm[who], 24 * self._bursts.strength(who))  # a main under the street
        measured = np.where(depth > 0.5, depth + self._rng.normal(0, 0.3, len(who)), 0.0)
        return self.round(moment, who, when, {"flood_cm": (np.maximum(measured, 0.0), 1)})

    def _move(self, moment: Moment, weather: Weather) -> None:
        if weather.raining or self.depth_cm.any():
            rain = weather.rain_at(self.instruments.points)
            surplus_mm_h = np.maximum(rain - self._drains_mm_h, 0.0)
            backwater = min(0.8, max(0.0, (moment.tide_m - 1.2) / 0.5))
            rises = surplus_mm_h * _CATCHMENT * 0.1 / 3600
            falls = self.depth_cm * (1 - backwater) / _DRAIN_S
            pace = moment.seconds * moment.scenario.hydrology_pace
            self.depth_cm = np.clip(self.depth_cm + (rises - falls) * pace, 0.0, self._brim_cm)
            self.depth_cm[(self.depth_cm < 0.1) & (rises <= 0)] = 0.0  # the last of it dries up
        for name, curve in moment.scenario.flooded.items():
            if name in self.instruments.names:
                self.depth_cm[self.instruments.names.index(name)] = curve.at(moment.second)
