"""The embedded servers start, keep what they promise to keep, and are gone after stop."""

import os
import signal
import tempfile
import time
from pathlib import Path
from threading import Thread

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from citywatch.embedded.broker import EmbeddedBroker
from citywatch.embedded.postgres import FOR_TESTS, EmbeddedPostgres, closed_folder
from citywatch.embedded.process import EmbeddedError


async def one(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_postgres_keeps_its_data_over_a_restart_and_over_a_kill(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, tuning=FOR_TESTS)
    server.start()
    server.create_database("citywatch")
    server.create_database("citywatch")
    await one(server.dsn(), "CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop()
    assert server.pid is None

    server.start()
    assert await one(server.dsn(), "SELECT answer FROM kept") == 42
    sessions = [await asyncpg.connect(server.dsn()) for _ in range(20)]
    assert server.process is not None
    server.process.kill()
    server.process.wait()

    server.start()
    assert await one(server.dsn(), "SELECT answer FROM kept") == 42
    for session in sessions:
        session.terminate()
    server.stop()


async def test_last_words_of_many_sessions_do_not_hide_that_one_still_holds_the_memory(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, tuning=FOR_TESTS)
    server.start()
    held = await asyncpg.connect(server.dsn("postgres"))
    holder = held.get_server_pid()
    assert server.process is not None
    os.kill(holder, signal.SIGSTOP)
    server.process.kill()
    server.process.wait()

    def speak_and_let_go() -> None:
        ends = time.monotonic() + 1.5
        while time.monotonic() < ends:
            with server.log.open("a") as log:
                log.write("FATAL:  terminating connection due to unexpected postmaster exit\n" * 3)
            time.sleep(0.002)
        os.kill(holder, signal.SIGCONT)

    speaking = Thread(target=speak_and_let_go)
    speaking.start()
    try:
        server.start()
    finally:
        speaking.join()
    assert await one(server.dsn("postgres"), "SELECT 42") == 42
    held.terminate()
    server.stop()


def test_a_folder_that_is_closed_to_others_is_named() -> None:
    assert closed_folder(Path("/usr/bin")) is None
    with tempfile.TemporaryDirectory(dir="/tmp") as home:  # 0700, as a home of root's is
        inside = Path(home) / "venv" / "bin"
        inside.mkdir(parents=True)
        assert closed_folder(inside) == Path(home)
        Path(home).chmod(0o711)
        assert closed_folder(inside) is None


async def test_a_server_left_behind_by_a_killed_parent_is_ended_first(tmp_path: Path) -> None:
    left = EmbeddedPostgres(tmp_path, tuning=FOR_TESTS)
    left.start()
    server = EmbeddedPostgres(tmp_path, tuning=FOR_TESTS)
    server.start()
    assert left.process is not None
    assert left.process.wait(5) is not None
    assert await one(server.dsn("postgres"), "SHOW max_locks_per_transaction") == "1024"
    server.stop()


async def test_every_start_of_the_broker_is_another_log_on_the_same_port(embedded_broker: EmbeddedBroker) -> None:
    async def cluster() -> str:
        admin = AIOKafkaAdminClient(bootstrap_servers=embedded_broker.bootstrap)
        await admin.start()
        try:
            identity: str = (await admin.describe_cluster())["cluster_id"]
            return identity
        finally:
            await admin.close()

    first, port = await cluster(), embedded_broker.port
    assert first == embedded_broker.cluster_id
    assert embedded_broker.resident_bytes() > 1_000_000
    embedded_broker.stop()
    embedded_broker.start()
    assert embedded_broker.port == port
    assert await cluster() not in ("", first)


def test_another_ones_broker_on_the_port_is_not_taken_for_this_one(
    embedded_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("citywatch.embedded.broker.can_bind", lambda port: True)  # both looked before either began
    late = EmbeddedBroker(port=embedded_broker.port, log=tmp_path / "late.log")
    try:
        with pytest.raises(EmbeddedError, match="ended while starting"):
            late.start()
    finally:
        late.stop()
    assert embedded_broker.ready()


def test_a_taken_port_is_said_in_a_sentence(embedded_broker: EmbeddedBroker) -> None:
    second = EmbeddedBroker(port=embedded_broker.port)
    with pytest.raises(EmbeddedError, match=f"port {embedded_broker.port} is taken"):
        second.start()
