"""The river's level at Phú An: a mixed, mainly semidiurnal tide of four constituents."""

import math
from typing import Final

MEAN_M: Final = 0.35
CONSTITUENTS: Final = (
    ("M2", 12.4206012, 0.55),
    ("S2", 12.0, 0.12),
    ("K1", 23.9344721, 0.22),
    ("O1", 25.8193387, 0.10),
)
"""Name, period in hours (astronomy gives it) and amplitude in metres: daily high water between 0.8 and 1.34 m, below
alarm level I, which takes a surge to pass."""

_PHASES: Final = (0.4, 1.9, 0.9, 4.1)
_SEARCH_H: Final = 16 * 24


def tide_m(time_us: int) -> float:
    """Level above the national datum, metres, without surge."""
    hours = time_us / 3.6e9
    return MEAN_M + sum(
        amplitude * math.cos(math.tau * hours / period + phase)
        for (_, period, amplitude), phase in zip(CONSTITUENTS, _PHASES, strict=True)
    )


def next_spring_tide(time_us: int) -> int:
    """The highest high water of the next sixteen days, to six minutes, microseconds since the epoch."""
    step = 360_000_000
    return max(range(time_us, time_us + _SEARCH_H * 3_600_000_000, step), key=tide_m)
