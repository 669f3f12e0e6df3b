"""GET /api/v1/zones and /zones.geojson: where things are."""

from typing import Any, Final

from fastapi import Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from center.api.common import Bilingual, CenterOf
from center.permit import Permit, resources

router = resources(tag="city")
MAY: Final = [Depends(Permit("city.read"))]


class ZoneOut(BaseModel):
    """A zone (a ward, commune or special zone)."""

    code: str
    name: Bilingual
    lon: float
    lat: float
    area_km2: float
    core: bool = Field(description="Whether it is on the wall's main map")
    neighbours: list[str]


class Zones(BaseModel):
    """All zones; on a schematic map the shapes are not the real boundaries."""

    schematic: bool
    zones: list[ZoneOut]


@router.get("/zones", summary="Zones of the city", dependencies=MAY)
async def zones(center: CenterOf) -> Zones:
    """Code, names, centroid and neighbours of every zone."""
    zone_map = center.zones
    return Zones(
        schematic=zone_map.schematic,
        zones=[
            ZoneOut(
                code=zone.code,
                name=Bilingual(**zone.name),
                lon=zone.lon,
                lat=zone.lat,
                area_km2=zone.area_km2,
                core=zone.core,
                neighbours=zone_map.neighbours(zone.code),
            )
            for zone in zone_map.zones.values()
        ],
    )


GEOJSON: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "features"],
    "properties": {
        "type": {"const": "FeatureCollection"},
        "features": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "properties", "geometry"],
                "properties": {
                    "type": {"const": "Feature"},
                    "properties": {"type": "object"},
                    "geometry": {"type": "object"},
                },
            },
        },
    },
}


@router.get(
    "/zones.geojson",
    summary="Shapes of the zones",
    dependencies=MAY,
    response_class=Response,
    responses={
        200: {
            "description": "GeoJSON",
            "content": {"application/geo+json": {"schema": GEOJSON}},
        }
    },
)
async def zones_geojson(center: CenterOf) -> Response:
    """Every zone as a polygon."""
    return Response(
        center.zones.geojson(), media_type="application/geo+json", headers={"Cache-Control": "private, max-age=300"}
    )
