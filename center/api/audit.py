"""GET /api/v1/audit: who did what, when, from where; GET /api/v1/audit/verify: whether anything was changed since."""

import asyncio
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from access import audit as trail
from access.chain import Entry, Head
from center import limiting
from center.api.common import PLAIN, CenterOf, Cursor, DateTime, Limit, answers, json_answer
from center.errors import ApiError, errors
from center.permit import CallerOf, Permit, resources
from city.timestamps import format_time

router = resources("/audit", tag="access")
READ: Final = [Depends(Permit("audit.read"))]
_one_at_a_time: Final = asyncio.Lock()

Text = Annotated[str | None, Query(max_length=300, pattern=PLAIN)]


class ActorOut(BaseModel):
    """Who acted, and from where."""

    kind: Literal["person", "key", "device", "local", "nobody"] = Field(description="local: the command line")
    id: str
    name: str
    address: str | None


class EntryOut(BaseModel):
    """One act."""

    seq: int
    at: DateTime
    actor: ActorOut
    action: str
    object: str
    before: Any
    after: Any
    hash: str = Field(description="SHA-256 over the row and the hash of the row before it, in hex")


class Audit(BaseModel):
    """A page of the trail, newest first."""

    entries: list[EntryOut]
    next: int | None = Field(description="Cursor of the next page; null on the last")


class FaultOut(BaseModel):
    """Something that an append-only trail cannot contain."""

    seq: int
    kind: Literal["edited", "removed", "inserted", "swapped", "truncated", "rewritten"]
    sentence: str


class VerdictOut(BaseModel):
    """What a verification of the whole trail found."""

    rows: int
    head: str = Field(description="SEQ:HASH; keep it elsewhere, and ask with it the next time")
    faults: list[FaultOut]


@router.get("", summary="The audit trail", dependencies=READ, responses={**answers(Audit), **errors(422, 503)})
async def audit(
    center: CenterOf,
    actor: Text = None,
    action: Text = None,
    object_: Annotated[str | None, Query(alias="object", max_length=300, pattern=PLAIN)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Every act of people, keys, screens and the command line."""
    rows = await trail.page(
        center.pool, actor=actor, action=action, object_=object_, before_seq=cursor, limit=limit + 1
    )
    page = rows[:limit]
    shown = [_entry(row) for row in page]
    return json_answer({"entries": shown, "next": page[-1].seq if len(rows) > limit else None})


@router.get(
    "/verify", summary="Verify the trail", dependencies=READ, responses={**answers(VerdictOut), **errors(422, 429, 503)}
)
async def verify(
    center: CenterOf,
    caller: CallerOf,
    head: Annotated[
        str | None, Query(max_length=100, pattern=r"^[0-9]{1,18}:[0-9a-f]{64}$", description="A head kept elsewhere")
    ] = None,
) -> Response:
    """Walks the whole chain, one caller at a time."""
    center.limiter.take(limiting.VERIFY, "verify by", caller.principal.id)
    try:
        kept = None if head is None else Head.parse(head)
    except ValueError as wrong:
        raise ApiError(422, "invalid", f"head: {wrong}.") from wrong
    async with _one_at_a_time:
        verdict = await trail.verify(center.pool, kept)
    return json_answer({"rows": verdict.rows, "head": str(verdict.head), "faults": verdict.faults})


def _entry(row: Entry) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "at": format_time(row.at),
        "actor": {"kind": row.actor_kind, "id": row.actor_id, "name": row.actor, "address": row.address},
        "action": row.action,
        "object": row.object,
        "before": None if row.before is None else msgspec.Raw(row.before.encode()),
        "after": None if row.after is None else msgspec.Raw(row.after.encode()),
        "hash": row.hash.hex(),
    }
