"""Shelves and what is out of service: who hides which alerts, why, until when. Each act is one call in autocommit."""

import uuid
from datetime import datetime
from typing import Final, Literal

import asyncpg
import msgspec

from alerts.acts import Done, Queryable, Refused, UnknownAlert, changed
from alerts.lifecycle import IllegalAct
from city.actor import Actor
from city.timestamps import format_time, from_datetime

Kind = Literal["shelved", "out_of_service"]
Scope = Literal["alert", "cause", "rule"]
"""This alert; whatever its rule raises for the same group; whatever its rule raises."""

PUT: Final = "SELECT * FROM shelf_put($1, $2, $3, $4, $5, $6, $7::text::jsonb)"
END: Final = "SELECT outcome, who, since FROM shelf_end($1, $2::text::jsonb)"
IN_FORCE: Final = """
SELECT id, kind, sector, rule, group_key, alert_id, zone, why, made_by, since, until
  FROM shelf
 WHERE ended_at IS NULL AND (until IS NULL OR until > clock_timestamp())
 ORDER BY since DESC, id
"""
ONE: Final = """
SELECT id, kind, sector, rule, group_key, alert_id, zone, why, made_by, since, until FROM shelf WHERE id = $1
"""


class Shelf(msgspec.Struct, frozen=True):
    """A shelf as REST shows it."""

    id: str
    kind: str
    sector: str
    rule: str
    group: str | None
    alert: str | None
    zone: str | None
    why: str
    by: str
    since: str
    until: str | None


class UnknownShelf(Exception):
    """There is none of that id."""


async def put(
    connection: Queryable,
    alert_id: uuid.UUID,
    kind: Kind,
    scope: Scope,
    until: datetime | None,
    why: str,
    actor: Actor,
    *,
    seen: int,
) -> Done:
    """Hide it, as of now and whenever it is raised again; out of service lasts until it is ended.

    Raises:
        UnknownAlert: there is none.
        IllegalAct: this alert alone is over.
        Refused: changed.
    """
    row = await connection.fetchrow(PUT, alert_id, seen, kind, scope, until, why, actor.json())
    assert row is not None, "the statement always returns a row"
    match row["outcome"]:
        case "done":
            return Done(row["seq"], row["body"])
        case "unknown":
            raise UnknownAlert(f"there is no alert {alert_id}")
        case "changed":
            raise changed(row)
    raise IllegalAct(kind, msgspec.json.decode(row["body"])["state"])


async def end(connection: Queryable, shelf_id: uuid.UUID, actor: Actor) -> None:
    """What it hid is shown again as what it is by now, unless something else hides it.

    Raises:
        UnknownShelf: there is none.
        Refused: over; it ended before, by whom and when.
    """
    row = await connection.fetchrow(END, shelf_id, actor.json())
    assert row is not None, "the statement always returns a row"
    if row["outcome"] == "unknown":
        raise UnknownShelf
    if row["outcome"] == "over":
        raise over(row)


async def in_force(connection: Queryable) -> list[Shelf]:
    """Every shelf that hides something now, the newest first."""
    return [_shelf(row) for row in await connection.fetch(IN_FORCE)]


async def one(connection: Queryable, shelf_id: uuid.UUID) -> Shelf:
    """In force or not. Raises UnknownShelf."""
    row = await connection.fetchrow(ONE, shelf_id)
    if row is None:
        raise UnknownShelf
    return _shelf(row)


def over(row: asyncpg.Record) -> Refused:
    """It ended before."""
    at = format_time(from_datetime(row["since"]))
    by = "by itself" if row["who"] is None else f"by {row['who']}'s hand"
    return Refused("over", f"It has ended {by} at {at}.")


def _shelf(row: asyncpg.Record) -> Shelf:
    return Shelf(
        str(row["id"]),
        row["kind"],
        row["sector"],
        row["rule"],
        row["group_key"],
        None if row["alert_id"] is None else str(row["alert_id"]),
        row["zone"],
        row["why"],
        row["made_by"],
        format_time(from_datetime(row["since"])),
        None if row["until"] is None else format_time(from_datetime(row["until"])),
    )
