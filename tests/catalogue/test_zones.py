"""The map: 168 wards, their neighbours, and which of them a point is in, judged by the real boundaries."""

import json
import random
from pathlib import Path

import pytest
from shapely.geometry import Point, shape

from city import schematic
from city.settings import DEFAULT_CITY
from city.zonefile import ZoneError, ZoneFile
from city.zoneimport import Fields, import_zones
from city.zones import ZoneMap

REAL = Path(__file__).parents[3] / "shared" / "data" / "geo" / "wards_168_2025.geojson"
SAI_GON = "26740"


@pytest.fixture(scope="module")
def zones() -> ZoneMap:
    return ZoneMap.load(DEFAULT_CITY)


@pytest.fixture(scope="module")
def real(zones: ZoneMap) -> ZoneMap:
    return ZoneMap(import_zones(REAL, Fields(), zones, "wards").file)


def test_the_schematic_map_has_168_wards_83_of_them_core(zones: ZoneMap) -> None:
    assert zones.schematic
    assert len(zones.zones) == 168
    assert sum(zone.core for zone in zones.zones.values()) == 83
    assert zones.zones[SAI_GON].name == {"vi": "Phường Sài Gòn", "en": "Sai Gon Ward"}
    assert (DEFAULT_CITY / "zones.geojson").stat().st_size < 200_000


def test_the_map_is_labelled_schematic_in_what_screens_get(zones: ZoneMap) -> None:
    collection = json.loads(zones.geojson())
    assert collection["schematic"] is True
    assert all(shape(feature["geometry"]).is_valid for feature in collection["features"])


def test_the_map_in_the_repository_is_what_the_generator_makes() -> None:
    kept = ZoneFile.load(DEFAULT_CITY / "zones.geojson")
    assert schematic.generate().encoded == kept.encoded


def test_nearest_centroid_is_right_for_three_points_of_four(zones: ZoneMap) -> None:
    dice = random.Random(7)
    features = json.loads(REAL.read_bytes())["features"]
    shapes = [(feature["properties"]["code"], shape(feature["geometry"])) for feature in features]
    right = asked = 0
    for code, ward in dice.choices(shapes, [ward.area for _, ward in shapes], k=3000):
        west, south, east, north = ward.bounds
        point = Point(dice.uniform(west, east), dice.uniform(south, north))
        if ward.contains(point):
            asked += 1
            right += zones.locate(point.x, point.y) == (code, True)
    assert asked > 1000
    assert 0.74 < right / asked < 0.81


def test_a_point_far_from_every_ward_is_outside(zones: ZoneMap) -> None:
    assert zones.locate(105.85, 21.03) is None
    assert zones.locate(0.0, 0.0) is None
    assert zones.locate(float("nan"), 10.8) is None


def test_neighbours_are_mutual_and_an_island_has_none(zones: ZoneMap) -> None:
    for code in zones.zones:
        assert code not in zones.neighbours(code)
        assert all(code in zones.neighbours(other) for other in zones.neighbours(code))
    lonely = [zones.zones[code].name["vi"] for code in zones.zones if not zones.neighbours(code)]
    assert lonely == ["Đặc khu Côn Đảo"]
    with pytest.raises(KeyError):
        zones.neighbours("00000")


def test_real_boundaries_decide_exactly(real: ZoneMap, zones: ZoneMap) -> None:
    assert not real.schematic
    assert set(real.zones) == set(zones.zones)
    assert sum(zone.core for zone in real.zones.values()) == 83
    dice = random.Random(8)
    for feature in json.loads(REAL.read_bytes())["features"][::8]:
        ward = shape(feature["geometry"])
        inner = ward.buffer(-0.0005)
        if not inner.is_empty:
            point = inner.representative_point()
            assert real.locate(point.x, point.y) == (feature["properties"]["code"], False)
    assert real.locate(107.3 + dice.random() / 100, 9.5) is None


def square(code: str, west: float, size: float = 0.1, **properties: object) -> dict[str, object]:
    ring = [[west, 10.0], [west + size, 10.0], [west + size, 10.1], [west, 10.1], [west, 10.0]]
    return {
        "type": "Feature",
        "properties": {"code": code, "name": f"Phường {code}", **properties},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


def collection(*features: dict[str, object], **members: object) -> dict[str, object]:
    return {"type": "FeatureCollection", "features": list(features), **members}


BOWTIE = square("9", 106.5)
BOWTIE["geometry"] = {
    "type": "Polygon",
    "coordinates": [[[106.5, 10.0], [106.6, 10.1], [106.6, 10.0], [106.5, 10.1], [106.5, 10.0]]],
}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"type": "Feature"}, "no GeoJSON FeatureCollection"),
        (collection(), "has no features"),
        (collection({"type": "Feature", "properties": {"code": "1"}, "geometry": None}), "feature 1 has nothing for"),
        (collection(square("1", 106.5), square("1", 106.7)), "feature 2 has the code '1' of feature 1"),
        (collection(square("1", 106.5), square("2", 106.52)), "overlaps feature 1 (1)"),
        (collection(square("", 106.5)), "has no code in code,"),
        (collection(square("1", 600_000.0, 500.0)), "export in WGS 84"),
        (collection(square("1", 106.5), crs={"properties": {"name": "urn:ogc:def:crs:EPSG::3405"}}), "EPSG:4326"),
        (collection(BOWTIE), "feature 1 has a shape that can't be one"),
    ],
)
def test_a_map_that_makes_no_sense_is_refused_by_feature(tmp_path: Path, given: dict[str, object], reason: str) -> None:
    file = tmp_path / "map.geojson"
    file.write_text(json.dumps(given))
    with pytest.raises(ZoneError) as refused:
        import_zones(file, Fields(), None, "test")
    assert str(refused.value).startswith(str(file))
    assert reason in str(refused.value)


def test_import_says_which_zones_appear_and_vanish(tmp_path: Path, zones: ZoneMap) -> None:
    file = tmp_path / "map.geojson"
    file.write_text(json.dumps(collection(square("1", 106.5), square("2", 106.6))))
    imported = import_zones(file, Fields(), zones, "test")
    assert imported.appeared == ["1", "2"]
    assert len(imported.vanished) == 168
    saved = tmp_path / "zones.geojson"
    imported.file.save(saved)
    loaded = ZoneMap(ZoneFile.load(saved))
    assert loaded.neighbours("1") == ["2"]
    assert loaded.zones["1"].area_km2 == pytest.approx(0.01 * 111.195**2 * 0.9846, rel=0.01)
