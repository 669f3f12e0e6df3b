"""The catalogue says what it means, and refuses what makes no sense with file and line."""

import shutil
from pathlib import Path

import pytest

from city.sectors import Catalogue, CatalogueError
from city.settings import DEFAULT_CITY

SECTORS = (
    *("traffic", "health", "environment", "education", "finance", "tourism"),
    *("agriculture", "logistics", "energy", "security", "hotline", "government"),
)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load(DEFAULT_CITY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the default city that a test may spoil."""
    for name in ("city.yaml", "sectors.yaml"):
        shutil.copy(DEFAULT_CITY / name, tmp_path / name)
    return tmp_path


def spoil(folder: Path, before: str, after: str, file: str = "sectors.yaml") -> int:
    """Change one text; the line where it stands."""
    path = folder / file
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), "utf-8")
    return text[: text.index(before)].count("\n") + 1


def test_the_default_city_has_its_twelve_sectors_and_three_in_depth(catalogue: Catalogue) -> None:
    assert tuple(catalogue.sectors) == SECTORS
    assert [name for name, sector in catalogue.sectors.items() if sector.deep] == ["traffic", "health", "environment"]
    assert catalogue.sectors["traffic"].key_figures == ["speed_kmh", "flow_vph", "congested"]
    assert catalogue.sectors["health"].key_figures == ["er_arrivals_ph", "icu_free_pct", "ambulances_free"]
    assert catalogue.sectors["environment"].key_figures == ["rain_mm_h", "water_level_m", "noise_db"]


def test_every_metric_is_named_in_both_languages_and_its_short_name_fits_the_wall(catalogue: Catalogue) -> None:
    for sector in catalogue.sectors.values():
        assert all(len(text) <= 12 for text in sector.short.values())
        for metric in sector.metrics.values():
            assert set(metric.label) == set(metric.short) == {"vi", "en"}
            assert all(len(text) <= 12 for text in metric.short.values()), metric.name
            assert metric.low < metric.high
            assert metric.cadence_s <= metric.max_age_s


def test_age_limits_fit_what_is_measured(catalogue: Catalogue) -> None:
    speed, dengue = catalogue.metric("traffic", "speed_kmh"), catalogue.metric("health", "dengue_cases_weekly")
    assert speed is not None
    assert speed.max_age_s == 60
    assert dengue is not None
    assert (dengue.cadence_s, dengue.max_age_s) == (7 * 86_400, 14 * 86_400)
    assert catalogue.metric("traffic", "no_such_metric") is None
    assert catalogue.metric("no_such_sector", "speed_kmh") is None


def test_the_version_follows_the_meaning_and_not_the_layout(folder: Path, catalogue: Catalogue) -> None:
    spoil(folder, "traffic:\n", "# a remark\ntraffic:\n")
    assert Catalogue.load(folder).version == catalogue.version
    spoil(folder, "range: [0, 200]", "range: [0, 201]")
    assert Catalogue.load(folder).version != catalogue.version


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("range: [0, 200]", "range: [200, 0]", "the lower bound comes first"),
        ("range: [0, 200]", "range: [0]", "must be [lowest, highest]"),
        ("range: [0, 200]", 'range: [0, "200"]', "must be a number"),
        ("range: [0, 200]", "range: [0, .inf]", "plain decimal number"),
        ("cadence: 10s, max_age: 1m", "cadence: 10, max_age: 1m", "no duration: '10'"),
        ("cadence: 10s, max_age: 1m", "cadence: 10s, max_age: 5s", "shorter than its cadence"),
        ("aggregate: mean", "aggregate: median", "'median'; known: mean, sum, max, min, last"),
        ("decimals: 1", "decimals: 1.5", "whole number from 0 to 6"),
        ("vi: [Tốc độ trung bình, Tốc độ]", "vi: [Tốc độ trung bình, Tốc độ trung bình]", "at most 12 fit"),
        ("vi: [Tốc độ trung bình, Tốc độ]", "vi: [Tốc độ]", "must be [long name, short name]"),
        ("unit: km/h,", "", "needs unit"),
        ("unit: km/h,", "unit: km/h, units: km/h,", "no key 'units'"),
        ("unit: km/h,", "unit: km/h, unit: m/s,", "has 'unit' twice"),
        ("    speed_kmh:", "    Speed-kmh:", "can't name a metric"),
        ("key_figures: [speed_kmh,", "key_figures: [speed_mph,", "'speed_mph', which is no metric of traffic"),
        ("key_figures: [speed_kmh,", "key_figures: [queue_m, speed_kmh,", "at most 3"),
        ("deep: true", "deep: perhaps", "must be true or false"),
        ("series_limit: 200000", "series_limit: 0", "whole number from 1"),
    ],
)
def test_what_makes_no_sense_is_refused_with_file_and_line(folder: Path, before: str, after: str, reason: str) -> None:
    line = spoil(folder, before, after)
    with pytest.raises(CatalogueError) as refused:
        Catalogue.load(folder)
    assert refused.value.line == line
    assert str(refused.value).startswith(f"{folder / 'sectors.yaml'}:{line}: ")
    assert reason in str(refused.value)


def test_a_city_without_a_known_time_zone_is_refused(folder: Path) -> None:
    line = spoil(folder, "Asia/Ho_Chi_Minh", "Asia/Saigon2", "city.yaml")
    with pytest.raises(CatalogueError, match=rf"city.yaml:{line}: timezone 'Asia/Saigon2' is not known"):
        Catalogue.load(folder)


@pytest.mark.parametrize("text", ["", "traffic: [", "- traffic", "\x00"])
def test_what_is_no_catalogue_at_all_is_refused(folder: Path, text: str) -> None:
    (folder / "sectors.yaml").write_text(text)
    with pytest.raises(CatalogueError, match=r"sectors\.yaml:1: "):
        Catalogue.load(folder)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"city\.yaml:1: can't be read"):
        Catalogue.load(tmp_path)
