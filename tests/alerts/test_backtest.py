"""A back-test tells what the engine would have raised, whatever the pieces in which readings come."""

from pathlib import Path

import asyncpg
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from alerts.backtest import Backtest, StoredSeries, backtest
from alerts.copyrows import HEAD, PG_EPOCH_US, ROW
from alerts.rulefile import parse_rules
from alerts.tally import Outcome, Tally
from city.sectors import Catalogue
from city.settings import DEFAULT_CITY
from citywatch.commands.rules import app
from tests.alerts.depth import rule
from tests.alerts.streets import FLOOD
from tests.alerts.town import START, US, at, engine, tick, town

SERIES = [StoredSeries(7, "A", "1", "level_m"), StoredSeries(8, "B", "1", "level_m")]
LEVEL = rule("metric: level_m\nraise: {warning: {above: 1}}", "high")
SILENT = rule("metric: level_m\nraise: {warning: {absent: 10m}}", "silent")


def copied(*readings: tuple[int, int, float]) -> bytes:
    """Readings (second, series, value) as COPY sends them."""
    rows = np.array([(3, 8, START + s * US - PG_EPOCH_US, 4, number, 8, value) for s, number, value in readings], ROW)
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=60))
def test_pieces_of_any_size_tell_the_same(sizes: list[int]) -> None:
    data = copied(*((60 * i, 7 + i % 2, 2.0 if i % 5 < 2 else 0.0) for i in range(30)))
    assert len(copied()) == HEAD + 2
    pieces, whole = Backtest(town(), "river", [LEVEL], SERIES), Backtest(town(), "river", [LEVEL], SERIES)
    whole.take(data)
    while data:
        size = sizes[len(data) % len(sizes)]
        pieces.take(data[:size])
        data = data[size:]
    end = START + 3600 * US
    assert pieces.readings == whole.readings == 30
    assert pieces.finish(START, end) == whole.finish(START, end)
    assert whole.tally.outcomes(end)["high"].raised > 3


def test_the_figures_of_a_rule() -> None:
    test = Backtest(town(), "river", [LEVEL], SERIES)
    test.take(copied((0, 7, 2), (10, 7, 0), (20, 7, 2), (25, 8, 2), (30, 7, 0), (40, 7, 2), (50, 7, 0)))
    assert test.finish(START, START + 86_400 * US)["high"] == Outcome(
        raised=4,
        open_at_end=1,
        groups=2,
        longest_s=86_375,
        median_s=10,
        most_at_once=2,
        alarms_a_day=4,
        most_in_ten_minutes=4,
        flood_share=0,
        chattering_groups=1,
        older_than_a_day=0,
        open_share=86_390 / 86_400,
    )


def test_silence_is_judged_as_time_goes_by() -> None:
    test = Backtest(town(), "river", [SILENT], SERIES)
    both = [(60 * i, number, 0.0) for i in range(60) for number in (7, 8) if number == 8 or i < 20]
    test.take(copied(*both))
    assert test.finish(START, START + 3600 * US)["silent"].raised == 1


def test_a_tally_counts_no_info_among_alarms() -> None:
    one = rule("metric: level_m\nraise: {info: {above: 1}}", "high")
    tally = Tally([one])
    tally.note(engine(one).step([at(0, level_m=2)], tick(0)))
    outcome = tally.outcomes(START + 60 * US)["high"]
    assert (outcome.raised, outcome.alarms_a_day) == (1, 0)


@pytest.fixture
async def stored(database: str) -> str:
    """A street that floods three times in an hour."""
    connection = await asyncpg.connect(database)
    try:
        asset = await connection.fetchval(
            "INSERT INTO asset (sector, name, zone, first_seen, last_seen)"
            " VALUES ('environment', 'F-1', '26740', now(), now()) RETURNING id"
        )
        series = await connection.fetchval(
            "INSERT INTO series (asset_id, metric, unit) VALUES ($1, 'flood_cm', 'cm') RETURNING id", asset
        )
        await connection.execute(
            "INSERT INTO reading (time, series_id, value)"
            " SELECT '2026-11-22T08:00:00+07'::timestamptz + i * interval '10 s', $1,"
            " CASE WHEN i % 120 < 60 THEN 5 ELSE 20 END FROM generate_series(0, 359) AS i",
            series,
        )
    finally:
        await connection.close()
    return database


