"""POST /api/v1/events: CloudEvents over HTTP in structured, binary and batch mode.

202: every in-sync replica has it. 400: refused, with the reason. A batch answers 202, 207 or 400 with an outcome an
event. 408 for a body that does not come, 413, 415; 429 and 503 with Retry-After. 503 means *unknown*: it may be stored,
and it is safe to send again.
"""

import asyncio
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from access.policy import Principal
from center.api.common import CenterOf
from center.door import Accepted, Event, Outcome, Unknown
from center.errors import RETRY_AFTER_S, ApiError, ErrorDetail, errors
from center.permit import Permit, resources
from center.rooms import Busy, Room
from center.service import Center
from city.events import MAX_EVENT_BYTES, Refusal

router = resources(tag="events")
May = Annotated[Principal, Depends(Permit("events.publish"))]

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
MAX_BATCH: Final = 1_000
MAX_BATCH_BYTES: Final = 4 * 1024 * 1024
READ_S: Final = 10.0
"""How long a body may take to come; who sends slower would hold room that others need."""
UNKNOWN: Final = "Unknown whether it was stored; it is safe to send it again."

_batch: Final = msgspec.json.Decoder(list[msgspec.Raw])


class EventOutcome(BaseModel):
    """What became of one event."""

    index: int = Field(description="Its place in the batch; 0 for a single event")
    status: Literal["accepted", "refused"]
    error: ErrorDetail | None = Field(None, description="Why it was refused: a stable reason and what to fix")


class EventsAnswer(BaseModel):
    """What became of all of them."""

    accepted: int
    refused: int
    outcomes: list[EventOutcome]


class EventsRefused(BaseModel):
    """Nothing was taken; `error` is that of the first event, or of a batch that could not be read at all."""

    error: ErrorDetail
    accepted: int = 0
    refused: int = 0
    outcomes: list[EventOutcome] = []


CLOUD_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "description": "A CloudEvent 1.0 of type city.<sector>.reading.v1 or city.<sector>.report.v1",
    "required": ["specversion", "id", "source", "type", "subject", "time", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1},
        "type": {"type": "string", "examples": ["city.traffic.reading.v1"]},
        "subject": {"type": "string", "minLength": 1, "maxLength": 200, "description": "The asset, or the report"},
        "time": {"type": "string", "format": "date-time"},
        "data": {"type": "object"},
    },
    "examples": [
        {
            "specversion": "1.0",
            "id": "0195f1c2-0000-7000-8000-000000000001",
            "source": "//giaothong.hcmc.example/detectors",
            "type": "city.traffic.reading.v1",
            "subject": "VVK-0012",
            "time": "2026-11-22T07:00:00.123Z",
            "data": {"location": [106.695, 10.776], "measurements": {"speed_kmh": 32.5, "flow_vph": 900}},
        }
    ],
}
BODY: Final[dict[str, Any]] = {
    "required": True,
    "description": "Structured or batch mode; in binary mode (attributes in `ce-` headers) the data alone",
    "content": {
        STRUCTURED: {"schema": CLOUD_EVENT},
        BATCH: {"schema": {"type": "array", "maxItems": MAX_BATCH, "items": CLOUD_EVENT}},
        "application/json": {"schema": {"type": "object", "description": "Binary mode: data; needs `ce-` headers"}},
    },
}
BINARY_HEADERS: Final[list[dict[str, Any]]] = [
    {
        "in": "header",
        "name": f"ce-{name}",
        "required": False,
        "schema": {"type": "string"},
        "description": f"Binary mode: the event's {name}",
    }
    for name in ("specversion", "id", "source", "type", "subject", "time")
]


