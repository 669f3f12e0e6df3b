"""The way to the database: pools with the session settings that every service needs, SQL files, and what errors mean.

What failed is told by its SQLSTATE class: *retry* (the same transaction again, at once), *unavailable* (the server is
gone, full or starting: wait, then reconnect) or *fault* (the statement is wrong: a person has to look).
"""

import functools
from importlib import resources
from typing import TYPE_CHECKING, Final, Literal

import asyncpg
from asyncpg.exceptions import InterfaceError, InternalClientError, PostgresError
from asyncpg.exceptions._base import DataError as Unsendable

from city.session import SERVER_KEEPALIVE, Session, introduce, keep_alive
from city.settings import Settings

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection | PoolConnectionProxy
else:
    Connection = asyncpg.Connection

RETRYABLE: Final = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock not available: the same transaction again may pass."""

UNAVAILABLE: Final = frozenset(
    {"25006", "25P03", "53100", "53200", "53300", "53400", "57014", "57P01", "57P02", "57P03", "57P05", "58030"}
)
"""Read-only standby, idle-in-transaction timeout, disk full, out of memory, too many connections, cancelled by an
administrator or a timeout, shutdown or start, I/O error."""

UNIQUE_VIOLATION: Final = "23505"

STORE_ERRORS: Final = (OSError, TimeoutError, PostgresError, InterfaceError, InternalClientError)
"""Everything that a statement can raise when the database or the way to it fails; `failure` sorts it."""

Failure = Literal["retry", "unavailable", "fault"]


class DatabaseError(Exception):
    """A failure of the store that a person should read; `code` is stable, the text names what to do."""

    code = "database"


class MigrationError(DatabaseError):
    """The schema could not be brought up to date; nothing of the failing file was applied."""

    code = "migration"


class StoreKindFixed(MigrationError):
    """The kind of store asked for is not the one that the first migration fixed."""

    code = "store_kind_fixed"


class LeaseLost(DatabaseError):
    """Another owner has the lease, or it ran out; the transaction must not commit."""

    code = "lease_lost"


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE that the server gave, or None if the error is not the server's."""
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None


def failure(error: BaseException) -> Failure:
    """What to do about an error of asyncpg or of the network below it."""
    state = sqlstate(error)
    if isinstance(error, Unsendable):
        return "fault"
    if state is not None:
        if state in RETRYABLE:
            return "retry"
        return "unavailable" if state in UNAVAILABLE or state.startswith("08") else "fault"
    if isinstance(error, OSError | TimeoutError | InterfaceError | InternalClientError):
        return "unavailable"
    return "fault"


def refuses_rows(error: BaseException) -> bool:
    """Whether the values given may be at fault: what the server says of data, constraints and its limits.

    The same statement with other rows may pass; waiting helps nothing.
    """
    return isinstance(error, Unsendable) or (sqlstate(error) or "")[:2] in _ROW_CLASSES


_ROW_CLASSES: Final = ("22", "23", "54")

SESSION: Final = {
    "timezone": "UTC",
    "jit": "off",
    "idle_in_transaction_session_timeout": "3s",
    **SERVER_KEEPALIVE,
}
"""Set in every session: a client that is paused inside a transaction holds its locks for three seconds at most."""


async def open_pool(
    settings: Settings,
    *,
    application: str,
    min_size: int = 1,
    max_size: int = 4,
    command_timeout_s: float | None = None,
) -> asyncpg.Pool:
    """A pool of sessions in UTC, named `application` in pg_stat_activity; `min_size` of them are connected at once.

    A command that is not answered within `command_timeout_s` raises TimeoutError; its session is ended and none that
    was open by then is used again.

    Raises:
        OSError, asyncpg.PostgresError: the server can't be reached or refuses; see `failure`.
    """
    pool: asyncpg.Pool = asyncpg.create_pool(
        settings.database_dsn,
        min_size=min_size,
        max_size=max_size,
        command_timeout=command_timeout_s,
        timeout=10,
        connection_class=Session,
        init=lambda session: introduce(session, lambda: pool.expire_connections()),
        server_settings={**SESSION, "application_name": application},
    )
    await pool
    return pool


async def connect(dsn: str, *, application: str, command_timeout_s: float | None = None) -> asyncpg.Connection:
    """One session with the same settings as a pool's; the caller closes it."""
    connection: asyncpg.Connection = await asyncpg.connect(
        dsn,
        timeout=10,
        command_timeout=command_timeout_s,
        server_settings={**SESSION, "application_name": application},
    )
    keep_alive(connection)
    return connection


@functools.cache
def load_sql(package: str, name: str) -> str:
    """The statement in file `name` beside the modules of `package`; read once.

    Raises:
        FileNotFoundError: no such file in the package.
    """
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
