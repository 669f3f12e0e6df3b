"""What people do to one alert. Each act is one call in autocommit: alert, history and audit trail, or nothing."""

import uuid
from typing import Final, Literal

import asyncpg
import msgspec

from alerts.lifecycle import IllegalAct
from city.actor import Actor
from city.database import Connection
from city.timestamps import format_time, from_datetime

Queryable = asyncpg.Pool | Connection
Deed = Literal["silenced", "acknowledged", "accepted", "released", "assigned", "commented"]

ACT: Final = """
SELECT outcome, seq, body, did, who, since
  FROM alert_act($1, $2, $3, $4::text::jsonb || jsonb_build_object('any_owner', $6::boolean), $5::text::jsonb)
"""
ASSIGNEES: Final = "SELECT name FROM alert_assignees($1, $2)"


class UnknownAlert(Exception):
    """There is no alert of that id."""

    code = "unknown_alert"


class Refused(Exception):
    """The act is not possible as things stand; the sentence says why, whose hand was faster and when."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Done(msgspec.Struct, frozen=True):
    """An act that counted: its number in history and the alert after it."""

    seq: int
    body: str


async def act(
    connection: Queryable,
    alert_id: uuid.UUID,
    deed: Deed,
    actor: Actor,
    *,
    seen: int | None = None,
    detail: dict[str, str] | None = None,
    any_owner: bool = False,
) -> Done:
    """Do it, if the alert still is as it was `seen` (its seq; None: however it is). Never inside a transaction.

    `detail`: silenced {"position"}, assigned {"to"}, commented {"text"}. `any_owner`: may release what others own.

    Raises:
        UnknownAlert: there is none.
        IllegalAct: the state forbids it.
        Refused: changed, owned, not_owner or no_assignee.
    """
    told = None if detail is None else msgspec.json.encode(detail).decode()
    row = await connection.fetchrow(ACT, alert_id, deed, seen, actor.json(), told, any_owner)
    assert row is not None, "the statement always returns a row"
    match row["outcome"]:
        case "done":
            return Done(row["seq"], row["body"])
        case "unknown":
            raise UnknownAlert(f"there is no alert {alert_id}")
        case "refused":
            held = msgspec.json.decode(row["body"])
            raise IllegalAct(deed, held["state"], held.get("acknowledged_by"), held.get("acknowledged_at"))
        case "changed":
            raise changed(row)
    raise Refused(row["outcome"], _why(row, detail or {}))


async def assignees(connection: Queryable, sector: str, zone: str | None) -> list[str]:
    """Names of those whom an alert of this place may be assigned to."""
    return [row["name"] for row in await connection.fetch(ASSIGNEES, sector, zone)]


def changed(row: asyncpg.Record) -> Refused:
    """Another step came between what was seen and the act."""
    did, at = row["did"].replace("_", " "), _at(row)
    if row["who"] is None:
        return Refused("changed", f"The alert was {did}{at} by the system; look again.")
    return Refused("changed", f"{row['who']} was faster: {did}{at}; look again.")


def _at(row: asyncpg.Record) -> str:
    return "" if row["since"] is None else f" at {format_time(from_datetime(row['since']))}"


def _why(row: asyncpg.Record, detail: dict[str, str]) -> str:
    match row["outcome"]:
        case "owned":
            return f"{row['who']} has accepted it{_at(row)}."
        case "not_owner" if row["who"] is None:
            return "Nobody owns it."
        case "not_owner":
            return f"It is {row['who']}'s; a supervisor may release it."
    return f"Nobody called {detail.get('to')!r} may act on this alert."
