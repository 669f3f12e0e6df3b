"""Cases of rules: the notation, what they find, how they say it; and those of the default city hold."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from alerts.series_notation import expand
from city.settings import DEFAULT_CITY
from citywatch.commands.rules import app

CITY_CASES = sorted((DEFAULT_CITY / "rules" / "tests").glob("*.yaml"))

RULES = """
rule: flooded
title: {vi: a, en: b}
short: {vi: a, en: b}
sector: environment
metric: flood_cm
raise: {warning: {above: 15, for: 20s}}
clear: {below: 10}
---
rule: many-calls
title: {vi: a, en: b}
short: {vi: a, en: b}
sector: environment
per: zone
reports: {category: flooding}
raise: {warning: {repeats: {times: 2, within: 10m}}}
---
rule: silent
title: {vi: a, en: b}
short: {vi: a, en: b}
sector: environment
metric: noise_db
raise: {warning: {absent: 1m}}
"""
CASE = """
case: it floods
rules: [rules.yaml]
interval: 10s
readings:
  - {asset: A, zone: "26740", flood_cm: 0x2 20x4 5}
  - {asset: N-1, noise_db: 60 _x20}
  - {asset: N-2, noise_db: 60x21}
reports:
  - {at: 0s, category: flooding, subject: x, zone: "26740"}
  - {at: 30s, category: flooding, subject: x, zone: "26740"}
  - {at: 1m, category: flooding, subject: y, zone: "26740"}
until: 15m
expect:
  - {at: 40s, raised: flooded, group: A, severity: warning}
  - {at: 60s, cleared: flooded, group: A, severity: warning}
  - {at: 60s, raised: many-calls, group: "26740", severity: warning}
  - {at: 60s, raised: silent, group: N-1, severity: warning}
  - {at: 10m, cleared: many-calls, group: "26740", severity: warning}
"""


def test_a_series_in_short() -> None:
    assert expand("1.5 2x3 5-0.5x3 _x2 -1+1x2") == [1.5, 2, 2, 2, 5, 4.5, 4, None, None, -1, 0]
    for wrong in ("x3", "1x", "_+1x3", "1x1000000", "two"):
        with pytest.raises(ValueError, match=r"is no series|makes more than"):
            expand(wrong)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "cases.yaml").write_text(CASE)
    return tmp_path


def test_a_case_that_holds(folder: Path) -> None:
    done = CliRunner().invoke(app, ["test", str(folder / "cases.yaml")])
    assert (done.exit_code, done.stdout) == (0, "1 cases, all good\n"), done.output


def test_a_case_that_fails_says_what_came_and_what_did_not(folder: Path) -> None:
    (folder / "cases.yaml").write_text(CASE.replace("{at: 40s, raised", "{at: 30s, raised"))
    done = CliRunner().invoke(app, ["test", str(folder / "cases.yaml")])
    assert done.exit_code == 1
    assert "cases.yaml:2: it floods" in done.stdout
    assert "    -       30s raised    flooded A warning" in done.stdout
    assert "    +       40s raised    flooded A warning" in done.stdout
    assert "1 cases, 1 failed" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("[rules.yaml]", "[missing.yaml]", "cases.yaml:3: there is no file"),
        ("flood_cm: 0x2 20x4 5", "flood_m: 0x2", "cases.yaml:6: no rule of this case watches 'flood_m'"),
        ("0x2 20x4 5", "0x2 twenty", "'twenty' is no series"),
        ("raised: silent, ", "", "exactly one of raised, escalated, eased, cleared"),
        ("until: 15m", "until: later", "until is no duration"),
        ("case: it floods\n", "", "a case needs case"),
    ],
)
def test_a_case_that_is_wrong_is_told_by_file_and_line(folder: Path, old: str, new: str, reason: str) -> None:
    assert old in CASE
    (folder / "cases.yaml").write_text(CASE.replace(old, new, 1))
    done = CliRunner().invoke(app, ["test", str(folder / "cases.yaml")])
    assert done.exit_code == 1
    assert reason in done.stderr


def test_the_cases_of_the_default_city_hold() -> None:
    assert CITY_CASES
    done = CliRunner().invoke(app, ["test", *map(str, CITY_CASES)])
    assert done.exit_code == 0, done.output
