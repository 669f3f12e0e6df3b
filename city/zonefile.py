"""`zones.geojson`, the city's map as a file: read strictly, written compactly."""

import math
from pathlib import Path
from typing import Any, Final, NoReturn
from unicodedata import normalize

import msgspec
import shapely
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry
from shapely.lib import GEOSException

KINDS: Final = ("Polygon", "MultiPolygon")


class ZoneError(Exception):
    """A map that does not parse or makes no sense; the text names file, feature and reason."""

    code = "bad_zones"


class ZoneShape(msgspec.Struct, frozen=True):
    """One zone with its shape; degrees, WGS 84."""

    code: str
    name: dict[str, str]
    lon: float
    lat: float
    area_km2: float
    core: bool
    geometry: BaseGeometry


class ZoneFile:
    """The zones of one map, in the file's order, and the bytes that say so."""

    def __init__(self, shapes: list[ZoneShape], schematic: bool, source: str) -> None:
        self.shapes = shapes
        self.schematic = schematic
        self.source = source
        self.encoded = msgspec.json.encode(
            {
                "type": "FeatureCollection",
                "schematic": schematic,
                "source": source,
                "features": [_feature(shape) for shape in shapes],
            }
        )

    @classmethod
    def load(cls, path: Path) -> "ZoneFile":
        """Read a map that `save` wrote. Raises ZoneError."""
        collection = read_collection(path)
        schematic = collection.get("schematic", False)
        if not isinstance(schematic, bool):
            refuse(path, None, "`schematic` must be true or false")
        shapes = [_shape(path, number, feature) for number, feature in enumerate(collection["features"], 1)]
        check_codes(path, [shape.code for shape in shapes])
        return cls(shapes, schematic, str(collection.get("source", "")))

    @property
    def lines(self) -> bytes:
        """The map as `save` writes it: one feature a line."""
        return self.encoded.replace(b'{"type":"Feature",', b'\n{"type":"Feature",') + b"\n"

    def save(self, path: Path) -> None:
        """Write the map whole or not at all. Raises OSError."""
        part = path.with_suffix(".part")
        part.write_bytes(self.lines)
        part.replace(path)


def read_collection(path: Path) -> dict[str, Any]:
    """A GeoJSON FeatureCollection that has features. Raises ZoneError."""
    try:
        collection = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ZoneError(f"{path}: can't be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ZoneError(f"{path}: is no JSON: {error}") from None
    if not isinstance(collection, dict) or collection.get("type") != "FeatureCollection":
        refuse(path, None, "is no GeoJSON FeatureCollection; export the zones as one")
    features = collection.get("features")
    if not isinstance(features, list) or not features:
        refuse(path, None, "has no features; every zone is one")
    return collection


def read_geometry(path: Path, number: int, feature: object) -> BaseGeometry:
    """The polygon of a feature, in two dimensions. Raises ZoneError."""
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    if not isinstance(geometry, dict) or geometry.get("type") not in KINDS:
        found = geometry.get("type") if isinstance(geometry, dict) else "nothing"
        refuse(path, number, f"has {found} for a geometry; a zone is a Polygon or MultiPolygon")
    try:
        read: BaseGeometry = shapely.force_2d(shape(geometry))
        low_x, low_y, high_x, high_y = read.bounds
    except (GEOSException, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        refuse(path, number, f"has no readable shape: {error}")
    if not all(map(math.isfinite, (low_x, low_y, high_x, high_y))):
        refuse(path, number, "has an empty shape or a coordinate that is not finite")
    if not (-180 <= low_x <= high_x <= 180 and -90 <= low_y <= high_y <= 90):
        refuse(
            path,
            number,
            f"has the coordinate [{low_x:.9g}, {low_y:.9g}], which is no [longitude, latitude]; export in WGS 84",
        )
    return read


def check_codes(path: Path, codes: list[str]) -> None:
    """Every code once. Raises ZoneError."""
    seen: dict[str, int] = {}
    for number, code in enumerate(codes, 1):
        if code in seen:
            refuse(path, number, f"has the code {code!r} of feature {seen[code]}; every zone has its own")
        seen[code] = number


def refuse(path: Path, number: int | None, reason: str) -> NoReturn:
    """Raise ZoneError at a feature, counted from 1, or at the file."""
    raise ZoneError(f"{path}: {reason}" if number is None else f"{path}: feature {number} {reason}")


def _shape(path: Path, number: int, feature: Any) -> ZoneShape:
    geometry = read_geometry(path, number, feature)
    properties = feature.get("properties")
    try:
        fields = msgspec.convert(properties, _Properties)
    except msgspec.ValidationError as error:
        refuse(path, number, f"has properties that are not a zone's: {error}; use `citywatch zones import`")
    if fields.area_km2 <= 0 or not (abs(fields.lon) <= 180 and abs(fields.lat) <= 90):
        refuse(path, number, "has an area or a centroid that can't be")
    if set(fields.name) != {"vi", "en"}:
        refuse(path, number, "needs a name in vi and en")
    name = {language: normalize("NFC", text) for language, text in fields.name.items()}
    return ZoneShape(fields.code, name, fields.lon, fields.lat, fields.area_km2, fields.core, geometry)


class _Properties(msgspec.Struct):
    code: str
    name: dict[str, str]
    lon: float
    lat: float
    area_km2: float
    core: bool


def _feature(zone: ZoneShape) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {
            "code": zone.code,
            "name": zone.name,
            "lon": zone.lon,
            "lat": zone.lat,
            "area_km2": zone.area_km2,
            "core": zone.core,
        },
        "geometry": mapping(zone.geometry),
    }
