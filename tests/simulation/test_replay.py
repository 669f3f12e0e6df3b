"""Recorded data: every row accounted for, times as asked, and mappings refused with their lines."""

import asyncio
import gzip
from pathlib import Path

import pytest

from city.clock import ManualClock
from city.decoding import Decoder
from city.events import Reading
from simulation.event import Event
from simulation.mapping import MAPPINGS, Mapping, MappingError
from simulation.recording import Recording, Tally
from simulation.replayer import Outcome, Times, replay
from tests.simulation.watched import CATALOGUE, ZONES

DATA = Path(__file__).parents[3] / "shared" / "data"
NOW = 1_795_331_220_000_000


class Kept:
    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.events: list[tuple[int, Event]] = []

    async def send(self, event: Event) -> None:
        self.events.append((self.clock.now_us(), event))

    async def finish(self) -> None:
        return


def known(name: str) -> Mapping:
    return Mapping.load(MAPPINGS / f"{name}.yaml", CATALOGUE, ZONES)


@pytest.mark.parametrize(
    ("file", "name", "rows", "events", "readings", "skipped"),
    [
        ("traffic/metro_interstate_hourly.csv.gz", "metro-interstate", 48_204, 48_204, 48_204, {}),
        (
            *("environment/valencia_air_hourly_2019_2023.csv.gz", "valencia-air"),
            *(43_824, 43_560, 424_978, {"no value": 264}),
        ),
        ("environment/beijing_pm25_hourly_2010_2014.csv.gz", "beijing-pm25", 43_824, 43_824, 173_229, {}),
        ("health/hcmc_dengue_monthly_1994_2010.csv", "hcmc-dengue-monthly", 203, 203, 203, {}),
        ("health/singapore_dengue_weekly.csv", "singapore-dengue-weekly", 1_170, 1_170, 1_170, {}),
        ("energy/energy_victoria_30min_2012_2014.csv.gz", "victoria-energy", 52_608, 52_608, 105_216, {}),
        ("health/nhs_england_ae_monthly_2016_2019.csv.gz", "nhs-emergency-monthly", 12_765, 12_765, 12_765, {}),
    ],
)
def test_real_files_are_read_whole_and_every_event_is_taken(
    file: str, name: str, rows: int, events: int, readings: int, skipped: dict[str, int]
) -> None:
    decoder, tally = Decoder(CATALOGUE, ZONES), Tally()
    identities: set[tuple[str, int]] = set()
    for event in Recording(DATA / file, known(name)).events(tally):
        said = decoder.decode(event.encode(), (), sector=event.sector, record_time_us=NOW)
        assert isinstance(said, Reading), said
        identities.add((said.asset, said.time))
    assert (tally.read, tally.events, tally.readings, dict(tally.skipped)) == (rows, events, readings, skipped)
    if name == "metro-interstate":
        assert (len(identities), events - len(identities)) == (40_575, 7_629)


def recording(folder: Path, text: str, mapping: str = "") -> Recording:
    """A small CSV with columns at, speed, flow."""
    csv, yaml = folder / "small.csv", folder / "small.yaml"
    csv.write_text(text, "utf-8")
    yaml.write_text(mapping or SMALL, "utf-8")
    return Recording(csv, Mapping.load(yaml, CATALOGUE, ZONES))


SMALL = """\
sector: traffic
source: //test.example/small
asset: "TD-{lane}"
time: {column: at, format: "%Y-%m-%d %H:%M"}
timezone: Asia/Ho_Chi_Minh
missing: ["-"]
zone: "26740"
series:
  - {column: speed, metric: speed_kmh, factor: 3.6}
  - {column: flow, metric: flow_vph}
"""
ROWS = """\
at,lane,speed,flow
2026-01-05 07:00,1,10,900
2026-01-05 07:01,1,-,
2026-01-05 07:02,2,fast,900
2026-13-05 07:03,2,10,900
2026-01-05 07:04
2026-01-05 07:05,2,,40
"""


