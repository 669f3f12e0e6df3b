"""A command whose database or broker is not there ends in one sentence that says what to type."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from asyncpg import InvalidCatalogNameError, UndefinedTableError

from citywatch.embedded.process import free_port
from citywatch.store import DSN, no_broker, no_database
from tests.conftest import with_database

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (
    ("ledger",),
    ("rules", "list"),
    ("keys", "list"),
    ("dead-letters", "list"),
    ("accounts", "list"),
    ("devices", "list"),
    ("audit", "list"),
    ("migrate",),
)
REFUSED = ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 5432)")


async def said(*command: str, cwd: Path, **settings: str) -> tuple[int, str]:
    """Exit code and error output of a command in a folder without a demo."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CITYWATCH_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "citywatch", *command),
        cwd=cwd,
        env=environment | {"PYTHONPATH": str(ROOT)} | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, errors.decode()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
async def test_without_a_database_every_command_says_so_in_a_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    nowhere = f"postgresql://somebody:secret@127.0.0.1:{free_port()}/city"
    code, errors = await said(*command, cwd=tmp_path, CITYWATCH_DATABASE_DSN=nowhere)
    assert code in (1, 2)
    assert errors.count("\n") == 1, errors
    assert "does not answer (nothing listens there): start it, or correct CITYWATCH_DATABASE_DSN" in errors
    assert "secret" not in errors


async def test_a_database_that_is_not_citywatchs_is_told_from_one_that_is_away(
    tmp_path: Path, empty_database: str, postgres_dsn: str
) -> None:
    code, errors = await said("rules", "list", cwd=tmp_path, CITYWATCH_DATABASE_DSN=empty_database)
    assert (code, errors.count("\n")) == (1, 1)
    assert errors.endswith("type `citywatch migrate`\n")
    absent = with_database(postgres_dsn, "nothing_here")
    code, errors = await said("rules", "list", cwd=tmp_path, CITYWATCH_DATABASE_DSN=absent)
    assert (code, errors.count("\n")) == (1, 1)
    assert errors.endswith("correct CITYWATCH_DATABASE_DSN\n")


def test_what_to_do_depends_on_who_chose_the_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for setting in (DSN, "CITYWATCH_KAFKA_BOOTSTRAP", "CITYWATCH_JOINED_DEMO"):
        monkeypatch.delenv(setting, raising=False)
    here = "at 127.0.0.1:5432 does not answer (nothing listens there): start it with `make demo`, or set " + DSN
    assert no_database(REFUSED) == f"the database {here}"
    assert no_broker(REFUSED).endswith("start it with `make demo`, or set CITYWATCH_KAFKA_BOOTSTRAP")
    (tmp_path / ".env").write_text("CITYWATCH_DATABASE_DSN=postgresql://u:p@db.example/city\n")
    assert "at db.example:5432 does" in no_database(REFUSED)
    assert no_database(REFUSED).endswith("start it, or correct CITYWATCH_DATABASE_DSN")
    monkeypatch.setenv("CITYWATCH_JOINED_DEMO", "1")
    assert "the demo starts what ended again" in no_database(REFUSED)
    assert "took too long" in no_database(TimeoutError())
    assert no_database(UndefinedTableError("no rule")).endswith("type `citywatch migrate`")
    assert "refuses" in no_database(InvalidCatalogNameError("no city"))
