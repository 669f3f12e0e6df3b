"""GET /api/v1/dead-letters: what was refused, and why."""

import base64
from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from access.policy import Principal
from center.api.common import CenterOf, Cursor, Id, Limit
from center.errors import errors, not_found
from center.permit import Permit, resources
from city.database import load_sql
from city.events import Reason
from city.kafka import topic_for
from ingest import dead_letters as letters

router = resources("/dead-letters", tag="operation")
May = Annotated[Principal, Depends(Permit("dead_letters.read"))]
PAGE: Final = load_sql("center", "dead_letters_page.sql")


class DeadLetter(BaseModel):
    """A refused event, or a range of them."""

    id: int
    source: str = Field(description="kafka or http")
    reason: str
    detail: str = Field(description="Names field, value and fix")
    topic: str | None = Field(description="Where it was, or where it would have gone had it been taken over HTTP")
    partition: int | None
    first_offset: int | None
    next_offset: int | None
    records: int = Field(description="How many refused records this letter stands for")
    at: datetime
    replayed_at: datetime | None
    bytes: int | None = Field(description="Bytes that were kept")


class DeadLetters(BaseModel):
    """A page of dead letters, newest first."""

    dead_letters: list[DeadLetter]
    next: int | None = Field(description="Cursor of the next page; null on the last")


class Header(BaseModel):
    """A header of the record or the request."""

    name: str
    content: str = Field(description="Base64")


class WholeLetter(DeadLetter):
    """A dead letter with what was sent."""

    key: str | None = Field(description="Base64")
    raw: str | None = Field(description="The bytes, base64")
    headers: list[Header]


@router.get("", summary="Dead letters", responses=errors(422, 503))
async def dead_letters(
    center: CenterOf,
    who: May,
    reason: Reason | None = None,
    source: Literal["kafka", "http"] | None = None,
    waiting: Annotated[bool, Query(description="Only those that were not sent again")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> DeadLetters:
    """Refused events, newest first."""
    found = await center.pool.fetch(PAGE, reason, source, waiting, cursor, limit + 1, _topics(who))
    page = [DeadLetter(**letter) for letter in found[:limit]]
    return DeadLetters(dead_letters=page, next=page[-1].id if len(found) > limit else None)


@router.get("/{letter_id}", summary="One dead letter", responses=errors(404, 422, 503))
async def dead_letter(center: CenterOf, who: May, letter_id: Id) -> WholeLetter:
    """A dead letter with its bytes and headers."""
    letter = await letters.get(center.pool, letter_id)
    topics = _topics(who)
    if letter is None or (topics is not None and letter.topic not in topics):
        raise not_found(f"dead letter {letter_id}")
    return WholeLetter(
        id=letter.id,
        source=letter.source,
        reason=letter.reason,
        detail=letter.detail,
        topic=letter.topic,
        partition=letter.partition,
        first_offset=letter.first_offset,
        next_offset=letter.next_offset,
        records=letter.records,
        at=letter.at,
        replayed_at=letter.replayed_at,
        bytes=None if letter.raw is None else len(letter.raw),
        key=_base64(letter.key),
        raw=_base64(letter.raw),
        headers=[Header(name=name, content=base64.b64encode(content).decode()) for name, content in letter.headers],
    )


def _topics(who: Principal) -> list[str] | None:
    """The topics whose letters may be seen; None: all. What names no sector is for those who may see all."""
    return sorted(map(topic_for, who.sectors)) if who.sectors else None


def _base64(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()
