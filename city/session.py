"""A session of the database that never waits for ever: a command without an answer ends it, and its pool's others."""

import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import asyncpg
import structlog

from city import metrics

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

T = TypeVar("T")

_KEEPALIVE: Final = (
    ("TCP_KEEPIDLE", 10),
    ("TCP_KEEPINTVL", 3),
    ("TCP_KEEPCNT", 3),
    ("TCP_USER_TIMEOUT", 20_000),
)
"""Seconds of silence before the other end is asked, between questions, questions; milliseconds until what was sent must
be acknowledged. What the system does not know is left out."""

SERVER_KEEPALIVE: Final = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
}
"""The same asked of the server: a client whose host is gone holds its locks for twenty seconds at most."""

_SERVER: Final = """
SELECT concat_ws(' ', pg_postmaster_start_time(), inet_server_addr(), inet_server_port())
"""

log = structlog.get_logger(__name__)


class Session(asyncpg.Connection):
    """As asyncpg's, but a command past its timeout ends the session at once.

    Whether that command was carried out is unknown. A server that is gone without a word (a failover, a firewall that
    forgot, a process that is stopped) answers nothing any more, a cancellation and a rollback no more than a command.
    """

    server: str = ""
    """Which start of which server this is: after a failover or a restart another one, perhaps of an older state."""
    on_hang: Callable[[], Awaitable[None]] | None = None
    """Called once the session is ended: others that go the same way are as doubtful."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109
        return await self._answered(super().execute(query, *args, timeout=timeout))

    async def executemany(self, command: str, args: Any, *, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._answered(super().executemany(command, args, timeout=timeout))

    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        return await self._answered(super().fetch(query, *args, **options))

    async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        return await self._answered(super().fetchval(query, *args, **options))

    async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        return await self._answered(super().fetchrow(query, *args, **options))

    async def copy_to_table(self, table_name: str, *, source: Any, **options: Any) -> str:
        return await self._answered(super().copy_to_table(table_name, source=source, **options))

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Say goodbye for ten seconds at most."""
        await super().close(timeout=10.0 if timeout is None else timeout)

    async def _answered(self, command: Awaitable[T]) -> T:
        try:
            return await command
        except TimeoutError:
            if not self.is_closed():
                self.terminate()
            metrics.DATABASE_HANGS.inc()
            log.warning("the database does not answer; a new session is opened")
            if self.on_hang is not None:
                await self.on_hang()
            raise


async def introduce(session: asyncpg.Connection, on_hang: Callable[[], Awaitable[None]]) -> None:
    """What a pool does with each new session."""
    keep_alive(session)
    if isinstance(session, Session):
        session.on_hang = on_hang
        session.server = await session.fetchval(_SERVER)


def server_of(connection: "asyncpg.Connection | PoolConnectionProxy") -> str:
    """The `server` of a session, also of one lent by a pool."""
    server: str = getattr(connection, "server", "")
    return server


def is_hang(error: BaseException | None) -> bool:
    """Whether an error came of a command that was not answered in time: what it did is unknown."""
    while error is not None:
        if isinstance(error, TimeoutError):
            return True
        error = error.__cause__ or error.__context__
    return False


def keep_alive(connection: asyncpg.Connection) -> None:
    """Have the system ask after the other end of a TCP connection, and break it when nothing is heard."""
    keep_socket_alive(getattr(connection, "_transport").get_extra_info("socket"))  # noqa: B009


def keep_socket_alive(way: socket.socket | None) -> None:
    """The same for a socket; one that is not TCP is left as it is."""
    if way is None or way.family not in (socket.AF_INET, socket.AF_INET6):
        return
    way.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        option = getattr(socket, name, None)
        if option is not None:
            way.setsockopt(socket.IPPROTO_TCP, option, value)
