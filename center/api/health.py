"""GET /api/v1/health (the process lives) and /ready (it can do its work)."""

import asyncio
from typing import Final, Literal

from fastapi import Depends
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from center.api.common import CenterOf, answers
from center.permit import Permit, resources
from city.database import STORE_ERRORS
from city.timestamps import format_time

router = resources(tag="operation")
MAY: Final = [Depends(Permit("public"))]
PROBE: Final = "SELECT 1"
RULES: Final = "SELECT count(*) FROM rule WHERE active"
PROBE_S: Final = 2.0


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"]
    server_time: str = Field(json_schema_extra={"format": "date-time"})


class Ready(BaseModel):
    """Whether each thing that the center needs is there."""

    ready: bool
    database: bool = Field(description="It answers")
    kafka: bool = Field(description="The broker answers")
    alerts: bool = Field(description="The alert history is followed to its end")
    state: bool = Field(description="What screens show has been loaded")
    engine: bool = Field(
        description="The rules of every sector are evaluated and not behind. Told only, and no condition: a center "
        "without it still shows everything, this included"
    )
    rules: int | None = Field(
        ge=0,
        description="How many rules are in force; null while the database does not say. Told only, and no condition: "
        "with 0 nothing that is measured or reported raises an alert, however ready the center is",
    )


@router.get("/health", summary="Liveness", dependencies=MAY)
async def health(center: CenterOf) -> Health:
    """The process answers; nothing else is looked at."""
    return Health(status="ok", server_time=format_time(center.clock.now_us()))


@router.get(
    "/ready",
    summary="Readiness",
    dependencies=MAY,
    responses={**answers(Ready, "Ready"), 503: {"model": Ready, "description": "Not ready: see what is false"}},
)
async def ready(center: CenterOf) -> Response:
    """200 when database and broker answer, the alert history is followed and everything to be shown was loaded."""
    answers_at_all = await _asked(center, PROBE) is not None
    parts = {
        "database": answers_at_all,
        "kafka": center.live.reading and center.door.open,
        "alerts": center.follower.caught_up,
        "state": center.state.ready and center.latest.ready,
    }
    well = all(parts.values())
    engine = center.engine.loaded and not center.engine.late()
    rules = await _asked(center, RULES) if answers_at_all else None
    return JSONResponse({"ready": well, **parts, "engine": engine, "rules": rules}, 200 if well else 503)


async def _asked(center: CenterOf, question: str) -> int | None:
    """What the database answers; None if it does not, within PROBE_S."""
    try:
        async with asyncio.timeout(PROBE_S):
            return int(await center.pool.fetchval(question))
    except STORE_ERRORS:
        return None
