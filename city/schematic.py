"""A map from facts alone: code, names, centroid and area of each ward become cells that are near enough to recognise.

A cell is what is nearer to its centroid than to any other, cut off where the ward can't reach. It is no boundary, and
the map says so.
"""

import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final
from unicodedata import normalize

import shapely
from shapely.geometry import MultiPoint, MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from city.zonefile import ZoneError, ZoneFile, ZoneShape
from city.zones import KM_PER_DEGREE

SOURCE: Final = "schematic cells from code, name, centroid and area of each ward (vietnamadminunits, MIT)"
CORE_ZONES: Final = 83
"""The zones nearest to the city's middle: those that one picture can show in readable size."""
REACH: Final = 1.6
"""Equivalent radii after which a cell is cut off: it closes the gaps between wards, and fills no sea."""
DIGITS: Final = 4
"""Of a degree; the fourth is 11 m."""

_MIDDLE: Final = (106.698, 10.772)  # Bến Thành
_KINDS: Final = {"Phường": "Ward", "Xã": "Commune", "Đặc khu": "Special Zone"}
_FACTS: Final = """
SELECT wardCode, wardType, wardShort, wardLon, wardLat, wardAreaKm2
FROM admin_units WHERE provinceCode = ? ORDER BY wardCode
"""


def generate(province: str = "79") -> ZoneFile:
    """The schematic map of a province by its code (79: Hồ Chí Minh City). Raises ZoneError."""
    facts = _facts(province)
    if not facts:
        raise ZoneError(f"no wards are known of the province {province!r}")
    scale = KM_PER_DEGREE * math.cos(math.radians(_MIDDLE[1])), KM_PER_DEGREE
    points = [((lon - _MIDDLE[0]) * scale[0], (lat - _MIDDLE[1]) * scale[1]) for *_, lon, lat, _ in facts]
    radii = [math.sqrt(area / math.pi) for *_, area in facts]
    core = set(sorted(range(len(facts)), key=lambda i: math.hypot(*points[i]))[:CORE_ZONES])
    shapes = []
    for i, (cell, (code, kind, short, lon, lat, area)) in enumerate(zip(_cells(points, radii), facts, strict=True)):
        degrees = shapely.transform(cell, lambda xy: xy / scale + _MIDDLE)
        name = {"vi": normalize("NFC", f"{kind} {short}"), "en": f"{plain_latin(short)} {_KINDS[kind]}"}
        shapes.append(ZoneShape(code, name, lon, lat, area, i in core, _rounded(degrees)))
    return ZoneFile(shapes, True, SOURCE)


def _facts(province: str) -> list[tuple[str, str, str, float, float, float]]:
    try:
        import vietnamadminunits
    except ImportError:
        raise ZoneError("the facts come from the package vietnamadminunits; pip install vietnamadminunits") from None
    database = Path(str(vietnamadminunits.__file__)).parent / "data" / "dataset.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as facts:
        return facts.execute(_FACTS, (province,)).fetchall()


def _cells(points: list[tuple[float, float]], radii: list[float]) -> list[BaseGeometry]:
    """The Voronoi cell of each point, cut off at REACH radii; neighbouring cells share their border."""
    widest = MultiPoint(points).buffer(3 * max(radii)).envelope
    voronoi = shapely.voronoi_polygons(MultiPoint(points), extend_to=widest, ordered=True)
    return [
        cell.intersection(Point(point).buffer(REACH * radius, quad_segs=8))
        for cell, point, radius in zip(voronoi.geoms, points, radii, strict=True)
    ]


def _rounded(cell: BaseGeometry) -> BaseGeometry:
    """Vertices rounded one by one, so that shared ones stay shared."""
    polygons = [cell] if isinstance(cell, Polygon) else list(MultiPolygon(cell).geoms)
    rounded = [
        Polygon(_distinct([(round(x, DIGITS), round(y, DIGITS)) for x, y in polygon.exterior.coords]))
        for polygon in polygons
    ]
    oriented: BaseGeometry = shapely.orient_polygons(rounded[0] if len(rounded) == 1 else MultiPolygon(rounded))
    return oriented


def _distinct(ring: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [point for i, point in enumerate(ring) if i == 0 or point != ring[i - 1]]


def plain_latin(name: str) -> str:
    """The name without diacritics, as English texts write it."""
    letters = normalize("NFD", name.replace("đ", "d").replace("Đ", "D"))
    return "".join(letter for letter in letters if not "\u0300" <= letter <= "\u036f")
