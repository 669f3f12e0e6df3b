"""GET /api/v1/dead-letters: what was refused, and why."""

import base64
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, Field

from center.api.common import CenterOf, Cursor, Id, Limit
from center.errors import errors, not_found
from city.database import load_sql

router = APIRouter(prefix="/dead-letters", tags=["operation"])
PAGE: Final = load_sql("center", "dead_letters_page.sql")
ONE: Final = load_sql("center", "dead_letter.sql")

Reason = Literal[
    "not_json",
    "bad_envelope",
    "unknown_type",
    "unknown_sector",
    "wrong_topic",
    "bad_subject",
    "bad_time",
    "future_time",
    "no_measurements",
    "unknown_metric",
    "not_a_number",
    "implausible",
    "unknown_zone",
    "outside_city",
    "too_large",
    "too_many_series",
    "late",
    "bad_batch",
    "bad_report",
]


class DeadLetter(BaseModel):
    """A refused event, or a range of them."""

    id: int
    source: str = Field(description="kafka or http")
    reason: str
    detail: str = Field(description="Names field, value and fix")
    topic: str | None
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


class WholeLetter(DeadLetter):
    """A dead letter with what was sent."""

    raw: str | None = Field(description="The bytes, base64")
    headers: list[list[Any]] = Field(description="[name, content]; content that is no text is {base64: …}")


@router.get("", summary="Dead letters", responses=errors(422, 503))
async def dead_letters(
    center: CenterOf,
    reason: Reason | None = None,
    source: Literal["kafka", "http"] | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> DeadLetters:
    """Refused events, newest first."""
    rows = await center.pool.fetch(PAGE, cursor, reason, source, limit + 1)
    page = [DeadLetter(**dict(row)) for row in rows[:limit]]
    return DeadLetters(dead_letters=page, next=page[-1].id if len(rows) > limit else None)


@router.get("/{letter_id}", summary="One dead letter", responses=errors(404, 422, 503))
async def dead_letter(center: CenterOf, letter_id: Id) -> WholeLetter:
    """A dead letter with its bytes and headers."""
    row = await center.pool.fetchrow(ONE, letter_id)
    if row is None:
        raise not_found(f"dead letter {letter_id}")
    raw = None if row["raw"] is None else base64.b64encode(row["raw"]).decode()
    return WholeLetter(**{**dict(row), "raw": raw, "headers": msgspec.json.decode(row["headers"])})
