"""GET /api/v1/alerts, one alert, its history (acts: center/api/alert_acts.py)."""

import uuid
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from access.policy import Principal
from alerts import store
from center.api.common import (
    Bilingual,
    CenterOf,
    DateTime,
    Instant,
    Limit,
    SectorName,
    ZoneCode,
    answers,
    in_view,
    instant,
    json_answer,
    view,
)
from center.book import read_head
from center.errors import errors, not_found
from center.permit import Permit, resources
from center.service import Center
from city.database import load_sql
from city.timestamps import format_time, to_datetime

router = resources("/alerts", tag="alerts")
MayRead = Annotated[Principal, Depends(Permit("alerts.read"))]
PAGE: Final = load_sql("center", "alerts_page.sql")
POSITION: Final = load_sql("center", "alert_position.sql")

Severity = Literal["info", "warning", "critical", "emergency"]
AlertState = Literal[
    "unacknowledged", "acknowledged", "returned_unacknowledged", "normal", "shelved", "suppressed", "out_of_service"
]


class Silenced(BaseModel):
    """Where nobody wants to hear it any more."""

    position: str
    by: str
    at: DateTime


class Hidden(BaseModel):
    """Why an alert is not shown among the others."""

    id: uuid.UUID = Field(description="Of the shelf or of the maintenance window")
    why: str
    by: str
    since: DateTime
    until: DateTime | None = Field(description="Null: until somebody ends it")


class Alert(BaseModel):
    """An alert, as history, REST and WebSocket show it."""

    id: uuid.UUID
    seq: int = Field(description="Of its last transition; an act names it, so that two hands are not taken for one")
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
    raised_at: DateTime = Field(description="By the readings' own time: up to 5 min ahead where the source's clock is")
    recorded_at: DateTime | None = Field(
        None, description="When its raising was committed; null in alerts of older versions"
    )
    updated_at: DateTime
    cleared_at: DateTime | None
    acknowledged_at: DateTime | None
    acknowledged_by: str | None
    owner: str | None
    accepted_at: DateTime | None = Field(
        description="Since when the owner says that it is theirs; null if only assigned"
    )
    silenced: list[Silenced]
    comments: int = Field(description="How many its history has")
    hidden: Hidden | None = Field(description="While it is shelved, suppressed or out of service")
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
    detail: dict[str, Any] | None = Field(description="What the act said: a comment's text, the position, to whom, why")
    alert: Alert


class History(BaseModel):
    """Everything that happened to one alert, in order."""

    transitions: list[Transition]


@router.get("", summary="Alerts", responses={**answers(Alerts), **errors(404, 422, 503)})
async def alerts(
    center: CenterOf,
    who: MayRead,
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
    wanted = view(center, who, sector, zone)
    rows = await center.pool.fetch(
        PAGE,
        None if cursor is None else await center.pool.fetchval(POSITION, cursor),
        cursor,
        wanted.sectors,
        zone,
        severity,
        state == "open",
        None if since is None else to_datetime(instant(since, "from")),
        None if until is None else to_datetime(instant(until, "to")),
        limit + 1,
        wanted.zones,
    )
    page = rows[:limit]
    found = [_with_now(center, row["body"]) for row in page]
    return json_answer({"alerts": found, "next": str(page[-1]["id"]) if len(rows) > limit else None})


@router.get("/{alert_id}", summary="One alert", responses={**answers(AlertNow), **errors(404, 422, 503)})
async def alert(center: CenterOf, who: MayRead, alert_id: uuid.UUID) -> Response:
    """The alert as it stands, and what its series measures now."""
    return json_answer(_with_now(center, await alert_seen_by(center, who, alert_id)))


@router.get("/{alert_id}/history", summary="Its history", responses={**answers(History), **errors(404, 422, 503)})
async def history(center: CenterOf, who: MayRead, alert_id: uuid.UUID) -> Response:
    """Every transition of the alert, in order."""
    await alert_seen_by(center, who, alert_id)
    rows = await store.alert_history(center.pool, alert_id)
    return json_answer({"transitions": [transition_json(row) for row in rows]})


async def alert_seen_by(center: Center, who: Principal, alert_id: uuid.UUID) -> bytes:
    """An alert's JSON, if it is in the scope of who asks. Raises ApiError 404 as if there were none."""
    try:
        body = (await store.alert(center.pool, alert_id)).encode()
    except store.UnknownAlert as unknown:
        raise not_found(f"alert {alert_id}") from unknown
    head = read_head(body)
    if not in_view(who, head.sector, head.zone, placeless=True):
        raise not_found(f"alert {alert_id}")
    return body


def transition_json(row: store.HistoryRow) -> dict[str, Any]:
    """A `Transition` of what history has."""
    return {
        "seq": row.seq,
        "kind": row.kind,
        "at": row.at,
        "actor": row.actor,
        "detail": None if row.detail is None else msgspec.Raw(row.detail.encode()),
        "alert": msgspec.Raw(row.body.encode()),
    }


def _with_now(center: Center, body: str | bytes) -> dict[str, Any]:
    """An alert's JSON and the newest reading of its series, from memory."""
    alert: dict[str, Any] = msgspec.json.decode(body)
    newest = center.latest.newest(alert["sector"], alert["asset"], alert["metric"])
    alert["now"] = None if newest is None else {"value": newest.value, "time": format_time(newest.time)}
    return alert
