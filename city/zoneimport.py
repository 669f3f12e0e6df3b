"""Real boundaries in place of the schematic map: any GeoJSON whose features carry a code and a name."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from unicodedata import normalize

import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from city.schematic import plain_latin
from city.zonefile import ZoneFile, ZoneShape, check_codes, read_collection, read_geometry, refuse
from city.zones import KM_PER_DEGREE, ZoneMap

CODE_FIELDS: Final = ("code", "ma_xa", "maxa", "ward_code", "wardCode", "WARD_CODE", "MA_XA", "id")
VI_FIELDS: Final = ("name_vi", "name", "ten_xa", "tenxa", "ward", "NAME", "TEN_XA")
EN_FIELDS: Final = ("name_en", "nameEn", "NAME_EN", "varname")
REPAIR_LIMIT: Final = 0.01
"""A shape that crosses itself is repaired where that changes its area by less than this share."""
OVERLAP_LIMIT: Final = 0.05
"""More of a zone than this share covered by another one is refused: a point there would have two zones."""
DIGITS: Final = 5
_WGS84: Final = ("CRS84", "4326")


class Fields(NamedTuple):
    """Names of the properties that carry code and names; None: the usual names are tried."""

    code: str | None = None
    vi: str | None = None
    en: str | None = None


class Imported(NamedTuple):
    """The new map, and how it differs from the one before."""

    file: ZoneFile
    repaired: list[str]
    appeared: list[str]
    vanished: list[str]


def import_zones(path: Path, fields: Fields, before: ZoneMap | None, source: str) -> Imported:
    """Read foreign boundaries; zones that were core stay so. Raises ZoneError naming file, feature and fix."""
    collection = read_collection(path)
    _check_crs(path, collection.get("crs"))
    repaired: list[str] = []
    zones: list[ZoneShape] = []
    for number, feature in enumerate(collection["features"], 1):
        geometry = read_geometry(path, number, feature)
        properties = feature.get("properties")
        if not isinstance(properties, dict):
            refuse(path, number, "has no properties; a zone needs a code and a name")
        code = _field(path, number, properties, fields.code, CODE_FIELDS, "code")
        vi = _field(path, number, properties, fields.vi, VI_FIELDS, "Vietnamese name")
        en = _optional(path, number, properties, fields.en) or plain_latin(vi)
        sound, was_broken = _repaired(path, number, geometry)
        if was_broken:
            repaired.append(code)
        zones.append(_zone(code, {"vi": vi, "en": en}, sound, before))
    check_codes(path, [zone.code for zone in zones])
    _check_overlaps(path, zones)
    known = set(before.zones) if before is not None else set()
    codes = {zone.code for zone in zones}
    return Imported(ZoneFile(zones, False, source), repaired, sorted(codes - known), sorted(known - codes))


def _zone(code: str, name: dict[str, str], geometry: BaseGeometry, before: ZoneMap | None) -> ZoneShape:
    centroid = geometry.centroid
    old = before.zones.get(code) if before is not None else None
    area = geometry.area * KM_PER_DEGREE**2 * math.cos(math.radians(centroid.y))
    core = old.core if old is not None else before is None
    rounded = shapely.orient_polygons(shapely.transform(geometry, lambda xy: xy.round(DIGITS)))
    return ZoneShape(code, name, round(centroid.x, DIGITS), round(centroid.y, DIGITS), round(area, 3), core, rounded)


def _field(
    path: Path, number: int, properties: Mapping[str, Any], chosen: str | None, usual: tuple[str, ...], what: str
) -> str:
    values = [properties.get(name) for name in ((chosen,) if chosen is not None else usual)]
    texts = [str(value).strip() for value in values if isinstance(value, str | int) and not isinstance(value, bool)]
    found = next((text for text in texts if text), None)
    if found is None:
        tried = chosen if chosen is not None else ", ".join(usual)
        has = ", ".join(map(str, properties)) or "none"
        refuse(path, number, f"has no {what} in {tried}; its properties are: {has}; name the right one by an option")
    return normalize("NFC", found)


def _optional(path: Path, number: int, properties: Mapping[str, Any], chosen: str | None) -> str | None:
    if chosen is not None:
        return _field(path, number, properties, chosen, (), "English name")
    found = [value for value in map(properties.get, EN_FIELDS) if isinstance(value, str) and value.strip()]
    return normalize("NFC", found[0].strip()) if found else None


def _repaired(path: Path, number: int, geometry: BaseGeometry) -> tuple[BaseGeometry, bool]:
    if geometry.is_valid and geometry.area > 0:
        return geometry, False
    reason = shapely.is_valid_reason(geometry)
    parts = shapely.get_parts(shapely.make_valid(geometry))
    polygons = [part for piece in parts for part in shapely.get_parts(piece) if isinstance(part, Polygon) and part.area]
    sound = MultiPolygon(polygons) if len(polygons) != 1 else polygons[0]
    if not polygons or abs(sound.area - geometry.area) > REPAIR_LIMIT * sound.area:
        refuse(path, number, f"has a shape that can't be one ({reason}); mend it where it was drawn")
    return sound, True


def _check_crs(path: Path, crs: object) -> None:
    if crs is None:
        return
    name = str(crs.get("properties", {}).get("name", crs)) if isinstance(crs, dict) else str(crs)
    if not name.endswith(_WGS84):
        refuse(path, None, f"says its coordinates are in {name}; export in WGS 84 (EPSG:4326)")


def _check_overlaps(path: Path, zones: list[ZoneShape]) -> None:
    shapes = [zone.geometry for zone in zones]
    for one, other in shapely.STRtree(shapes).query(shapes, predicate="intersects").T.tolist():
        if one < other:
            common = shapes[one].intersection(shapes[other]).area
            if common > OVERLAP_LIMIT * min(shapes[one].area, shapes[other].area):
                refuse(
                    path,
                    other + 1,
                    f"({zones[other].code}) overlaps feature {one + 1} ({zones[one].code}) by more than "
                    f"{OVERLAP_LIMIT:.0%}; a point has one zone",
                )
