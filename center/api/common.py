"""What the resources share: the center behind them, parameters, pages, instants."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from fastapi import Depends, Path, Query, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import Response

from access.policy import Principal, narrowed
from center.errors import ApiError
from center.service import Center
from city.timestamps import from_datetime, parse_time

MAX_EXACT: Final = 2**53 - 1
"""The largest whole number that every reader of JSON has exactly (RFC 8259, section 6)."""
MAX_INT: Final = 2**31 - 1
PLAIN: Final = r"^[^\x00-\x1f\x7f]*$"
EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)

encode: Final = msgspec.json.Encoder().encode


def _center(request: Request) -> Center:
    center: Center = request.app.state.center
    return center


CenterOf = Annotated[Center, Depends(_center)]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many items")]
Cursor = Annotated[
    int | None, Query(ge=0, le=MAX_EXACT, description="`next` of the page before; leave out for the first page")
]
SectorName = Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="A sector's name")]
ZoneCode = Annotated[str | None, Query(pattern=r"^[0-9A-Za-z_-]{1,40}$", description="A zone's code")]
Id = Annotated[int, Path(ge=1, le=MAX_EXACT)]
Instant = Annotated[
    str | None, Query(json_schema_extra={"format": "date-time"}, pattern=PLAIN, max_length=64, description="RFC 3339")
]


def _whole(value: object) -> object:
    """JSON knows one kind of number, and its schema calls 3.0 an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE: Final = BeforeValidator(_whole)
"""Of an integer in a strict body; the last of its annotations, so that the document keeps the bounds."""


class Bilingual(BaseModel):
    """A text in both languages."""

    vi: str
    en: str


class Strict(BaseModel):
    """A body that has the fields of its model and nothing else."""

    model_config = ConfigDict(strict=True, extra="forbid")


Sectors = Annotated[list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]], Field(max_length=100)]
Zones = Annotated[list[Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,40}$")]], Field(max_length=500)]
Name = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$")
]
DateTime = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class View(NamedTuple):
    """What a list may show: sectors and zones, None for all of them."""

    sectors: list[str] | None
    zones: list[str] | None


def view(center: Center, principal: Principal, sector: str | None, zone: str | None) -> View:
    """What was asked for within the principal's scope.

    Raises:
        ApiError: 404 for a sector or zone that there is not.
        Denied: out_of_scope.
    """
    known_sector(center, sector)
    known_zone(center, zone)
    sectors = narrowed(principal.sectors, frozenset() if sector is None else frozenset({sector}), "sectors")
    zones = narrowed(principal.zones, frozenset() if zone is None else frozenset({zone}), "zones")
    return View(sorted(sectors) or None, sorted(zones) or None)


def in_view(principal: Principal, sector: str, zone: str | None, *, placeless: bool) -> bool:
    """Whether a single thing lies in the principal's scope; `placeless`: what has no zone is shown to every zone."""
    if principal.sectors and sector not in principal.sectors:
        return False
    return not principal.zones or (placeless if zone is None else zone in principal.zones)


def known_scope(center: Center, sectors: Collection[str], zones: Collection[str]) -> None:
    """Raises ApiError 422 if a sector or zone of a body does not exist."""
    for sector in sectors:
        if sector not in center.catalogue.sectors:
            raise ApiError(422, "unknown_sector", f"No sector is called {sector!r}; see /api/v1/sectors.")
    for zone in zones:
        if zone not in center.zones.zones:
            raise ApiError(422, "unknown_zone", f"No zone has the code {zone!r}; see /api/v1/zones.")


def instant(text: str, name: str) -> int:
    """Microseconds of an RFC 3339 parameter; what lies before 1900 counts as 1900. Raises ApiError 422."""
    try:
        return parse_time(text)
    except ValueError as wrong:
        try:
            at = datetime.fromisoformat(text.upper().replace(":60", ":59"))
            if at.tzinfo is not None:
                return from_datetime(max(at, EARLIEST))
        except (ValueError, OverflowError):
            pass
        raise ApiError(422, "invalid", f"{name} {wrong}.") from wrong


def known_sector(center: Center, name: str | None) -> str | None:
    """The sector's name again. Raises ApiError 404 for a stranger."""
    if name is not None and name not in center.catalogue.sectors:
        raise ApiError(404, "unknown_sector", f"No sector is called {name!r}; see /api/v1/sectors.")
    return name


def known_zone(center: Center, code: str | None) -> str | None:
    """The zone's code again. Raises ApiError 404 for a stranger."""
    if code is not None and code not in center.zones.zones:
        raise ApiError(404, "unknown_zone", f"No zone has the code {code!r}; see /api/v1/zones.")
    return code


def json_answer(content: object, status: int = 200) -> Response:
    """An answer that is encoded once, past the framework; its model stands in the route's `responses`."""
    return Response(encode(content), status, media_type="application/json")


def answers(model: type[BaseModel], description: str = "OK", status: int = 200) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a route that returns `json_answer`."""
    return {status: {"model": model, "description": description}}