def test_each_row_is_used_or_skipped_for_a_reason_and_the_first_line_of_it_is_told(tmp_path: Path) -> None:
    tally = Tally()
    events = list(recording(tmp_path, ROWS).events(tally))
    assert [(event.asset, event.data["measurements"]) for event in events] == [
        ("TD-1", {"speed_kmh": 36.0, "flow_vph": 900.0}),
        ("TD-2", {"flow_vph": 40.0}),
    ]
    assert events[0].time == 1_767_571_200_000_000  # midnight UTC
    assert events[0].data["zone"] == "26740"
    assert tally.read == tally.used + sum(tally.skipped.values()) == 6
    assert tally.first_skipped == {
        "no value": 3,
        "unreadable number": 4,
        "unreadable time": 5,
        "too few columns": 6,
    }


async def run(recording: Recording, times: Times, seconds: float = 0) -> tuple[Kept, Outcome]:
    clock = ManualClock(NOW)
    sink = Kept(clock)
    running = asyncio.create_task(replay(recording, sink, clock, times=times))
    while not running.done():
        await clock.advance(seconds)
    return sink, await running


async def test_a_backfill_ends_now_and_waits_for_nothing(tmp_path: Path) -> None:
    sink, outcome = await run(recording(tmp_path, ROWS), Times.BACKFILL)
    assert [event.time for _, event in sink.events] == [NOW - 300_000_000, NOW]
    assert {at for at, _ in sink.events} == {NOW}
    assert outcome.last == NOW


async def test_moved_to_now_begins_now_and_keeps_its_pace(tmp_path: Path) -> None:
    sink, _ = await run(recording(tmp_path, ROWS), Times.NOW, seconds=10)
    assert [event.time for _, event in sink.events] == [NOW, NOW + 300_000_000]
    assert [at for at, _ in sink.events] == [NOW, NOW + 300_000_000]


async def test_as_recorded_keeps_the_times(tmp_path: Path) -> None:
    _, outcome = await run(recording(tmp_path, ROWS), Times.RECORDED)
    assert (outcome.first, outcome.last) == (1_767_571_200_000_000, 1_767_571_500_000_000)


async def test_a_file_without_any_usable_row_sends_nothing(tmp_path: Path) -> None:
    sink, outcome = await run(recording(tmp_path, "at,lane,speed,flow\n"), Times.BACKFILL)
    assert not sink.events
    assert outcome.first is None


def test_a_lacking_column_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"small\.csv:1: has no column flow, lane; it has at, speed"):
        list(recording(tmp_path, "at,speed\n2026-01-05 07:00,1\n").events(Tally()))


def test_a_file_cut_off_is_refused_after_the_rows_it_has(tmp_path: Path) -> None:
    small = recording(tmp_path, ROWS + "2026-01-05 08:00,3,1,1\n" * 20_000)
    packed = gzip.compress(small.path.read_bytes())
    small.path.write_bytes(packed[: len(packed) - 40])
    tally = Tally()
    with pytest.raises(MappingError, match="cut off"):
        list(small.events(tally))
    assert tally.read > 1000


@pytest.mark.parametrize(
    ("before", "after", "line", "reason"),
    [
        ("sector: traffic", "sector: roads", 1, "sector 'roads' is not known"),
        ("metric: flow_vph", "metric: flow", 10, "metric 'flow' is not known in traffic"),
        ("timezone: Asia/Ho_Chi_Minh", "timezone: Saigon", 5, "timezone 'Saigon' is not known"),
        ('zone: "26740"', 'zone: "99"', 7, "zone '99' is not on the city's map"),
        ('zone: "26740"', "location: [2.35, 48.85]", 7, "outside the city"),
        ('format: "%Y-%m-%d %H:%M"', "parts: {year: y}", 4, "either column and format, or parts"),
        ("factor: 3.6", "factor: fast", 9, "must be a number"),
        ("factor: 3.6", "scale: 3.6", 9, "no key 'scale'"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused_with_its_line(
    tmp_path: Path, before: str, after: str, line: int, reason: str
) -> None:
    assert before in SMALL
    with pytest.raises(MappingError) as refused:
        recording(tmp_path, ROWS, SMALL.replace(before, after))
    assert refused.value.line == line
    assert reason in str(refused.value)


def test_every_mapping_that_comes_along_is_tried_above() -> None:
    assert len(list(MAPPINGS.glob("*.yaml"))) == 7
