"""Dead letters for people: find them, read them, and send them again once the cause is gone."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from city.actor import Actor
from city.database import load_sql
from city.kafka import Producer, topic_for
from ingest.letters import headers_from_json

REPLAY_HEADER: Final = "replayof"
_TYPE: Final = re.compile(rb"city\.([a-z][a-z0-9_]*)\.[a-z]+\.v\d+")


class Letter(msgspec.Struct, frozen=True):
    """A refused record with its bytes, a range that could not be read, or `records` of a flood without bytes."""

    id: int
    at: datetime
    source: str
    topic: str | None
    partition: int | None
    first_offset: int | None
    next_offset: int | None
    reason: str
    detail: str
    records: int
    replayed_at: datetime | None
    key: bytes | None
    raw: bytes | None
    headers: list[tuple[str, bytes]]


class Wanted(msgspec.Struct, frozen=True):
    """Which letters: all filters given must hold; `before` continues a list, newest first."""

    reason: str | None = None
    topic: str | None = None
    source: str | None = None
    since: datetime | None = None
    waiting: bool = False
    before: int | None = None
    limit: int = 50


class CantReplayError(Exception):
    """The letter can't be sent again; the text says why."""

    code = "cant_replay"


async def find(pool: asyncpg.Pool, wanted: Wanted) -> list[Letter]:
    """Letters that match, newest first."""
    w = wanted
    rows = await pool.fetch(_FIND, w.reason, w.topic, w.source, w.since, w.waiting, w.before, w.limit)
    return [_letter(row) for row in rows]


async def get(pool: asyncpg.Pool, letter_id: int) -> Letter | None:
    """One letter, or None."""
    row = await pool.fetchrow(_GET, letter_id)
    return None if row is None else _letter(row)


async def replay(pool: asyncpg.Pool, producer: Producer, letters: Iterable[Letter], actor: Actor) -> int:
    """Publish the letters again, marked with a header that names them, and note when, and by whom in the audit trail;
    returns how many.

    A repeat (after a crash between the two, when the letter still counts as waiting) is harmless: the event's identity
    makes it a duplicate.
    Raises CantReplayError before anything of that letter is sent, PublishRefused, PublishUnknown.
    """
    count = 0
    for letter in letters:
        topic = destination(letter)
        headers = [header for header in letter.headers if header[0] != REPLAY_HEADER]
        headers.append((REPLAY_HEADER, str(letter.id).encode()))
        await producer.publish(topic, letter.raw, key=letter.key, headers=headers)
        await pool.execute(_MARK, letter.id, actor.json(), topic)
        count += 1
    return count


def destination(letter: Letter) -> str:
    """Where the letter goes: to its own topic, or to the one of its type if it came by a wrong one or by HTTP.

    Raises CantReplayError: its bytes were not kept whole.
    """
    if letter.raw is None:
        raise CantReplayError(
            f"dead letter {letter.id} kept no bytes (one of a flood); ask the publisher to send again"
        )
    if letter.reason in ("too_large", "bad_batch"):
        raise CantReplayError(
            f"dead letter {letter.id} keeps only the beginning of what came; the publisher must send again"
        )
    if letter.topic is not None and letter.reason != "wrong_topic":
        return letter.topic
    named = _TYPE.search(letter.raw) or next((m for _, v in letter.headers if (m := _TYPE.search(v))), None)
    if named is None:
        raise CantReplayError(
            f"dead letter {letter.id} names no type, so no topic is known; the publisher must send again"
        )
    return topic_for(named[1].decode())


def _letter(row: asyncpg.Record) -> Letter:
    return Letter(**{**row, "headers": headers_from_json(row["headers"])})


_FIND = load_sql("ingest", "find_letters.sql")
_GET = load_sql("ingest", "get_letter.sql")
_MARK = load_sql("ingest", "mark_replayed.sql")
