"""Maintenance windows: what is suppressed by design, where, from when until when; and what one would hide."""

import uuid
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from alerts.acts import Queryable
from alerts.shelving import over
from alerts.system import SYSTEM
from city.actor import Actor
from city.timestamps import format_time, from_datetime

PUT: Final = "SELECT * FROM maintenance_put($1::text::jsonb, $2::text::jsonb)"
END: Final = "SELECT outcome, who, since FROM maintenance_end($1, $2::text::jsonb)"
STANDING: Final = """
SELECT * FROM maintenance WHERE ended_at IS NULL AND until > clock_timestamp() ORDER BY starts_at, id
"""
ONE: Final = "SELECT * FROM maintenance WHERE id = $1"
HIDES_NOW: Final = """
SELECT body FROM alert
 WHERE cleared_at IS NULL
   AND maintenance_takes(jsonb_populate_record(NULL::maintenance, $1::text::jsonb), sector, rule, zone, asset)
 ORDER BY raised_at DESC, id LIMIT $2
"""
WOULD_HAVE_HIDDEN: Final = """
SELECT rule, severity, count(*) AS alerts FROM alert
 WHERE raised_at > clock_timestamp() - make_interval(days => $2)
   AND maintenance_takes(jsonb_populate_record(NULL::maintenance, $1::text::jsonb), sector, rule, zone, asset)
 GROUP BY rule, severity ORDER BY count(*) DESC, rule, severity
"""
NEVER_APPLIED: Final = """
SELECT name FROM unnest($1::text[]) AS asked (name) WHERE NOT EXISTS (SELECT FROM rule WHERE rule.name = asked.name)
"""
LOOK_BACK_DAYS: Final = 7
MOST_SHOWN: Final = 100


class Extent(msgspec.Struct, frozen=True):
    """What a window takes: empty lists and no pattern take whichever."""

    sectors: list[str]
    zones: list[str]
    rules: list[str]
    assets: str | None

    def json(self) -> str:
        """As the database's functions take it."""
        return msgspec.json.encode(self).decode()


class Window(msgspec.Struct, frozen=True):
    """A window as REST shows it."""

    id: str
    sectors: list[str]
    zones: list[str]
    rules: list[str]
    assets: str | None
    starts_at: str
    until: str
    why: str
    by: str


class Preview(msgspec.Struct, frozen=True):
    """What a window would hide: alerts that are open now (their JSON), and counts of the last days by rule."""

    now: list[msgspec.Raw]
    days: int
    before: list[dict[str, str | int]]


class UnknownWindow(Exception):
    """There is none of that id."""


async def announce(
    connection: Queryable, extent: Extent, starts_at: datetime, until: datetime, why: str, actor: Actor
) -> Window:
    """A new window, in force from its time on. One call in autocommit."""
    window = msgspec.to_builtins(extent) | {"starts_at": starts_at, "until": until, "why": why}
    row = await connection.fetchrow(PUT, msgspec.json.encode(window).decode(), actor.json())
    assert row is not None, "the statement always returns a row"
    return _window(row)


async def end(connection: Queryable, window_id: uuid.UUID, actor: Actor) -> None:
    """Before its time.

    Raises:
        UnknownWindow: there is none.
        Refused: over; it ended before, by whom and when.
    """
    row = await connection.fetchrow(END, window_id, actor.json())
    assert row is not None, "the statement always returns a row"
    if row["outcome"] == "unknown":
        raise UnknownWindow
    if row["outcome"] == "over":
        raise over(row)


async def unknown_rules(connection: Queryable, names: list[str]) -> list[str]:
    """Those that are neither built in nor were ever applied; a retired rule's alerts may still be open."""
    applied = [name for name in names if name not in SYSTEM]
    return [row["name"] for row in await connection.fetch(NEVER_APPLIED, applied)] if applied else []


async def standing(connection: Queryable) -> list[Window]:
    """Windows in force or to come, by their beginning."""
    return [_window(row) for row in await connection.fetch(STANDING)]


async def one(connection: Queryable, window_id: uuid.UUID) -> Window:
    """In force or not. Raises UnknownWindow."""
    row = await connection.fetchrow(ONE, window_id)
    if row is None:
        raise UnknownWindow
    return _window(row)


async def preview(connection: Queryable, extent: Extent) -> Preview:
    """What it would hide now, and would have hidden in the last week."""
    now = await connection.fetch(HIDES_NOW, extent.json(), MOST_SHOWN)
    before = await connection.fetch(WOULD_HAVE_HIDDEN, extent.json(), LOOK_BACK_DAYS)
    return Preview([msgspec.Raw(row["body"].encode()) for row in now], LOOK_BACK_DAYS, [dict(row) for row in before])


def _window(row: asyncpg.Record) -> Window:
    return Window(
        str(row["id"]),
        row["sectors"],
        row["zones"],
        row["rules"],
        row["assets"],
        format_time(from_datetime(row["starts_at"])),
        format_time(from_datetime(row["until"])),
        row["why"],
        row["made_by"],
    )
