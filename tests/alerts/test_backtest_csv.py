"""A back-test over a recorded CSV needs no database, and the counts in docs/backtests.md are what it tells."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from alerts.rulefile import parse_rules, read_text
from alerts.tally import Outcome
from city.decoding import Decoder
from city.sectors import Catalogue
from city.settings import DEFAULT_CITY
from city.zones import ZoneMap
from citywatch.commands.recorded import judge_recorded, read_recorded
from citywatch.commands.rules import app
from tests.alerts.streets import FLOOD

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
RECORDED = {
    "beijing-pm25": "environment/beijing_pm25_hourly_2010_2014.csv.gz",
    "valencia-air": "environment/valencia_air_hourly_2019_2023.csv.gz",
    "metro-interstate": "traffic/metro_interstate_hourly.csv.gz",
    "singapore-dengue-weekly": "health/singapore_dengue_weekly.csv",
    "hcmc-dengue-monthly": "health/hcmc_dengue_monthly_1994_2010.csv",
}
MAPPING = """
sector: environment
source: //recorded.example/floods
asset: F-1
time: {column: at, format: "%Y-%m-%d %H:%M"}
timezone: Asia/Ho_Chi_Minh
series:
  - {column: inches, metric: flood_cm, factor: 2.54}
"""
FLOODS = """at,inches
2026-11-22 08:02,10
2026-11-22 08:00,2
2026-11-22 08:01,10
2026-11-22 08:03,
2026-11-22 08:04,2
2026-11-22 08:05,9000
2026-11-22 08:06,12
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CITYWATCH_DATABASE_DSN", "postgresql://nobody@127.0.0.1:1/nowhere")
    monkeypatch.chdir(tmp_path)
    for name, text in (("rule.yaml", FLOOD), ("mapping.yaml", MAPPING), ("floods.csv", FLOODS)):
        (tmp_path / name).write_text(text)
    return tmp_path


def run(*arguments: str) -> tuple[int, dict[str, list[str]], str]:
    """Exit code, the table's rows by title, and everything that was said."""
    done = CliRunner().invoke(app, ["backtest", "rule.yaml", "--csv", "floods.csv", *arguments])
    rows = [line.strip("│\n ").split("│") for line in done.stdout.splitlines() if line.startswith("│")]
    return done.exit_code, {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}, done.output


def test_rows_are_judged_in_order_of_time_and_accounted_for(files: Path) -> None:
    code, table, said = run("--mapping", "mapping.yaml")
    assert code == 0, said
    assert (table["raised"], table["open at the end"], table["median duration, s"]) == (
        ["2", "-"],
        ["1", "-"],
        ["180", "-"],
    )
    assert "7 rows read, 6 used with 6 readings" in said
    assert "1 rows skipped: no value" in said
    assert "1 events refused: implausible" in said
    _, table, _ = run("--mapping", "mapping.yaml", "--from", "2026-11-22T08:00", "--to", "2026-11-22T08:06")
    assert table["raised"] == ["1", "-"]


def test_two_versions_stand_side_by_side(files: Path) -> None:
    (files / "old.yaml").write_text(FLOOD.replace("above: 15", "above: 26"))
    code, table, said = run("--mapping", "mapping.yaml", "--against", "old.yaml")
    assert code == 0, said
    assert table["raised"] == ["2", "1"]
    assert "in old.yaml" in said


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "--csv and --mapping go together"),
        (["--mapping", "none.yaml"], "none.yaml"),
        (["--mapping", "mapping.yaml", "--from", "2026-11-22T08:00:00"], "--from and --to go together"),
        (["--mapping", "beijing-pm25"], "has no column"),
        (["--mapping", "traffic.yaml"], "the CSV is of traffic; a rule is of environment"),
    ],
)
def test_what_makes_no_sense_is_refused(files: Path, arguments: list[str], reason: str) -> None:
    traffic = MAPPING.replace("sector: environment", "sector: traffic").replace("flood_cm", "queue_m")
    (files / "traffic.yaml").write_text(traffic)
    code, _, said = run(*arguments)
    assert code == 1
    assert reason in said


def test_a_rule_on_what_the_file_has_not_is_left_out_and_said(files: Path) -> None:
    (files / "rule.yaml").write_text(FLOOD + "---" + FLOOD.replace("flooded", "rainy").replace("flood_cm", "rain_mm_h"))
    code, table, said = run("--mapping", "mapping.yaml")
    assert code == 0, said
    assert table["raised"] == ["2", "-"]
    assert "rainy was not tried: the CSV has no rain_mm_h" in said


def counts(outcome: Outcome) -> list[str]:
    """An outcome as docs/backtests.md tells it."""
    return [
        f"{outcome.raised:,}",
        f"{outcome.median_s / 3600:,.0f}",
        f"{outcome.longest_s / 86400:,.1f}",
        f"{outcome.alarms_a_day * 7:.2f}",
        f"{outcome.older_than_a_day:,}",
        f"{outcome.open_share:.1%}",
    ]


@pytest.mark.skipif(not DATA.exists(), reason="the recorded data is not here")
@pytest.mark.parametrize("mapping", RECORDED)
def test_the_counts_in_the_documents_are_what_the_engine_tells(mapping: str) -> None:
    written = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs" / "backtests.md").read_text().splitlines()
        if line.startswith(f"| {mapping} |")
    ]
    assert written
    catalogue, zones = Catalogue.load(DEFAULT_CITY), ZoneMap.load(DEFAULT_CITY)
    decoder = Decoder(catalogue, zones)
    recorded = read_recorded(DATA / RECORDED[mapping], mapping, decoder)
    assert not recorded.refused
    span = recorded.arrivals[0].record_time, recorded.arrivals[-1].record_time + 1
    for _, file, rule, *told in written:
        path = ROOT / "docs" / "backtests" / f"{file}.yaml"
        rules = [one.rule for one in parse_rules(read_text(path), catalogue, path, zones) if one.rule.rule == rule]
        assert counts(judge_recorded(recorded, decoder, rules, *span, lambda *_: None)[rule]) == told
