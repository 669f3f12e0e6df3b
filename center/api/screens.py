"""GET /api/v1/screens: walls that report what they painted."""

from typing import Final, Literal

from fastapi import Depends
from pydantic import BaseModel, Field

from center.api.common import CenterOf
from center.permit import Permit, resources
from city.timestamps import format_time

router = resources(tag="operation")
MAY: Final = [Depends(Permit("screens.read"))]


class ScreenOut(BaseModel):
    """A screen as this center knows it."""

    screen: str
    address: str
    connected: bool
    state: Literal["painting", "silent"] = Field(description="Silent: it has painted nothing for 30 s")
    seq: int = Field(description="The newest alert transition that it has painted")
    painted_at: str = Field(json_schema_extra={"format": "date-time"})
    silent_s: float


class Screens(BaseModel):
    """Every screen that reported within a day, silent ones first."""

    screens: list[ScreenOut]


@router.get("/screens", summary="Screens and whether they paint", dependencies=MAY)
async def screens(center: CenterOf) -> Screens:
    """Screens of this center instance."""
    now = center.clock.monotonic()
    return Screens(
        screens=[
            ScreenOut(
                screen=screen.name,
                address=screen.address,
                connected=screen.connected,
                state=screen.state(now),
                seq=screen.seq,
                painted_at=format_time(screen.painted_us),
                silent_s=round(now - screen.painted_at, 1),
            )
            for screen in center.screens.all(now)
        ]
    )
