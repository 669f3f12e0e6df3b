"""The `city` channel's state: what the wall's header, panels and reports show. A StateSource; computed, never fetched.

Every part carries the version in which it last changed, so a delta holds only what changed. Trends change once a minute
and are large, so each has a version of its own. A feed's age changes always, so it is no change and is filled in last.
"""

from datetime import datetime
from typing import Final

from msgspec import structs

from center.book import AlertBook, AlertHead
from center.cityview import Feed, FigureView, IncidentView, Report, SectorView, Statistics, Trend, Worst
from center.figures import SectorNumbers
from center.latest import LatestValues
from center.protocol import Filter
from city.sectors import Catalogue, Sector
from city.timestamps import format_time, to_datetime
from city.zones import ZoneMap

REPORTS_SHOWN: Final = 20
MINUTE_US: Final = 60_000_000
ABNORMAL: Final = frozenset({"unacknowledged", "acknowledged"})
"""States in which the condition itself lasts; only these colour a figure."""
LONG_AGO: Final = to_datetime(0)

SeriesKey = tuple[str, str]
"""(sector, metric)"""


class CityState:
    """Compares what it is told each second with what it has; what differs gets the next version."""

    def __init__(
        self,
        catalogue: Catalogue,
        zones: ZoneMap,
        book: AlertBook,
        latest: LatestValues,
        city: dict[str, object],
    ) -> None:
        self.version = 0
        self.ready = False
        self._catalogue = catalogue
        self._zones = zones
        self._book = book
        self._latest = latest
        self._city = city
        self._now_us = 0
        self._parts: dict[str, tuple[object, int]] = {}
        self._sectors: dict[str, tuple[SectorView, int]] = {}
        self._newest: dict[str, int | None] = {}
        self._trends: dict[SeriesKey, tuple[Trend, int]] = {}
        self._reports: list[Report] = []
        self._incidents: list[IncidentView] = []
        self._lasting: dict[str, list[AlertHead]] = {}

    def update(
        self,
        now_us: int,
        numbers: dict[str, SectorNumbers],
        trends: dict[SeriesKey, Trend],
        reports: list[Report],
        incidents: list[IncidentView],
        **parts: object,
    ) -> bool:
        """Takes the state of this second; returns whether anything changed.

        `parts` are whole values by their key on the wire: stage, engine_late, flood, reports_today, simulated.
        """
        version = self.version + 1
        self._now_us = now_us
        changes = [self._set(key, value, version) for key, value in parts.items()]
        changes.append(self._set("statistics", self._statistics(now_us), version))
        if incidents != self._incidents:
            self._incidents = incidents
            changes.append(self._set("incidents", version, version))
        if reports != self._reports:
            self._reports = reports
            changes.append(self._set("reports", version, version))
        for key, trend in trends.items():
            before = self._trends.get(key)
            if before is None or before[0] != trend:
                self._trends[key] = (trend, version)
                changes.append(True)
        worst = self._worst()
        moved = {name for name in self._catalogue.sectors if worst.get(name) != self._lasting.get(name)}
        self._lasting = worst
        for name, sector in self._catalogue.sectors.items():
            view = self._view(sector, numbers[name], worst.get(name, []), now_us)
            self._newest[name] = numbers[name].newest
            if name in moved or name not in self._sectors or self._sectors[name][0] != view:
                self._sectors[name] = (view, version)
                changes.append(True)
        if any(changes):
            self.version = version
        return self.version == version

    def snapshot(self, wanted: Filter) -> dict[str, object]:
        """Everything under a filter."""
        return {"city": self._city, "reports": [], "incidents": [], "sectors": [], **self._since(wanted, -1)}

    def delta(self, wanted: Filter, since: int) -> dict[str, object] | None:
        """What changed after version `since`."""
        return self._since(wanted, since) or None

    def _since(self, wanted: Filter, since: int) -> dict[str, object]:
        fields: dict[str, object] = {
            key: self._part(key, value, wanted) for key, (value, version) in self._parts.items() if version > since
        }
        names = [name for name in self._sectors if not wanted.sectors or name in wanted.sectors]
        if sectors := [view for name in names if (view := self._sector_since(name, since, wanted)) is not None]:
            fields["sectors"] = sectors
        return fields

    def _sector_since(self, name: str, since: int, wanted: Filter) -> SectorView | None:
        view, version = self._sectors[name]
        figures = [self._figure_since(name, figure, since) for figure in view.figures]
        if version <= since and figures == view.figures:
            return None
        newest = self._newest[name]
        age = None if newest is None else round((self._now_us - newest) / 1e6, 1)
        worst = view.worst
        if wanted.zones and worst is not None and worst.zone not in wanted.zones:
            heads = self._lasting.get(name, [])
            here = next((head for head in heads if head.zone in wanted.zones), None)
            worst = None if here is None else self._place(self._catalogue.sectors[name], here)
        return structs.replace(view, figures=figures, worst=worst, feed=structs.replace(view.feed, age_s=age))

    def _figure_since(self, sector: str, figure: FigureView, since: int) -> FigureView:
        trend, version = self._trends.get((sector, figure.metric), (Trend([], []), 0))
        if version <= since:
            return figure
        return structs.replace(figure, trend=trend.trend, last_week=trend.last_week)

    def _part(self, key: str, value: object, wanted: Filter) -> object:
        if key == "reports":
            return self._shown(wanted)
        if key == "incidents":
            return [one for one in self._incidents if _touches(wanted, one)]
        if key == "engine_late" and wanted.sectors and isinstance(value, list):
            return [one for one in value if one.sector in wanted.sectors]
        return value

    def _shown(self, wanted: Filter) -> list[Report]:
        return [one for one in self._reports if wanted.takes_place(one.sector, one.zone)][:REPORTS_SHOWN]

    def _set(self, key: str, value: object, version: int) -> bool:
        if key in self._parts and self._parts[key][0] == value:
            return False
        self._parts[key] = (value, version)
        return True

    def _statistics(self, now_us: int) -> Statistics:
        return Statistics(
            self._book.alarms_since(now_us - 60 * MINUTE_US, now_us),
            self._book.alarms_since(now_us - 10 * MINUTE_US, now_us),
        )

    def _worst(self) -> dict[str, list[AlertHead]]:
        """Per sector its lasting alerts, the worst first, then the newest."""
        by_sector: dict[str, list[AlertHead]] = {}
        for head in sorted(self._book.heads(), key=_urgency, reverse=True):
            if head.state in ABNORMAL and head.severity != "info":
                by_sector.setdefault(head.sector, []).append(head)
        return by_sector

    def _view(self, sector: Sector, numbers: SectorNumbers, heads: list[AlertHead], now_us: int) -> SectorView:
        severity: dict[str, str] = {}
        for head in heads:
            if head.metric is not None:
                severity.setdefault(head.metric, head.severity)
        newest, max_s = numbers.newest, numbers.max_s
        dead = newest is not None and max_s is not None and now_us - newest > max_s * 1e6
        return SectorView(
            sector.name,
            sector.title,
            [_figure(sector, name, numbers, severity.get(name)) for name in sector.key_figures],
            numbers.assets_alive,
            numbers.assets_total,
            self._place(sector, self._foremost(heads)) if heads else None,
            Feed(None if newest is None else format_time(newest), None, max_s, dead),
        )

    def _foremost(self, heads: list[AlertHead]) -> AlertHead:
        """Of the severest alerts the one furthest beyond its limit now; in steps of a tenth: it stands still."""
        severest = [head for head in heads if head.rank == heads[0].rank]

        def beyond(head: AlertHead) -> float:
            now = self._latest.newest(head.sector, head.asset, head.metric)
            return round(head.excess(head.value if now is None else now.value), 1)

        return max(severest, key=beyond)

    def _place(self, sector: Sector, head: AlertHead) -> Worst:
        zone = self._zones.zones.get(head.zone) if head.zone is not None else None
        name = zone.name if zone is not None else None
        metric = sector.metrics.get(head.metric or "")
        now = self._latest.newest(head.sector, head.asset, head.metric)
        if metric is None or now is None:
            decimals = metric.decimals if metric is not None and metric.unit == head.unit else 0
            return Worst(head.zone, name, head.metric, head.value, head.unit, decimals)
        return Worst(head.zone, name, head.metric, round(now.value, metric.decimals), metric.unit, metric.decimals)


def _touches(wanted: Filter, incident: IncidentView) -> bool:
    """As alerts do: what has no place concerns every zone."""
    return (not wanted.sectors or not wanted.sectors.isdisjoint(incident.sectors)) and (
        not wanted.zones or not incident.zones or not wanted.zones.isdisjoint(incident.zones)
    )


def _figure(sector: Sector, name: str, numbers: SectorNumbers, severity: str | None) -> FigureView:
    metric, figure = sector.metrics[name], numbers.figures[name]
    time = None if figure.time is None else format_time(figure.time)
    return FigureView(name, metric.short, metric.unit, metric.decimals, figure.value, time, metric.cadence_s, severity)


def _urgency(head: AlertHead) -> tuple[int, datetime, str]:
    return head.rank, head.since or LONG_AGO, head.id
