"""The public face of alerts for those who show them: what stands, and what happened since (acts: alerts/acts.py).

Bodies are JSON texts, the Alert of REST and WebSocket, to be passed on as they are. After each commit the channel
CHANNEL is notified; that is only a hint, so poll too.
"""

import uuid
from typing import Final

import asyncpg
import msgspec

from alerts import acts
from alerts.acts import UnknownAlert as UnknownAlert
from city.actor import Actor
from city.database import Connection
from city.timestamps import format_time, from_datetime

CHANNEL: Final = "citywatch_alerts"

NEWEST: Final = "SELECT seq FROM alert_sequence"
SHOWN: Final = "SELECT body FROM alert WHERE state <> 'normal' ORDER BY raised_at, id"
ONE: Final = "SELECT body FROM alert WHERE id = $1"
SINCE: Final = """
SELECT seq, alert_id, kind, at, actor, body, detail FROM alert_history WHERE seq > $1 ORDER BY seq LIMIT $2
"""
OF_ALERT: Final = """
SELECT seq, alert_id, kind, at, actor, body, detail FROM alert_history WHERE alert_id = $1 ORDER BY seq
"""

Queryable = asyncpg.Pool | Connection


class HistoryRow(msgspec.Struct, frozen=True):
    """One transition: gapless number, kind, when it was committed (RFC 3339), by whom, and the alert after it.

    `detail`: what the act itself said, a JSON object or None.
    """

    seq: int
    alert_id: str
    kind: str
    at: str
    actor: str | None
    body: str
    detail: str | None = None


async def newest_seq(connection: Queryable) -> int:
    """The number of the newest transition; 0 before the first."""
    return int(await connection.fetchval(NEWEST))


async def shown_alerts(connection: Queryable) -> list[str]:
    """Bodies of every alert that is open, or cleared and not yet acknowledged; oldest first.

    For a snapshot with its number, call this and `newest_seq` in one REPEATABLE READ transaction.
    """
    return [row["body"] for row in await connection.fetch(SHOWN)]


async def alert(connection: Queryable, alert_id: uuid.UUID) -> str:
    """Body of one alert.

    Raises:
        UnknownAlert: there is none.
    """
    body = await connection.fetchval(ONE, alert_id)
    if body is None:
        raise UnknownAlert(f"there is no alert {alert_id}")
    return str(body)


async def history_since(connection: Queryable, since: int, limit: int) -> list[HistoryRow]:
    """Transitions with a number above `since`, in order, at most `limit`."""
    return [_row(row) for row in await connection.fetch(SINCE, since, limit)]


async def alert_history(connection: Queryable, alert_id: uuid.UUID) -> list[HistoryRow]:
    """Everything that happened to one alert, in order."""
    return [_row(row) for row in await connection.fetch(OF_ALERT, alert_id)]


async def acknowledge(connection: Queryable, alert_id: uuid.UUID, actor: Actor) -> acts.Done:
    """A person has seen the alert, however it stands. One call in autocommit: never inside a transaction.

    Raises:
        UnknownAlert: there is none.
        IllegalAct: it is acknowledged already (says by whom and when) or back to normal.
    """
    return await acts.act(connection, alert_id, "acknowledged", actor)


def _row(row: asyncpg.Record) -> HistoryRow:
    at = format_time(from_datetime(row["at"]))
    return HistoryRow(row["seq"], str(row["alert_id"]), row["kind"], at, row["actor"], row["body"], row["detail"])
