"""What goes wrong on an ordinary day: now and then a single instrument sees something worth an alarm."""

from typing import Final

import numpy as np

from simulation.feed import Moment
from simulation.instruments import Floats, Indices

_RAMP_US: Final = 60_000_000.0
_MOST: Final = 3
"""At once, of one kind."""


class Mishaps:
    """One kind of mishap among `count` instruments: about so many an ordinary day, each lasting `minutes` (from, to).

    Call `advance` with every tick, in order. Draws from a child of `rng`, whose own numbers stay as they are.
    """

    def __init__(self, count: int, a_day: float, minutes: tuple[float, float], rng: np.random.Generator) -> None:
        self._count = count
        self._a_day = a_day
        self._minutes = minutes
        self._rng = rng.spawn(1)[0]
        self._now: list[tuple[int, int, int]] = []
        self._reached_us = 0

    def advance(self, moment: Moment, share: float = 1.0) -> None:
        """Let some end and perhaps one begin; `share`: how likely now, 1 as on the day's average."""
        self._reached_us = moment.until_us
        self._now = [mishap for mishap in self._now if mishap[2] > moment.until_us]
        after = moment.scenario.mishaps_after_s
        if after is None or moment.second <= after or len(self._now) >= _MOST:
            return
        if self._rng.random() < self._a_day * share * moment.seconds / 86_400:
            lasts = round(self._rng.uniform(*self._minutes) * 60e6)
            self._now.append((int(self._rng.integers(self._count)), moment.until_us, moment.until_us + lasts))

    def strength(self, who: Indices) -> Floats:
        """0: nothing happens there; 1: it does; between them for a minute as it begins and ends."""
        strength = np.zeros(len(who))
        for at, began, ends in self._now:
            grown = min(self._reached_us - began, ends - self._reached_us) / _RAMP_US
            strength[who == at] = min(1.0, grown)
        return strength
