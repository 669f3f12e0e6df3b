"""GET /api/v1/sectors: the catalogue."""

from typing import Final

from fastapi import Depends
from pydantic import BaseModel, Field

from center.api.common import Bilingual, CenterOf
from center.permit import Permit, resources

router = resources(tag="city")
MAY: Final = [Depends(Permit("city.read"))]


class MetricOut(BaseModel):
    """What a number means and how it behaves."""

    metric: str
    label: Bilingual
    short: Bilingual = Field(description="At most 12 characters")
    unit: str
    low: float = Field(description="Smallest plausible value")
    high: float = Field(description="Largest plausible value")
    cadence_s: float = Field(description="How often a reading is due")
    max_age_s: float = Field(description="How old a reading may be and still raise an alert")
    decimals: int
    aggregate: str = Field(description="How the city-wide figure is made: mean, sum, max, min or last")


class SectorOut(BaseModel):
    """A sector of the city's life."""

    sector: str
    title: Bilingual
    short: Bilingual
    deep: bool = Field(description="Whether it has a panel of its own on the wall")
    key_figures: list[str]
    reports: list[str] = Field(description="Categories of reports")
    series_limit: int
    topic: str = Field(description="The Kafka topic that its systems publish to")
    metrics: list[MetricOut]


class Sectors(BaseModel):
    """All sectors, and the catalogue's version."""

    version: str
    sectors: list[SectorOut]


@router.get("/sectors", summary="Sectors and their metrics", dependencies=MAY)
async def sectors(center: CenterOf) -> Sectors:
    """The catalogue: units, plausible ranges, cadences, labels."""
    catalogue = center.catalogue
    return Sectors(
        version=catalogue.version,
        sectors=[
            SectorOut(
                sector=sector.name,
                title=Bilingual(**sector.title),
                short=Bilingual(**sector.short),
                deep=sector.deep,
                key_figures=sector.key_figures,
                reports=sector.reports,
                series_limit=sector.series_limit,
                topic=f"city.{sector.name}.events",
                metrics=[
                    MetricOut(
                        metric=name,
                        label=Bilingual(**metric.label),
                        short=Bilingual(**metric.short),
                        unit=metric.unit,
                        low=metric.low,
                        high=metric.high,
                        cadence_s=metric.cadence_s,
                        max_age_s=metric.max_age_s,
                        decimals=metric.decimals,
                        aggregate=metric.aggregate,
                    )
                    for name, metric in sector.metrics.items()
                ],
            )
            for sector in catalogue.sectors.values()
        ],
    )
