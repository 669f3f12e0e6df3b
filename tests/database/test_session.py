"""A database that stops answering without a word costs a command its timeout, once, and never the process."""

import asyncio
import os
import signal
import socket
import time

import pytest

from city.database import STORE_ERRORS, failure, open_pool
from city.session import is_hang, keep_socket_alive
from city.settings import Settings

OTHERS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'hung' AND pid <> pg_backend_pid()"


async def test_a_session_whose_server_does_not_answer_is_given_up_and_so_are_its_like(database: str) -> None:
    settings = Settings(database_dsn=database, _env_file=None)
    async with await open_pool(settings, application="hung", min_size=3, max_size=3, command_timeout_s=1) as pool:
        async with pool.acquire() as watcher:
            stopped = [row["pid"] for row in await watcher.fetch(OTHERS)]
            assert len(stopped) == 2
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            started = time.monotonic()
            try:
                with pytest.raises(STORE_ERRORS) as raised:
                    async with pool.acquire() as connection, connection.transaction():
                        await connection.execute("SELECT 1")
                assert is_hang(raised.value)
                assert failure(raised.value) == "unavailable"
                once = time.monotonic() - started
                assert await pool.fetchval("SELECT 1") == 1
            finally:
                for pid in stopped:
                    os.kill(pid, signal.SIGCONT)
        assert once < 8, "neither the rollback nor the release waits as well"


async def test_the_system_asks_after_a_silent_server() -> None:
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with listening:
        _, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        way = writer.transport.get_extra_info("socket")
        keep_socket_alive(way)
        assert way.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert way.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
        writer.close()


async def test_an_error_is_a_hang_when_a_timeout_is_behind_it() -> None:
    assert is_hang(TimeoutError())
    assert not is_hang(ConnectionResetError())
