"""`citywatch rules`: what a person types and reads."""

import asyncio
import getpass
import json
import re
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner

from city.settings import DEFAULT_CITY
from citywatch.commands.rules import app
from tests.alerts.streets import FLOOD, LASTING
from tests.conftest import execute


@pytest.fixture
def run(database: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("CITYWATCH_DATABASE_DSN", database)
    return CliRunner()


def test_check_lists_the_rules_and_asks_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYWATCH_DATABASE_DSN", "postgresql://nobody@127.0.0.1:1/none")
    done = CliRunner().invoke(app, ["check", str(DEFAULT_CITY / "rules")])
    assert done.exit_code == 0
    assert "street-flood (flood_cm > 15 warning for 20s, > 30 critical for 20s, > 50 emergency)" in done.stdout
    assert "rules, all good" in done.stdout


def test_what_is_wrong_is_told_by_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "flood.yaml").write_text(FLOOD.replace("flood_cm", "flood_m"))
    done = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert done.exit_code == 1
    assert "flood.yaml:6: environment has no metric 'flood_m'" in done.stderr


def test_one_file_is_checked_alone_but_never_applied_as_if_it_were_all(tmp_path: Path) -> None:
    file = tmp_path / "flood.yaml"
    file.write_text(FLOOD)
    (tmp_path / "other.yaml").write_text(LASTING)
    done = CliRunner().invoke(app, ["check", str(file)])
    assert done.exit_code == 0, done.output
    assert "1 rules, all good" in done.stdout
    for command in ("apply", "diff"):
        done = CliRunner().invoke(app, [command, str(file)])
        assert (done.exit_code, "is no folder" in done.stderr) == (1, True)


@pytest.mark.parametrize("command", ["check", "test"])
def test_what_is_not_there_or_nested_too_deep_is_one_sentence(command: str, tmp_path: Path) -> None:
    deep = tmp_path / "deep.yaml"
    deep.write_text("[" * 3000)
    for file, said in ((deep, "is nested too deep"), (tmp_path / "nonexist", "no folder|can't be read: No such file")):
        done = CliRunner().invoke(app, [command, str(file)])
        assert (done.exit_code, type(done.exception)) == (1, SystemExit), done.exception
        assert re.search(said, done.stderr)
        assert len(done.stderr.splitlines()) == 1


async def test_apply_keeps_versions_and_retires_what_is_gone(run: CliRunner, tmp_path: Path) -> None:
    async def citywatch(*arguments: str) -> str:
        done = await asyncio.to_thread(run.invoke, app, list(arguments))
        assert done.exit_code == 0, done.output
        return done.stdout

    file = tmp_path / "flood.yaml"
    file.write_text(FLOOD)
    assert "new      flooded" in await citywatch("apply", str(tmp_path), "--by", "Lan")
    assert "1 unchanged; revision 1 is in force" in await citywatch("apply", str(tmp_path))
    file.write_text(FLOOD.replace("15", "16") + "---\n" + LASTING)
    told = await citywatch("apply", str(tmp_path), "--by", "Minh")
    assert "new      lasting" in told
    assert "changed  flooded" in told
    listed = await citywatch("list")
    assert "flooded                      v2   flood_cm > 16 warning, > 30 critical  [Minh, " in listed
    file.write_text(LASTING)
    assert "retired  flooded" in await citywatch("apply", str(tmp_path))
    file.write_text(FLOOD)
    await citywatch("apply", str(tmp_path), "--keep")
    listed = await citywatch("list")
    assert "flooded                      v3" in listed
    assert "lasting" in listed


async def test_what_is_applied_is_in_the_audit_trail(run: CliRunner, tmp_path: Path, database: str) -> None:
    async def trail() -> list[tuple[str, str, object, object]]:
        connection = await asyncpg.connect(database)
        rows = await connection.fetch("SELECT * FROM audit ORDER BY seq")
        await connection.close()
        assert {(row["actor_kind"], row["actor"]) for row in rows} == {("local", getpass.getuser())}
        return [(row["action"], row["object"], json.loads(row["before"]), json.loads(row["after"])) for row in rows]

    async def apply(*more: str) -> None:
        done = await asyncio.to_thread(run.invoke, app, ["apply", str(tmp_path), *more])
        assert done.exit_code == 0, done.output

    file = tmp_path / "rules.yaml"
    file.write_text(FLOOD + "---\n" + LASTING)
    await apply("--by", "Lan, shift B")
    await apply()  # no difference: nothing was done
    file.write_text(FLOOD.replace("15", "16"))
    await apply()
    assert await trail() == [
        (
            "rules.apply",
            "rules",
            {"revision": 0, "rules": {}},
            {"revision": 1, "rules": {"flooded": 1, "lasting": 1}, "by": "Lan, shift B"},
        ),
        (
            "rules.apply",
            "rules",
            {"revision": 1, "rules": {"flooded": 1, "lasting": 1}},
            {"revision": 2, "rules": {"flooded": 2}, "by": getpass.getuser()},
        ),
    ]
    await execute(database, "DELETE FROM audit_head")
    file.write_text(LASTING)
    refused = await asyncio.to_thread(run.invoke, app, ["apply", str(tmp_path)])
    assert refused.exit_code == 1
    assert "flooded" in (await asyncio.to_thread(run.invoke, app, ["list"])).stdout, "no act without its row"


async def test_one_bad_rule_leaves_the_running_set(run: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FLOOD)
    assert (await asyncio.to_thread(run.invoke, app, ["apply", str(tmp_path)])).exit_code == 0
    (tmp_path / "b.yaml").write_text("rule: x\n")
    refused = await asyncio.to_thread(run.invoke, app, ["apply", str(tmp_path)])
    assert refused.exit_code == 1
    assert "b.yaml:1: a rule needs raise, sector, short, title" in refused.stderr
    assert "flooded" in (await asyncio.to_thread(run.invoke, app, ["list"])).stdout


async def test_what_would_change_is_told_and_what_was_is_kept(run: CliRunner, tmp_path: Path) -> None:
    import asyncio

    async def citywatch(*arguments: str) -> tuple[int, str]:
        done = await asyncio.to_thread(run.invoke, app, list(arguments))
        return done.exit_code, done.output

    file = tmp_path / "flood.yaml"
    file.write_text(FLOOD)
    await citywatch("apply", str(tmp_path), "--by", "Lan")
    assert await citywatch("diff", str(tmp_path)) == (0, "1 rules, as in force\n")
    file.write_text(FLOOD.replace("above: 15", "above: 16"))
    code, told = await citywatch("diff", str(tmp_path))
    assert code == 1
    assert "--- flooded v1" in told
    assert "-  warning: {above: 15}" in told
    assert "+  warning: {above: 16}" in told
    code, told = await citywatch("apply", str(tmp_path), "--dry-run")
    assert (code, told) == (0, "changed  flooded\n0 unchanged; revision 1 is in force; nothing was applied\n")
    assert (await citywatch("diff", str(tmp_path)))[0] == 1
    await citywatch("apply", str(tmp_path), "--by", "Minh")
    code, told = await citywatch("history", "flooded")
    assert code == 0
    assert [line.split()[0] for line in told.splitlines() if line.startswith("v")] == ["v1", "v2"]
    assert "Minh, in force" in told
    assert "+  warning: {above: 16}" in told
    assert (await citywatch("history", "nothing"))[0] == 1
