"""Zones of the city, which of them are neighbours, and which one a point is in.

Distances are taken on a plane that touches the earth in the city's middle: good to 0.1 % within 200 km.
"""

import math
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import shapely
from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry

from city.zonefile import ZoneFile, ZoneShape

KM_PER_DEGREE: Final = 111.195
OUTSIDE_RADII: Final = 2.5
"""A point further from the nearest centroid than this many of its zone's equivalent radii is outside the city."""
BORDER_TOLERANCE_KM: Final = 0.2
"""Simplified borders leave slivers between them; a point so near to a real zone belongs to it."""
NEIGHBOUR_KM: Final = 0.1

_CACHED: Final = 50_000


class Zone(msgspec.Struct, frozen=True):
    """A ward, commune or special zone."""

    code: str
    name: dict[str, str]
    lon: float
    """Of the centroid, degrees."""
    lat: float
    area_km2: float
    core: bool
    """Whether it is on the wall's main map."""


class ZoneMap:
    """All zones of one city. On a schematic map the nearest centroid decides, on a real one the boundaries do."""

    def __init__(self, file: ZoneFile) -> None:
        self.schematic = file.schematic
        self.zones = {shape.code: _zone(shape) for shape in file.shapes}
        self._geojson = file.encoded
        self._codes = list(self.zones)
        self._middle = (
            float(np.mean([zone.lon for zone in self.zones.values()])),
            float(np.mean([zone.lat for zone in self.zones.values()])),
        )
        self._km_per_lon = KM_PER_DEGREE * math.cos(math.radians(self._middle[1]))
        centroids = np.array([self._plane(zone.lon, zone.lat) for zone in self.zones.values()])
        self._x, self._y = np.ascontiguousarray(centroids[:, 0]), np.ascontiguousarray(centroids[:, 1])
        self._reach2 = [zone.area_km2 / math.pi * OUTSIDE_RADII**2 for zone in self.zones.values()]
        self._shapes = [self._flat(shape.geometry) for shape in file.shapes]
        self._tree = shapely.STRtree(self._shapes)
        self._neighbours = self._find_neighbours()
        self._found: dict[tuple[float, float], tuple[str, bool] | None] = {}

    @classmethod
    def load(cls, folder: Path) -> "ZoneMap":
        """Read `zones.geojson` of a city's folder. Raises ZoneError."""
        return cls(ZoneFile.load(folder / "zones.geojson"))

    def locate(self, lon: float, lat: float) -> tuple[str, bool] | None:
        """The zone's code and whether that is approximate; None for a point outside the city."""
        point = lon, lat
        try:
            return self._found[point]
        except KeyError:
            found = self._nearest(lon, lat) if self.schematic else self._within(lon, lat)
        if len(self._found) >= _CACHED:
            self._found.clear()
        self._found[point] = found
        return found

    def neighbours(self, code: str) -> list[str]:
        """Codes of the zones that share a border with this one, sorted. Raises KeyError for an unknown code."""
        return self._neighbours[code]

    def geojson(self) -> bytes:
        """The map as GeoJSON, encoded once; `schematic` is a member of the collection."""
        return self._geojson

    def _plane(self, lon: float, lat: float) -> tuple[float, float]:
        return (lon - self._middle[0]) * self._km_per_lon, (lat - self._middle[1]) * KM_PER_DEGREE

    def _flat(self, geometry: BaseGeometry) -> BaseGeometry:
        scale = np.array([self._km_per_lon, KM_PER_DEGREE])
        flat: BaseGeometry = shapely.transform(geometry, lambda points: (points - np.array(self._middle)) * scale)
        return flat

    def _nearest(self, lon: float, lat: float) -> tuple[str, bool] | None:
        x, y = self._plane(lon, lat)
        if not (math.isfinite(x) and math.isfinite(y)):
            return None
        dx, dy = self._x - x, self._y - y
        squares = dx * dx + dy * dy
        nearest = int(squares.argmin())
        return (self._codes[nearest], True) if squares[nearest] <= self._reach2[nearest] else None

    def _within(self, lon: float, lat: float) -> tuple[str, bool] | None:
        x, y = self._plane(lon, lat)
        if not (math.isfinite(x) and math.isfinite(y)):
            return None
        point = Point(x, y)
        inside = self._tree.query(point, predicate="intersects")
        if len(inside):
            return self._codes[int(inside.min())], False
        near = self._tree.query_nearest(point, max_distance=BORDER_TOLERANCE_KM)
        return (self._codes[int(near.min())], True) if len(near) else None

    def _find_neighbours(self) -> dict[str, list[str]]:
        pairs = self._tree.query(self._shapes, predicate="dwithin", distance=NEIGHBOUR_KM)
        found: dict[str, list[str]] = {code: [] for code in self._codes}
        for one, other in pairs.T.tolist():
            if one != other:
                found[self._codes[one]].append(self._codes[other])
        return {code: sorted(others) for code, others in found.items()}


def _zone(shape: ZoneShape) -> Zone:
    return Zone(shape.code, shape.name, shape.lon, shape.lat, shape.area_km2, shape.core)
