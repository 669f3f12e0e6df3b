"""A set of like instruments: where each stands, and which of them report in a span of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from city.events import Location
from city.zones import Zone, ZoneMap
from simulation.weather import plane

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FIRST_ROUND_US: Final = 10_000_000
"""Slow instruments report once, spread over so long, when the city starts; then each at its cadence."""
SLOW_US: Final = 20_000_000

_CORE_SHARE: Final = 0.8


@dataclass(frozen=True)
class Place:
    """Where an instrument stands; the zone is None where its owner does not tell it."""

    location: Location | None
    zone: str | None


class Instruments:
    """`names[i]` stands at `places[i]` and reports every `cadence_us`, each at its own moment of it."""

    def __init__(self, names: Sequence[str], places: Sequence[Place], cadence_s: float) -> None:
        self.names = list(names)
        self.places = list(places)
        self.cadence_us = round(cadence_s * 1e6)
        self.points = np.array(
            [plane(*place.location) if place.location is not None else (0.0, 0.0) for place in places]
        ).reshape(len(places), 2)

    def __len__(self) -> int:
        return len(self.names)

    def due(self, after_us: int, until_us: int) -> tuple[Indices, Indices]:
        """Who reports in (after, until], microseconds since the start, and when; in the order of time."""
        count = len(self)
        first = after_us * count // self.cadence_us + 1
        last = until_us * count // self.cadence_us
        turns = np.arange(max(first, 1), last + 1, dtype=np.int64)
        who, when = turns % count, -(-turns * self.cadence_us // count)
        if self.cadence_us < SLOW_US or after_us >= FIRST_ROUND_US:
            return who, when
        starting = np.arange(count, dtype=np.int64)
        starts = starting * FIRST_ROUND_US // count + 1
        now = (starts > after_us) & (starts <= until_us)
        return np.concatenate([starting[now], who]), np.concatenate([starts[now], when])


def distances_km(some: Instruments, others: Instruments) -> Floats:
    """How far each of `some` stands from each of the others, shape (some, others)."""
    east, north = np.moveaxis(some.points[:, None] - others.points[None], 2, 0)
    return np.asarray(np.hypot(east, north), dtype=np.float64)


class Surveyor:
    """Finds places in the city, most of them in its core."""

    def __init__(self, zones: ZoneMap, rng: np.random.Generator) -> None:
        self._map = zones
        self._rng = rng
        everywhere = sorted(zones.zones.values(), key=lambda zone: zone.code)
        self._core = [zone for zone in everywhere if zone.core] or everywhere
        self._outer = [zone for zone in everywhere if not zone.core] or everywhere
        self.zones = everywhere

    def place(self, *, tells_zone: bool = True, core_share: float = _CORE_SHARE) -> Place:
        """Somewhere in the city."""
        choice = self._core if self._rng.random() < core_share else self._outer
        zone = choice[int(self._rng.integers(len(choice)))]
        return self.within(zone, tells_zone=tells_zone)

    def places(self, count: int, *, tells_zone: bool = True, core_share: float = _CORE_SHARE) -> list[Place]:
        """So many places."""
        return [self.place(tells_zone=tells_zone, core_share=core_share) for _ in range(count)]

    def within(self, zone: Zone, *, tells_zone: bool = True) -> Place:
        """Somewhere around the zone's centroid."""
        reach = 0.6 * float(np.sqrt(zone.area_km2 / np.pi)) * float(np.sqrt(self._rng.random()))
        angle = self._rng.uniform(0, 2 * np.pi)
        lon = round(zone.lon + reach * float(np.cos(angle)) / 109.2, 5)
        lat = round(zone.lat + reach * float(np.sin(angle)) / 111.2, 5)
        return self.at(lon, lat, zone.code if tells_zone else None)

    def at(self, lon: float, lat: float, zone: str | None = None) -> Place:
        """A known point; without the location where the map has it outside, then the zone tells alone."""
        found = self._map.locate(lon, lat)
        if found is not None:
            return Place((lon, lat), zone)
        return Place(None, zone if zone is not None else self._core[0].code)
