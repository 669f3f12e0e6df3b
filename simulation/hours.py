"""How an ordinary day goes: what fraction of its peak each activity has at each local hour."""

from datetime import datetime, tzinfo
from typing import Final, NamedTuple

import numpy as np

from city.timestamps import to_datetime

_HOURS: Final = tuple(range(25))
DRIVING: Final = (
    *(0.12, 0.08, 0.06, 0.06, 0.10, 0.25, 0.60, 0.96, 0.86, 0.66, 0.62, 0.68),
    *(0.64, 0.62, 0.64, 0.68, 0.82, 1.00, 0.96, 0.78, 0.62, 0.50, 0.36, 0.22, 0.12),
)
"""Two rush hours, the evening's the stronger one."""
DRIVING_WEEKEND: Final = (
    *(0.20, 0.14, 0.10, 0.08, 0.10, 0.20, 0.35, 0.48, 0.56, 0.62, 0.66, 0.64),
    *(0.58, 0.56, 0.58, 0.62, 0.70, 0.78, 0.82, 0.80, 0.74, 0.64, 0.48, 0.34, 0.20),
)
EMERGENCIES: Final = (
    *(0.45, 0.38, 0.32, 0.30, 0.32, 0.40, 0.55, 0.75, 0.92, 1.00, 0.98, 0.92),
    *(0.84, 0.80, 0.78, 0.80, 0.84, 0.90, 0.98, 1.00, 0.98, 0.90, 0.74, 0.58, 0.45),
)
NOISE: Final = (
    *(0.20, 0.12, 0.08, 0.08, 0.18, 0.45, 0.75, 0.95, 0.92, 0.85, 0.82, 0.84),
    *(0.74, 0.76, 0.80, 0.84, 0.92, 1.00, 0.98, 0.92, 0.84, 0.70, 0.48, 0.32, 0.20),
)
CALLING: Final = (
    *(0.10, 0.07, 0.05, 0.05, 0.08, 0.20, 0.45, 0.80, 1.00, 0.98, 0.92, 0.80),
    *(0.62, 0.78, 0.90, 0.92, 0.88, 0.84, 0.74, 0.66, 0.56, 0.42, 0.28, 0.16, 0.10),
)
WARMTH: Final = (
    *(0.22, 0.16, 0.10, 0.05, 0.01, 0.00, 0.06, 0.22, 0.42, 0.62, 0.80, 0.92),
    *(0.98, 1.00, 0.96, 0.88, 0.76, 0.62, 0.50, 0.44, 0.38, 0.34, 0.30, 0.26, 0.22),
)


class LocalTime(NamedTuple):
    """Where in its day and week the city is."""

    hour: float
    weekend: bool
    at: datetime

    @classmethod
    def of(cls, time_us: int, zone: tzinfo) -> "LocalTime":
        """Local time of an instant."""
        at = to_datetime(time_us).astimezone(zone)
        return cls(at.hour + at.minute / 60 + at.second / 3600, at.weekday() >= 5, at)

    def share(self, profile: tuple[float, ...]) -> float:
        """The profile's value now, between the hours in a straight line."""
        return float(np.interp(self.hour, _HOURS, profile))

    @property
    def driving(self) -> float:
        """How much of the peak's traffic is on the road."""
        return self.share(DRIVING_WEEKEND if self.weekend else DRIVING)
