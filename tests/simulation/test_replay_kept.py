"""Real recordings through a real broker into a real database, as recorded: the books say what the files hold."""

from pathlib import Path
from typing import Any

import pytest

from city.clock import SystemClock
from city.kafka import Producer
from simulation.mapping import MAPPINGS, Mapping
from simulation.publisher import KafkaSink
from simulation.recording import Recording
from simulation.replayer import replay
from tests.ingest.conftest import City, city  # noqa: F401
from tests.simulation.watched import CATALOGUE, ZONES

DATA = Path(__file__).parents[3] / "shared" / "data"
THIRTY_YEARS = 365 * 30


@pytest.mark.parametrize(
    ("file", "name", "sector", "expected"),
    [
        (
            *("traffic/metro_interstate_hourly.csv.gz", "metro-interstate", "traffic"),
            {"total": 48_204, "stored": 40_575, "duplicate": 7_629, "dead": 0, "late": 0},
        ),
        (
            *("environment/valencia_air_hourly_2019_2023.csv.gz", "valencia-air", "environment"),
            {"total": 43_560, "stored": 43_560, "readings_stored": 424_978, "dead": 0, "late": 0},
        ),
    ],
)
async def test_a_replayed_file_is_stored_once(
    city: City,  # noqa: F811
    file: str,
    name: str,
    sector: str,
    expected: dict[str, Any],
) -> None:
    recording = Recording(DATA / file, Mapping.load(MAPPINGS / f"{name}.yaml", CATALOGUE, ZONES))
    async with city.worker(raw_retention_days=THIRTY_YEARS), Producer(city.settings, compression="lz4") as producer:
        sink = KafkaSink(producer)
        await replay(recording, sink, SystemClock())
        assert sink.failed == 0
        books = await city.until_total(expected["total"], sector, within=120)
    assert {key: books[key] for key in expected} == expected
