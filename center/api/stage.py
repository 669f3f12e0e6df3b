"""GET and POST /api/v1/stage: the operating stage of the city, and its history."""

from typing import Annotated

from fastapi import Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from access.policy import Principal
from center import stage as store
from center.api.alert_acts import Text
from center.api.common import WHOLE, Bilingual, CenterOf, DateTime, Strict, answers, json_answer
from center.errors import ApiError, errors
from center.panels import named_stage
from center.permit import ActorOf, Permit, resources
from center.service import Center

router = resources(tag="city")
READ = [Depends(Permit("city.read"))]
MaySet = Annotated[Principal, Depends(Permit("stage.set"))]
Level = Annotated[int, Field(ge=1, le=5), WHOLE]


class StageStep(BaseModel):
    """One setting of the stage."""

    level: int
    at: DateTime
    by: str
    why: str


class StageNow(BaseModel):
    """The operating stage, 1 (normal) to 5, and how it came to it."""

    level: int
    name: Bilingual
    since: DateTime | None = Field(description="Null: it has never been set")
    steps: list[StageStep] = Field(description="The newest first; at most 100")


class NewStage(Strict):
    """Which, and why."""

    level: Level
    seen: Level = Field(description="The stage as it was seen; 409 if it is another by now")
    why: Text


@router.get("/stage", summary="Operating stage", dependencies=READ, responses={**answers(StageNow), **errors(503)})
async def stage(center: CenterOf) -> Response:
    """As it is, and as it was."""
    return await _now(center)


@router.post(
    "/stage", summary="Set the operating stage", responses={**answers(StageNow), **errors(403, 408, 409, 413, 422, 503)}
)
async def change(center: CenterOf, who: MaySet, actor: ActorOf, body: NewStage) -> Response:
    """Screens show it within seconds."""
    try:
        await store.change(center.pool, body.level, body.seen, body.why, actor)
    except store.Refused as refused:
        raise ApiError(409, refused.code, str(refused)) from refused
    return await _now(center)


async def _now(center: Center) -> Response:
    steps = await store.steps(center.pool)
    level, since, by = (steps[0].level, steps[0].at, steps[0].by) if steps else (1, None, None)
    told = named_stage(center.catalogue.city, level, since, by)
    return json_answer({"level": level, "name": told.name, "since": since, "steps": steps})
