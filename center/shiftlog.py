"""Who is and was at which position, and the notes of the room. Each act is one call, with its row in the audit."""

import uuid
from datetime import datetime
from typing import Final, Literal

import asyncpg
import msgspec

from city.actor import Actor
from city.timestamps import format_time, from_datetime

About = Literal["city", "alert", "incident", "asset"]

BEGIN: Final = "SELECT * FROM shift_begin($1, $2::text::jsonb)"
END: Final = "SELECT outcome, since FROM shift_end($1, $2::text::jsonb)"
ON: Final = "SELECT * FROM shift WHERE ended_at IS NULL ORDER BY position"
WERE_ON: Final = """
SELECT * FROM shift WHERE began_at < $2 AND (ended_at IS NULL OR ended_at > $1) ORDER BY began_at DESC, id LIMIT $3
"""
PUT: Final = "SELECT * FROM note_put($1::text::jsonb, $2::text::jsonb)"
TAKE_DOWN: Final = "SELECT outcome, who, since FROM note_take_down($1, $2::text::jsonb)"
ONE: Final = "SELECT * FROM note WHERE id = $1"
PAGE: Final = """
SELECT * FROM note
 WHERE ($1::bigint IS NULL OR id < $1)
   AND (NOT $2 OR pinned)
   AND ($3::text IS NULL OR about = $3)
   AND ($4::text IS NULL OR object = $4)
   AND ($5::text[] IS NULL OR sector IS NULL OR sector = ANY ($5))
   AND ($6::text[] IS NULL OR zone IS NULL OR zone = ANY ($6))
 ORDER BY id DESC LIMIT $7
"""


class Shift(msgspec.Struct, frozen=True):
    """One person at one position."""

    id: str
    position: str
    person: str
    began_at: str
    ended_at: str | None


class Note(msgspec.Struct, frozen=True):
    """What somebody wrote, about what."""

    id: int
    at: str
    by: str
    about: str
    object: str | None
    sector: str | None
    zone: str | None
    text: str
    pinned: bool
    taken_at: str | None
    taken_by: str | None


class NewNote(msgspec.Struct, frozen=True):
    """A note to be written; sector and zone of what it is about."""

    about: About
    object: str | None
    sector: str | None
    zone: str | None
    text: str
    pinned: bool


class Unknown(Exception):
    """There is no such shift or note."""


class Over(Exception):
    """It has ended, or is taken down; the sentence says when."""

    code = "over"


async def begin(pool: asyncpg.Pool, position: str, actor: Actor) -> Shift:
    """Sign on; whoever was at the position is signed off by it."""
    row = await pool.fetchrow(BEGIN, position, actor.json())
    assert row is not None, "the statement always returns a row"
    return _shift(row)


async def end(pool: asyncpg.Pool, shift_id: uuid.UUID, actor: Actor) -> None:
    """Sign off. Raises Unknown, Over."""
    row = await pool.fetchrow(END, shift_id, actor.json())
    _check(row, "The shift has ended")


async def on(pool: asyncpg.Pool) -> list[Shift]:
    """Who is at work, by position."""
    return [_shift(row) for row in await pool.fetch(ON)]


async def were_on(pool: asyncpg.Pool, since: datetime, until: datetime, limit: int) -> list[Shift]:
    """Who was at work at any time of a span, the newest first."""
    return [_shift(row) for row in await pool.fetch(WERE_ON, since, until, limit)]


async def write(pool: asyncpg.Pool, note: NewNote, actor: Actor) -> Note:
    """A new note."""
    row = await pool.fetchrow(PUT, msgspec.json.encode(note).decode(), actor.json())
    assert row is not None, "the statement always returns a row"
    return _note(row)


async def take_down(pool: asyncpg.Pool, note_id: int, actor: Actor) -> None:
    """It stays in the log, but is pinned no more. Raises Unknown, Over."""
    row = await pool.fetchrow(TAKE_DOWN, note_id, actor.json())
    _check(row, "The note is not pinned")


async def note(pool: asyncpg.Pool, note_id: int) -> Note:
    """One note. Raises Unknown."""
    row = await pool.fetchrow(ONE, note_id)
    if row is None:
        raise Unknown
    return _note(row)


async def notes(
    pool: asyncpg.Pool,
    *,
    before: int | None = None,
    pinned: bool = False,
    about: About | None = None,
    object_: str | None = None,
    sectors: list[str] | None = None,
    zones: list[str] | None = None,
    limit: int = 100,
) -> list[Note]:
    """The newest first; of the whole city, and of these sectors and zones."""
    rows = await pool.fetch(PAGE, before, pinned, about, object_, sectors, zones, limit)
    return [_note(row) for row in rows]


def _check(row: asyncpg.Record | None, what: str) -> None:
    assert row is not None, "the statement always returns a row"
    if row["outcome"] == "unknown":
        raise Unknown
    if row["outcome"] == "over":
        raise Over(f"{what} since {format_time(from_datetime(row['since']))}.")


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(from_datetime(moment))


def _shift(row: asyncpg.Record) -> Shift:
    began = format_time(from_datetime(row["began_at"]))
    return Shift(str(row["id"]), row["position"], row["person"], began, _at(row["ended_at"]))


def _note(row: asyncpg.Record) -> Note:
    return Note(
        row["id"],
        format_time(from_datetime(row["at"])),
        row["by"],
        row["about"],
        row["object"],
        row["sector"],
        row["zone"],
        row["text"],
        row["pinned"],
        _at(row["taken_at"]),
        row["taken_by"],
    )
