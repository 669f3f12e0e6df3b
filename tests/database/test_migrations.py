"""Migrations: numbered, applied once, held to their checksum, one migrator at a time, on both kinds of store."""

import asyncio
import sys
from importlib import resources
from pathlib import Path

import asyncpg
import pytest

from city.database import MigrationError, StoreKindFixed
from city.migrations import LOCK, load, migrate

plain_only = pytest.mark.only(server="embedded")


async def query(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package `trial_migrations` to put migrations in."""
    folder = tmp_path / "trial_migrations"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "trial_migrations", raising=False)
    (folder / "0001_first.sql").write_text("CREATE TABLE first (id int);")
    return folder


def test_common_file_comes_before_that_of_the_kind_and_the_other_kind_is_left_out() -> None:
    plain = [migration.name for migration in load("plain")]
    assert plain == sorted(plain, key=lambda name: (name.split(".")[0], name.count(".")))
    assert "0001_foundation.plain.sql" in plain
    assert not any(".timescale." in name for name in plain)
    assert len(load("timescale")) > len([name for name in plain if ".plain." not in name])


def test_every_file_is_named_and_numbered() -> None:
    files = [file.name for file in resources.files("city.migrations").iterdir() if file.name.endswith(".sql")]
    assert {migration.name for kind in ("plain", "timescale") for migration in load(kind)} == set(files)


async def test_applied_once_on_plain(empty_database: str) -> None:
    applied = await migrate(empty_database, "plain")
    assert applied == [migration.name for migration in load("plain")]
    assert await migrate(empty_database, "plain") == []
    assert await migrate(empty_database, "auto") == []


async def test_applied_once_on_timescale(empty_timescale: str) -> None:
    applied = await migrate(empty_timescale, "auto")
    assert applied == [migration.name for migration in load("timescale")]
    assert await migrate(empty_timescale, "timescale") == []
    assert await query(empty_timescale, "SELECT value #>> '{}' FROM city_state WHERE key = 'store'") == "timescale"


async def test_tables_have_the_same_columns_on_both_kinds(empty_database: str, empty_timescale: str) -> None:
    columns = (
        "SELECT string_agg(format('%s.%s %s', table_name, column_name, udt_name), E'\\n' "
        "ORDER BY table_name, ordinal_position) FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name NOT IN ('reading_1m_rolled', 'reading_1h_rolled', 'rollup_dirty')"
    )
    await migrate(empty_database, "plain")
    await migrate(empty_timescale, "timescale")
    assert await query(empty_database, columns) == await query(empty_timescale, columns)


@plain_only
async def test_auto_is_plain_without_the_extension_and_timescale_is_refused(empty_database: str) -> None:
    with pytest.raises(MigrationError, match="no TimescaleDB: install the extension, or set CITYWATCH_STORE=plain"):
        await migrate(empty_database, "timescale")
    assert "0001_foundation.plain.sql" in await migrate(empty_database, "auto")


async def test_kind_is_fixed_by_the_first_migration(empty_database: str) -> None:
    await migrate(empty_database, "plain")
    with pytest.raises(StoreKindFixed, match="set CITYWATCH_STORE=plain"):
        await migrate(empty_database, "timescale")


async def test_changed_file_is_refused(empty_database: str, package: Path) -> None:
    await migrate(empty_database, "plain", package="trial_migrations")
    (package / "0001_first.sql").write_text("CREATE TABLE first (id bigint);")
    with pytest.raises(MigrationError, match=r"0001_first\.sql has changed since it was applied"):
        await migrate(empty_database, "plain", package="trial_migrations")


async def test_database_of_a_newer_version_is_refused(empty_database: str, package: Path) -> None:
    await migrate(empty_database, "plain", package="trial_migrations")
    (package / "0001_first.sql").rename(package / "0002_second.sql")
    with pytest.raises(MigrationError, match=r"0001_first\.sql was applied here but is not in this version"):
        await migrate(empty_database, "plain", package="trial_migrations")


async def test_failing_file_leaves_nothing_and_what_came_before_stays(empty_database: str, package: Path) -> None:
    (package / "0002_second.sql").write_text("CREATE TABLE second (id int);\nSELECT 1 / 0;")
    with pytest.raises(MigrationError, match=r"0002_second\.sql failed: division by zero"):
        await migrate(empty_database, "plain", package="trial_migrations")
    assert await query(empty_database, "SELECT to_regclass('first')::text") == "first"
    assert await query(empty_database, "SELECT to_regclass('second')::text") is None
    (package / "0002_second.sql").write_text("CREATE TABLE second (id int);")
    assert await migrate(empty_database, "plain", package="trial_migrations") == ["0002_second.sql"]


async def test_statement_that_no_transaction_may_hold(empty_database: str, package: Path) -> None:
    (package / "0002_index.sql").write_text(
        "-- no transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS first_id ON first (id)"
    )
    assert await migrate(empty_database, "plain", package="trial_migrations") == ["0001_first.sql", "0002_index.sql"]
    assert await query(empty_database, "SELECT to_regclass('first_id')::text") == "first_id"


async def test_misnamed_file_is_refused(empty_database: str, package: Path) -> None:
    (package / "2_second.sql").touch()
    with pytest.raises(MigrationError, match=r"2_second\.sql: a migration is named"):
        await migrate(empty_database, "plain", package="trial_migrations")


async def test_two_migrators_at_once_apply_each_file_once(empty_database: str) -> None:
    results = await asyncio.gather(*(migrate(empty_database, "plain") for _ in range(4)))
    assert sorted(map(len, results)) == [0, 0, 0, len(load("plain"))]


async def test_migrator_waits_for_another(empty_database: str) -> None:
    other = await asyncpg.connect(empty_database)
    await other.execute(f"SELECT pg_advisory_lock({LOCK})")
    waiting = asyncio.create_task(migrate(empty_database, "plain"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.5)
    await other.close()
    assert await waiting == [migration.name for migration in load("plain")]


async def test_epoch_names_one_database(empty_database: str) -> None:
    await migrate(empty_database, "plain")
    epoch = await query(empty_database, "SELECT value #>> '{}' FROM city_state WHERE key = 'epoch'")
    assert isinstance(epoch, str)
    assert len(epoch) == 36


async def test_times_are_exact_in_both_directions(empty_database: str) -> None:
    await migrate(empty_database, "plain")
    for us in (0, 1, 1_795_331_220_123_457, -1, 4_102_444_799_999_999):
        assert await query(empty_database, f"SELECT to_us(from_us({us}))") == us
    assert await query(empty_database, "SELECT from_us(1000001)::text") == "1970-01-01 00:00:01.000001+00"
