"""Sessions and errors: a paused client frees its locks, and every failure is sorted by what to do about it."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from city.database import STORE_ERRORS, connect, failure, load_sql, open_pool, sqlstate
from city.settings import Settings


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    settings = Settings(database_dsn=database, _env_file=None)
    pool = await open_pool(settings, application="citywatch test", min_size=1, max_size=3)
    yield pool
    await pool.close()


async def test_sessions_are_named_in_utc_and_have_timeouts(pool: asyncpg.Pool) -> None:
    for setting, value in {
        "timezone": "UTC",
        "idle_in_transaction_session_timeout": "3s",
        "application_name": "citywatch test",
        "jit": "off",
    }.items():
        assert await pool.fetchval("SELECT current_setting($1)", setting) == value


async def test_client_paused_in_a_transaction_frees_its_locks_after_three_seconds(pool: asyncpg.Pool) -> None:
    paused = await pool.acquire()
    transaction = paused.transaction()
    await transaction.start()
    await paused.execute("LOCK TABLE asset")
    await asyncio.wait_for(pool.execute("INSERT INTO asset (sector, name) VALUES ('traffic', 'A')"), 6)
    with pytest.raises(STORE_ERRORS) as raised:
        await paused.execute("SELECT 1")
    assert failure(raised.value) == "unavailable"
    await pool.release(paused)
    assert await pool.fetchval("SELECT 1") == 1


async def test_lock_timeout_is_to_be_retried(pool: asyncpg.Pool) -> None:
    await pool.execute("INSERT INTO asset (sector, name) VALUES ('traffic', 'A')")
    async with pool.acquire() as holder, holder.transaction():
        await holder.execute("UPDATE asset SET zone = '26740'")
        async with pool.acquire() as other:
            await other.execute("SET lock_timeout = '10ms'")
            with pytest.raises(asyncpg.LockNotAvailableError) as raised:
                await other.execute("UPDATE asset SET zone = '26737'")
        assert failure(raised.value) == "retry"


async def test_serialization_failure_is_to_be_retried(pool: asyncpg.Pool) -> None:
    await pool.execute("INSERT INTO asset (sector, name) VALUES ('traffic', 'A')")
    async with pool.acquire() as other:
        transaction = other.transaction(isolation="repeatable_read")
        await transaction.start()
        await other.fetchval("SELECT count(*) FROM asset")
        await pool.execute("UPDATE asset SET zone = '26740'")
        with pytest.raises(asyncpg.SerializationError) as raised:
            await other.execute("UPDATE asset SET zone = '26737'")
        await transaction.rollback()
    assert (failure(raised.value), sqlstate(raised.value)) == ("retry", "40001")


async def test_wrong_statement_is_a_fault(pool: asyncpg.Pool) -> None:
    with pytest.raises(asyncpg.PostgresError) as raised:
        await pool.execute("SELECT nothing FROM nowhere")
    assert failure(raised.value) == "fault"


async def test_ended_session_and_absent_server_are_unavailable(pool: asyncpg.Pool, unused_tcp_port: int) -> None:
    async with pool.acquire() as connection:
        await pool.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        with pytest.raises(STORE_ERRORS) as raised:
            await connection.execute("SELECT 1")
        assert failure(raised.value) == "unavailable"
    with pytest.raises(STORE_ERRORS) as refused:
        await connect(f"postgresql://citywatch@127.0.0.1:{unused_tcp_port}/citywatch", application="test")
    assert failure(refused.value) == "unavailable"
    assert failure(ValueError("ours")) == "fault"


def test_statement_is_read_once() -> None:
    assert load_sql("city", "latest_values.sql") is load_sql("city", "latest_values.sql")
    with pytest.raises(FileNotFoundError):
        load_sql("city", "absent.sql")


async def test_ledger_refuses_what_does_not_balance(pool: asyncpg.Pool) -> None:
    await pool.execute(
        "INSERT INTO ledger (cluster, topic, generation, partition, first_offset, next_offset) "
        "VALUES ('c', 't', 1, 0, 5, 5)"
    )
    await pool.execute("UPDATE ledger SET next_offset = 9, stored = 3, dead = 1")
    with pytest.raises(asyncpg.CheckViolationError, match="ledger_balances"):
        await pool.execute("UPDATE ledger SET next_offset = 10")


@pytest.fixture
async def small_disk(pool: asyncpg.Pool, tmp_path: Path) -> AsyncIterator[Path]:
    """Eight megabytes of the server's own that can be filled."""
    server = Path(await pool.fetchval("SHOW data_directory")).stat()
    folder = tmp_path / "disk"
    folder.mkdir()
    options = f"size=8m,mode=0700,uid={server.st_uid},gid={server.st_gid}"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False).returncode != 0:
        pytest.skip("may not mount a file system here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.only(server="embedded")  # which sees this machine's folders
async def test_full_disk_is_unavailable_and_writes_go_on_when_there_is_room(
    pool: asyncpg.Pool, small_disk: Path
) -> None:
    await pool.execute(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    try:
        await pool.execute("ALTER TABLE reading SET TABLESPACE small")
        fill = "INSERT INTO reading SELECT from_us(n), $1, n FROM generate_series(1, 200000) AS n"
        with pytest.raises(asyncpg.DiskFullError) as raised:
            await pool.execute(fill, 1)
        assert failure(raised.value) == "unavailable"
        assert await pool.fetchval("SELECT count(*) FROM reading") == 0
        subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
        assert await pool.execute(fill, 1) == "INSERT 0 200000"
    finally:
        await pool.execute("DROP TABLE reading CASCADE")
        await pool.execute("CHECKPOINT")
        await pool.execute("DROP TABLESPACE small")
