"""The commands as people type them: what they print, and one sentence for what is wrong."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from city.settings import DEFAULT_CITY

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"


def citywatch(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "citywatch", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_simulate_prints_events_without_a_broker() -> None:
    ended = citywatch("simulate", "--to", "stdout", "--duration", "2", "--rate", "50", "--scenario", "flood")
    assert ended.returncode == 0, ended.stderr
    types = {json.loads(line)["type"] for line in ended.stdout.splitlines()}
    assert "city.traffic.reading.v1" in types


def test_simulate_lists_its_scenarios_and_shows_examples() -> None:
    assert "welcome" in citywatch("simulate", "--list").stdout
    assert "citywatch simulate --scenario flood --seed 7" in citywatch("simulate", "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("simulate", "--scenario", "storm"), "there is no scenario 'storm'; there are: calm,"),
        (("simulate", "--to", "file"), "say kafka or stdout"),
        (("replay",), "name a CSV file and --mapping"),
        (("replay", "none.csv", "--mapping", "metro-interstate", "--via", "stdout"), "none.csv: No such file"),
        (("replay", "none.csv", "--mapping", "none", "--via", "stdout"), "none:1: can't be read"),
        (("zones", "import", "none.geojson", "--check"), "none.geojson: can't be read"),
    ],
)
def test_what_is_wrong_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    ended = citywatch(*arguments)
    assert ended.returncode in (1, 2)
    assert sentence in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_replay_says_what_became_of_every_row() -> None:
    file = DATA / "environment" / "valencia_air_hourly_2019_2023.csv.gz"
    ended = citywatch("replay", str(file), "--mapping", "valencia-air", "--via", "stdout")
    assert ended.returncode == 0
    assert len(ended.stdout.splitlines()) == 43_560
    assert ended.stderr.splitlines() == [
        "43,824 rows read",
        "43,560 rows sent: 43,560 events with 424,978 readings",
        "times from 2019-01-01T00:00:00.000000Z to 2023-12-31T23:00:00.000000Z",
        "264 rows skipped: no value (first in line 208)",
    ]


async def test_zones_import_replaces_the_map_of_a_city(tmp_path: Path, database: str) -> None:
    for name in ("city.yaml", "sectors.yaml", "zones.geojson"):
        shutil.copy(DEFAULT_CITY / name, tmp_path)
    store = {"CITYWATCH_DATABASE_DSN": database}
    ended = citywatch("zones", "import", str(DATA / "geo" / "wards_168_2025.geojson"), "--city", str(tmp_path), **store)
    assert ended.returncode == 0, ended.stderr
    told = citywatch("zones", "show", "--city", str(tmp_path)).stdout
    assert told == "168 zones, 83 of them core; real boundaries\n"
    assert citywatch("zones", "generate", "--city", str(tmp_path), **store).returncode == 0
    assert (tmp_path / "zones.geojson").read_bytes() == (DEFAULT_CITY / "zones.geojson").read_bytes()
