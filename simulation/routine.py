"""The sectors that are only configured: steady instruments that follow the hours of the day."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulation.feed import Measuring, Moment, Round, Wander
from simulation.hours import CALLING, DRIVING, EMERGENCIES, WARMTH
from simulation.instruments import Instruments, Surveyor

FLAT: Final = (0.5,) * 25


@dataclass(frozen=True)
class Habit:
    """A metric that moves between two values with the hours of the day."""

    metric: str
    low: float
    high: float
    profile: tuple[float, ...] = FLAT


@dataclass(frozen=True)
class Kind:
    """Some like assets of a sector."""

    sector: str
    prefix: str
    count: int
    cadence_s: float
    habits: tuple[Habit, ...]


KINDS: Final = (
    Kind("traffic", "PK", 12, 60, (Habit("parking_free", 260, 40, DRIVING),)),
    Kind("traffic", "TT", 12, 60, (Habit("travel_time_min", 14, 34, DRIVING), Habit("heavy_share_pct", 12, 7))),
    Kind("traffic", "BUS", 10, 60, (Habit("bus_delay_min", 0, 9, DRIVING),)),
    Kind("traffic", "METRO", 1, 60, (Habit("metro_headway_min", 12, 5, DRIVING),)),
    Kind("health", "BLOOD", 2, 3600, (Habit("blood_days", 6, 5, EMERGENCIES),)),
    Kind("environment", "SAL", 3, 60, (Habit("river_salinity_g_l", 0.1, 0.4),)),
    Kind("education", "EDU", 6, 60, (Habit("classroom_co2_ppm", 420, 900, CALLING),)),
    Kind("finance", "PAY", 3, 60, (Habit("payments_per_min", 900, 21_000, CALLING),)),
    Kind("tourism", "TOUR", 8, 60, (Habit("visitors", 20, 1500, CALLING),)),
    Kind("agriculture", "CANAL", 5, 600, (Habit("salinity_g_l", 0.3, 0.9), Habit("soil_moisture_pct", 55, 65))),
    Kind("logistics", "PORT", 4, 60, (Habit("truck_wait_min", 8, 35, DRIVING), Habit("yard_fill_pct", 62, 74))),
    Kind("energy", "GRID", 5, 60, (Habit("demand_mw", 520, 1050, WARMTH), Habit("outage_customers", 0, 0))),
    Kind("security", "SOC", 3, 60, (Habit("blocked_attacks_ph", 800, 2600), Habit("failed_logins_ph", 20, 180))),
    Kind("hotline", "LINE", 4, 60, (Habit("calls_ph", 20, 260, CALLING), Habit("waiting_calls", 0, 6, CALLING))),
    Kind("government", "DVC", 4, 60, (Habit("portal_latency_ms", 180, 420, CALLING),)),
)


class Routine(Measuring):
    """One kind of asset."""

    def __init__(self, kind: Kind, surveyor: Surveyor, rng: np.random.Generator) -> None:
        self.name = kind.prefix.lower()
        self.sector = kind.sector
        names = [f"{kind.prefix}-{i:02d}" for i in range(1, kind.count + 1)]
        super().__init__(Instruments(names, surveyor.places(kind.count), kind.cadence_s))
        self._habits = kind.habits
        self._wander = Wander(kind.count, 0.04, 20, rng)

    def advance(self, moment: Moment) -> Round | None:
        """The readings that are due."""
        who, when = self.instruments.due(moment.after_us, moment.until_us)
        if not len(who):
            return None
        wander = 1 + self._wander.step(who)
        columns = {}
        for habit in self._habits:
            value = habit.low + (habit.high - habit.low) * moment.local.share(habit.profile)
            columns[habit.metric] = (value * wander, 0 if habit.high > 40 else 2)
        return self.round(moment, who, when, columns)
