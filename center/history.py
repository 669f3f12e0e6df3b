"""Reading the alert history: its head, what follows a seq, and the whole book, each as of one instant."""

from dataclasses import dataclass
from typing import Final

import asyncpg
import msgspec
import structlog

from alerts.store import shown_alerts
from center.book import AlertBook, AlertHead, Transition, read_head
from city.database import Connection, load_sql
from city.timestamps import from_datetime

AFTER: Final = load_sql("center", "history_after.sql")
HEAD: Final = load_sql("center", "history_head.sql")
RAISED: Final = load_sql("center", "raised_last_hour.sql")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Missed:
    """What follows a seq: the database's epoch, its newest seq, and the transitions in order."""

    epoch: str
    head: int
    transitions: list[Transition]


async def after(connection: Connection, seq: int, limit: int, *, places: bool = False) -> list[Transition]:
    """The next transitions after `seq`, in order; with `places`, each with the zone its alert was in before."""
    return [_transition(row) for row in await connection.fetch(AFTER, seq, limit, places)]


async def head(connection: Connection) -> tuple[str, int]:
    """(epoch of this database, newest seq)."""
    row = await connection.fetchrow(HEAD)
    assert row is not None, "the statement always returns a row"
    return row["epoch"], row["seq"]


async def missed(pool: asyncpg.Pool, seq: int, limit: int) -> Missed:
    """What a client that has `seq` missed: one repeatable-read transaction."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        epoch, newest = await head(connection)
        return Missed(epoch, newest, await after(connection, seq, limit, places=True))


async def load(pool: asyncpg.Pool, book: AlertBook) -> None:
    """Fills the book from the database as of its newest seq: one repeatable-read transaction."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        epoch, newest = await head(connection)
        bodies = [body.encode() for body in await shown_alerts(connection)]
        raised = [from_datetime(row["at"]) for row in await connection.fetch(RAISED)]
    book.load(epoch, newest, bodies, raised)


def _transition(row: asyncpg.Record) -> Transition:
    body = row["body"].encode()
    try:
        parsed = read_head(body)
    except msgspec.ValidationError as wrong:  # it has its number, so it must pass; a screen shows it as it can
        log.error("alert_body_unknown", seq=row["seq"], error=str(wrong))
        parsed = AlertHead(str(row["alert_id"]), "", "unacknowledged", "unknown")
    return Transition(row["seq"], row["kind"], from_datetime(row["at"]), body, parsed, row["zone_before"])
