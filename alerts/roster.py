"""Every asset of one sector, its watched series, and which rules watch them."""

from collections.abc import Iterable

from alerts.rules import Rule
from alerts.series import UNWATCHED, Asset, Instruments, Plan, Series
from alerts.threshold import Threshold
from alerts.transitions import Place
from city.events import Reading
from city.sectors import Sector


class Roster:
    """Grows with what it meets, up to the sector's limit of series; `kinds` are instruments by what they measure."""

    def __init__(self, sector: Sector, rules: Iterable[Rule]) -> None:
        self.sector = sector
        self.assets: dict[str, Asset] = {}
        self.kinds: dict[tuple[str, ...], Instruments] = {}
        self.rules: dict[str, Rule] = {}
        self.series = 0
        self.zoned = False
        self._plans: dict[str, Plan] = {}
        self._metrics: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.watch_by(rules)

    def watch_by(self, rules: Iterable[Rule]) -> None:
        """Plan by these rules from here on; series that exist are bound anew by the caller."""
        self.rules = {rule.rule: rule for rule in rules if rule.sector == self.sector.name}
        self.zoned = any(rule.where.zones for rule in self.rules.values())
        by_metric: dict[str, list[Threshold]] = {}
        for rule in self.rules.values():
            if not rule.is_threshold:
                continue  # judged by group, see `alerts.grouprules`
            by_metric.setdefault(rule.metric, []).append(Threshold(rule))
        self._plans = {
            name: Plan.of(metric, tuple(by_metric.get(name, ()))) for name, metric in self.sector.metrics.items()
        }

    @property
    def full(self) -> bool:
        """Whether the sector has as many series as it may."""
        return self.series >= self.sector.series_limit

    def plan(self, metric: str) -> Plan:
        """How the engine sees this metric. Raises KeyError: the sector has no such metric."""
        return self._plans[metric]

    def meet(self, reading: Reading) -> Asset:
        """An asset not seen before; one too many is not kept."""
        asset = Asset(reading.asset, Place(reading.zone, reading.location), {}, Instruments("", 0))
        if not self.full:
            self.assets[reading.asset] = asset
        return asset

    def move(self, asset: Asset, reading: Reading) -> None:
        """A new place; a zone told without a point keeps the point that lay in it."""
        before = asset.place
        location = reading.location or (before.location if reading.zone == before.zone else None)
        asset.place = Place(reading.zone, location)
        if self.zoned and reading.zone != before.zone:
            for series in asset.series.values():
                if series is not UNWATCHED:
                    self.bind(asset, series)

    def admit(self, asset: Asset, metric: str) -> Series:
        """The series of a metric not seen before on this asset; none is watched once the roster is full."""
        plan = self._plans[metric]
        series = UNWATCHED
        if self.full:
            return series
        if plan.thresholds:
            series = Series(plan, ())
            self.bind(asset, series)
        self.place(asset, series, plan)
        return series

    def place(self, asset: Asset, series: Series, plan: Plan) -> None:
        """Make the series one of the asset's."""
        asset.series[plan.metric] = series
        metrics = tuple(asset.series)
        asset.metrics = self._metrics.setdefault(metrics, metrics)
        self._join(asset)
        asset.fresh_us = min(asset.fresh_us, plan.max_age_us)
        asset.cadence_us = min(asset.cadence_us, plan.cadence_us)
        self.series += 1

    def bind(self, asset: Asset, series: Series) -> None:
        """Attach the rules that watch this asset where it is, and those whose alert on it is open."""
        held = series.progress or {}
        series.thresholds = tuple(
            threshold
            for threshold in series.plan.thresholds
            if threshold.rule.where.matches(asset.name, asset.place.zone)
            or ((stand := held.get(threshold.rule.rule)) is not None and stand.level)
        )
        kept = {threshold.rule.rule for threshold in series.thresholds}
        series.progress = {rule: stand for rule, stand in held.items() if rule in kept} or None
        series.settle()

    def _join(self, asset: Asset) -> None:
        """Count the asset among those that measure what it measures."""
        asset.kind.assets -= 1
        heard = asset.kind.heard
        key = tuple(sorted(asset.metrics))
        kind = self.kinds.get(key)
        if kind is None:
            fastest = min((self._plans[metric] for metric in key), key=lambda plan: (plan.cadence_us, plan.metric))
            kind = self.kinds[key] = Instruments(fastest.metric, fastest.cadence_us)
        kind.assets += 1
        kind.heard = max(kind.heard, heard)
        asset.kind = kind
        for other, left in list(self.kinds.items()):
            if not left.assets:
                del self.kinds[other]
