"""GET /api/v1/alerts, one alert, its history; POST its acknowledgement."""

import uuid
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from alerts import store
from alerts.lifecycle import IllegalAct
from center.api.common import (
    PLAIN,
    Bilingual,
    CenterOf,
    Instant,
    Limit,
    SectorName,
    ZoneCode,
    answers,
    instant,
    json_answer,
    known_sector,
    known_zone,
)
from center.errors import ApiError, errors, not_found
from center.security import is_loopback
from center.service import Center
from city.database import load_sql
from city.timestamps import format_time, to_datetime

router = APIRouter(prefix="/alerts", tags=["alerts"])
PAGE: Final = load_sql("center", "alerts_page.sql")
POSITION: Final = load_sql("center", "alert_position.sql")

Severity = Literal["info", "warning", "critical", "emergency"]
AlertState = Literal[
    "unacknowledged", "acknowledged", "returned_unacknowledged", "normal", "shelved", "suppressed", "out_of_service"
]
DateTime = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Alert(BaseModel):
    """An alert, as history, REST and WebSocket show it."""

    id: uuid.UUID
    rule: str
    rule_version: int
    group: str = Field(description="What the rule is evaluated for: an asset, a zone or the sector")
    sector: str
    asset: str | None
    zone: str | None
    zone_name: Bilingual | None
    location: tuple[float, float] | None
    severity: Severity
    state: AlertState
    title: Bilingual
    short: Bilingual = Field(description="At most 24 characters")
    metric: str
    unit: str
    value: float | None = Field(description="At the last transition")
    limit: float | None
    comparison: str
    raised_at: DateTime
    updated_at: DateTime
    cleared_at: DateTime | None
    acknowledged_at: DateTime | None
    acknowledged_by: str | None
    owner: str | None
    last_data_at: DateTime | None = Field(description="Of the newest reading that the last transition rests on")
    consequence: Bilingual | None
    response: list[Bilingual] | None
    respond_within_s: float | None
    team: str | None


class Measured(BaseModel):
    """A reading."""

    value: float
    time: DateTime


class AlertNow(Alert):
    """An alert, and what its series measures now."""

    now: Measured | None = Field(
        description="The newest reading of the alert's asset and metric; where it is older than some cadences of the "
        "metric, there is no data since. Null if the alert is not of one series, or the series has no reading"
    )


class Alerts(BaseModel):
    """A page of alerts, newest first."""

    alerts: list[AlertNow]
    next: uuid.UUID | None = Field(description="Cursor of the next page; null on the last")


class Transition(BaseModel):
    """One step in an alert's life, with the whole alert after it."""

    seq: int = Field(description="Gapless over all alerts, in commit order")
    kind: str
    at: DateTime
    actor: str | None
    alert: Alert


class History(BaseModel):
    """Everything that happened to one alert, in order."""

    transitions: list[Transition]


class By(BaseModel):
    """Who acts."""

    by: str = Field(min_length=1, max_length=100, pattern=PLAIN, description="The operator's name")


@router.get("", summary="Alerts", responses={**answers(Alerts), **errors(404, 422, 503)})
async def alerts(
    center: CenterOf,
    state: Annotated[Literal["open", "all"], Query(description="`open`: everything that is not normal")] = "open",
    sector: SectorName = None,
    zone: ZoneCode = None,
    severity: Severity | None = None,
    since: Annotated[Instant, Query(alias="from")] = None,
    until: Annotated[Instant, Query(alias="to")] = None,
    limit: Limit = 100,
    cursor: uuid.UUID | None = None,
) -> Response:
    """Alerts raised in a time range `[from, to)`, newest first."""
    rows = await center.pool.fetch(
        PAGE,
        None if cursor is None else await center.pool.fetchval(POSITION, cursor),
        cursor,
        known_sector(center, sector),
        known_zone(center, zone),
        severity,
        state == "open",
        None if since is None else to_datetime(instant(since, "from")),
        None if until is None else to_datetime(instant(until, "to")),
        limit + 1,
    )
    page = rows[:limit]
    found = [_with_now(center, row["body"]) for row in page]
    return json_answer({"alerts": found, "next": str(page[-1]["id"]) if len(rows) > limit else None})


@router.get("/{alert_id}", summary="One alert", responses={**answers(AlertNow), **errors(404, 422, 503)})
async def alert(center: CenterOf, alert_id: uuid.UUID) -> Response:
    """The alert as it stands, and what its series measures now."""
    try:
        return json_answer(_with_now(center, await store.alert(center.pool, alert_id)))
    except store.UnknownAlert as unknown:
        raise not_found(f"alert {alert_id}") from unknown


@router.get("/{alert_id}/history", summary="Its history", responses={**answers(History), **errors(404, 422, 503)})
async def history(center: CenterOf, alert_id: uuid.UUID) -> Response:
    """Every transition of the alert, in order."""
    rows = await store.alert_history(center.pool, alert_id)
    if not rows:
        raise not_found(f"alert {alert_id}")
    transitions = [
        {"seq": row.seq, "kind": row.kind, "at": row.at, "actor": row.actor, "alert": msgspec.Raw(row.body.encode())}
        for row in rows
    ]
    return json_answer({"transitions": transitions})


@router.post(
    "/{alert_id}/acknowledge",
    summary="Acknowledge: it was seen",
    responses={**answers(Alert), **errors(400, 403, 404, 408, 409, 413, 422, 503)},
)
async def acknowledge(center: CenterOf, request: Request, alert_id: uuid.UUID, act: By) -> Response:
    """Says that a person has seen the alert. Until there is sign-in, only from the machine itself."""
    if request.client is None or not is_loopback(request.client.host):
        sentence = "Until there is sign-in, alerts are acknowledged from the server's own machine."
        raise ApiError(403, "local_only", sentence)
    try:
        done = await store.acknowledge(center.pool, alert_id, act.by)
    except store.UnknownAlert as unknown:
        raise not_found(f"alert {alert_id}") from unknown
    except IllegalAct as illegal:
        raise ApiError(409, illegal.code, f"{str(illegal)[0].upper()}{str(illegal)[1:]}.") from illegal
    return json_answer(msgspec.Raw(done.body.encode()))


def _with_now(center: Center, body: str) -> dict[str, Any]:
    """An alert's JSON and the newest reading of its series, from memory."""
    alert: dict[str, Any] = msgspec.json.decode(body)
    newest = center.latest.newest(alert["sector"], alert["asset"], alert["metric"])
    alert["now"] = None if newest is None else {"value": newest.value, "time": format_time(newest.time)}
    return alert