@router.post(
    "/events",
    status_code=202,
    summary="Publish events",
    responses={
        202: {"model": EventsAnswer, "description": "All accepted: every in-sync replica has them"},
        207: {"model": EventsAnswer, "description": "A batch: some accepted, some refused"},
        **errors(408, 413, 415, 429, 503),
        400: {"model": EventsRefused, "description": "Refused, with the reason"},
    },
    openapi_extra={"requestBody": BODY, "parameters": BINARY_HEADERS},
)
async def events(center: CenterOf, who: May, request: Request) -> JSONResponse:
    """One CloudEvent, or a batch of them. With a key, only of the key's sectors; others are refused (`not_allowed`)."""
    try:
        with center.door.rooms.room() as room:
            return await _take(center, who, *await _read(request, room))
    except Busy as busy:
        sentence = "Too many events are in hand; nothing of this request was stored."
        raise ApiError(429, "too_many_requests", sentence, retry_after_s=RETRY_AFTER_S) from busy


async def _read(request: Request, room: Room) -> tuple[list[Event], bool]:
    """The events of a request, and whether it is a batch."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == BATCH:
        return _items(await _body(request, MAX_BATCH_BYTES, room)), True
    if media == STRUCTURED:
        headers = (("content-type", request.headers["content-type"].encode("latin-1")),)
        return [Event(await _body(request, MAX_EVENT_BYTES, room), headers)], False
    if "ce-specversion" in request.headers and media in ("application/json", "text/json", ""):
        return [Event(await _body(request, MAX_EVENT_BYTES, room), _binary(request))], False
    raise ApiError(
        415,
        "unsupported_media_type",
        f"Send {STRUCTURED}, {BATCH}, or application/json with ce- headers; content-type is {media[:80]!r}.",
    )


async def _body(request: Request, most: int, room: Room) -> bytes:
    """The body, at most `most` bytes; reading stops there."""
    read = bytearray()
    try:
        async with asyncio.timeout(READ_S):
            async for chunk in request.stream():
                room.fill(len(chunk))
                read += chunk
                if len(read) > most:
                    sentence = f"The body has more than {most} bytes; send fewer or smaller events."
                    raise ApiError(413, "too_large", sentence)
    except TimeoutError as late:
        raise ApiError(408, "too_slow", f"The body did not come within {READ_S:g} s; nothing was stored.") from late
    return bytes(read)


def _items(body: bytes) -> list[Event]:
    try:
        items = _batch.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as wrong:
        raise ApiError(400, "not_json", f"The batch is not a JSON array of events: {wrong}.") from wrong
    if len(items) > MAX_BATCH:
        raise ApiError(413, "too_large", f"The batch has {len(items)} events; send at most {MAX_BATCH}.")
    headers = (("content-type", STRUCTURED.encode()),)
    return [Event(bytes(item), headers) for item in items]


def _binary(request: Request) -> tuple[tuple[str, bytes], ...]:
    """Headers of HTTP's binary mode as they are; the decoder knows both bindings."""
    kept = [(name.decode("latin-1"), value) for name, value in request.headers.raw]
    return tuple((name, value) for name, value in kept if name.startswith("ce-") or name == "content-type")


async def _take(center: Center, who: Principal, events: list[Event], batch: bool) -> JSONResponse:
    outcomes = await center.door.take(events, who)
    unknown = [outcome for outcome in outcomes if isinstance(outcome, Unknown)]
    if unknown:
        raise ApiError(503, "unknown", f"{UNKNOWN} ({unknown[0].detail})", retry_after_s=RETRY_AFTER_S)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    accepted = len(outcomes) - len(refused)
    answer: dict[str, Any] = {
        "accepted": accepted,
        "refused": len(refused),
        "outcomes": [_told(index, outcome) for index, outcome in enumerate(outcomes)],
    }
    if not refused:
        return JSONResponse(answer, 202)
    if batch and accepted:
        return JSONResponse(answer, 207)
    return JSONResponse({**answer, "error": {"code": refused[0].reason, "message": refused[0].detail}}, 400)


def _told(index: int, outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Accepted):
        return {"index": index, "status": "accepted", "error": None}
    assert isinstance(outcome, Refusal), "unknown outcomes answer 503"
    return {"index": index, "status": "refused", "error": {"code": outcome.reason, "message": outcome.detail}}