async def test_stored_readings_are_judged_as_they_would_have_been(stored: str) -> None:
    catalogue = Catalogue.load(DEFAULT_CITY)
    rules = [loaded.rule for loaded in parse_rules(FLOOD, catalogue)]
    seen: list[int] = []
    async with asyncpg.create_pool(stored, min_size=1, max_size=1) as pool:
        begin = await pool.fetchval("SELECT min(time) FROM reading")
        since = round(begin.timestamp()) * US
        found = await backtest(pool, catalogue, rules, since, since + 3600 * US, lambda n, _: seen.append(n))
    assert seen[-1] == 360
    outcome = found["flooded"]
    assert (outcome.raised, outcome.open_at_end, outcome.median_s, outcome.most_at_once) == (3, 1, 600, 1)


REPORTED = """
rule: reported
title: {vi: a, en: b}
short: {vi: a, en: b}
sector: environment
reports: {category: flooding}
per: zone
raise: {warning: {repeats: {times: 3, within: 10m}}}
"""


async def test_reports_are_counted_as_they_were_first_made(stored: str) -> None:
    """Three within ten minutes, twice; another zone and another category count for themselves; calm by time alone."""
    insert = """
INSERT INTO report (sector, source, subject, time, first_time, zone, category, severity, title, description, status)
SELECT 'environment', 's', $1, at + interval '1 day', at, $3, $4, 'info', '', '', 'closed'
  FROM (SELECT '2026-11-22T08:00:00+07'::timestamptz + $2 * interval '1 s') AS moment (at)
"""
    made = [("a", 0), ("b", 60), ("c", 120), ("d", 5000), ("e", 5300), ("f", 5599), ("g", 9000), ("h", 9100)]
    catalogue = Catalogue.load(DEFAULT_CITY)
    rules = [loaded.rule for loaded in parse_rules(REPORTED + "---" + FLOOD, catalogue)]
    seen: list[int] = []
    async with asyncpg.create_pool(stored, min_size=1, max_size=1) as pool:
        for subject, second in made:
            await pool.execute(insert, subject, second, "26740", "flooding")
        await pool.execute(insert, "i", 9200, "26740", "smoke")
        await pool.execute(insert, "j", 9200, "26743", "flooding")
        since = round((await pool.fetchval("SELECT min(first_time) FROM report")).timestamp()) * US
        found = await backtest(pool, catalogue, rules, since, since + 30 * 86_400 * US, lambda n, _: seen.append(n))
    outcome = found["reported"]
    assert (outcome.raised, outcome.open_at_end, outcome.groups, outcome.longest_s) == (2, 0, 1, 480)
    assert found["flooded"].raised == 3
    assert seen[-1] == 9


def test_the_command_tells_it_beside_the_rule_in_force(
    stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITYWATCH_DATABASE_DSN", stored)
    file = tmp_path / "flood.yaml"
    file.write_text(FLOOD)
    assert CliRunner().invoke(app, ["apply", str(tmp_path)]).exit_code == 0
    file.write_text(FLOOD.replace("above: 15", "above: 25"))
    times = ["--from", "2026-11-22T08:00:00", "--to", "2026-11-22T09:00:00"]
    done = CliRunner().invoke(app, ["backtest", str(file), *times])
    assert done.exit_code == 0, done.output
    (raised,) = [line for line in done.stdout.splitlines() if "raised" in line]
    assert raised.replace("│", " ").split() == ["raised", "0", "3"]
    assert "in force (v1)" in done.stdout
    told = done.stdout
    for spelt in (["2026-11-22T01:00:00Z", "2026-11-22T02:00:00Z"], ["2026-11-22T08:00", "2026-11-22T09:00:00+07:00"]):
        done = CliRunner().invoke(app, ["backtest", str(file), "--from", spelt[0], "--to", spelt[1]])
        assert done.stdout == told, spelt
    assert CliRunner().invoke(app, ["backtest", str(file), *times[::-1]]).exit_code != 0
