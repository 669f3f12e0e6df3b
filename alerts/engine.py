"""The engine: decoded records of one sector in, transitions out. No clock, no I/O, no chance.

What makes it fast is what it does not do: each series knows the band of values in which nothing changes, whatever the
number of its rules, and most readings end at that comparison.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from alerts import feed as feeds
from alerts.feed import FEED_DEAD, SERIES_LIMIT, WRONG_CLOCK, Feed
from alerts.rules import SEVERITIES, Rule
from alerts.series import UNWATCHED, US, Asset, Instruments, Plan, Series
from alerts.threshold import Progress, Threshold
from alerts.transitions import Kind, Place, Transition, alert_id
from city.events import FUTURE_TOLERANCE_US, Reading, Refusal, Report
from city.sectors import Catalogue

ENGINE_VERSION: Final = 1
"""Grows whenever the same records would give other transitions; a journal of another version is not replayed."""

FUTURE: Final = ""
"""Name under which readings from the future are booked among the assets with a wrong clock."""


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One record as the engine takes it; `record_time` (µs) is the broker's."""

    record_time: int
    event: Reading | Report | Refusal
    partition: int = 0
    offset: int = 0


class Tick(msgspec.Struct, frozen=True, gc=False):
    """When a step was taken by the worker's clock (µs), and whether every partition was read to its end."""

    time: int
    at_end: bool = False


class OpenAlert(msgspec.Struct, frozen=True):
    """An open alert as the `alert` table knows it."""

    rule: str
    group: str
    severity: str
    raised_at: int
    asset: str | None = None
    place: Place = Place()
    metric: str = ""


class Engine:
    """All rules of one sector over all its assets. The same arrivals in the same order give the same transitions,
    however they are cut into steps."""

    def __init__(self, sector: str, catalogue: Catalogue, rules: Iterable[Rule] = ()) -> None:
        self.sector = sector
        self.catalogue = catalogue
        self.assets: dict[str, Asset] = {}
        self.feed = Feed(wrong={})
        self.series = 0
        self.rules: dict[str, Rule] = {}
        self._limit = catalogue.sectors[sector].series_limit
        self._plans: dict[str, Plan] = {}
        self.kinds: dict[tuple[str, ...], Instruments] = {}
        self._metrics: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._zoned = False
        self._plan(rules)

    # --- stepping ------------------------------------------------------------------------------------------------

    def step(self, arrivals: Sequence[Arrival], tick: Tick) -> list[Transition]:
        """Take records, each partition's in order of offset, then the tick; what changed, in order."""
        out: list[Transition] = []
        assets = self.assets
        feed = self.feed
        now = tick.time
        for arrival in arrivals:
            event = arrival.event
            if type(event) is not Reading:
                self._other(arrival, now, out)
                continue
            asset = assets.get(event.asset)
            if asset is None:
                asset = self._meet(event)
            time = event.time
            place = asset.place
            if event.zone is not None and (event.zone != place.zone or event.location != place.location):
                self._move(asset, event)
            age = arrival.record_time - time
            series_of = asset.series
            for metric, value in event.measurements.items():
                series = series_of.get(metric)
                if series is None:
                    series = self._admit(asset, metric, arrival, out)
                if time > series.time:
                    series.time = time
                    if not series.low <= value <= series.high:
                        self._evaluate(asset, series, time, value, age <= series.plan.max_age_us, out)
            if age > asset.fresh_us or asset.stale_since or feed.future_since:
                self._watch_clock(asset, arrival, age, out)
            asset.kind.heard = now
        if feed.level or tick.at_end:
            self._listen(tick, out)
        return out

    def resume(self, now: int) -> None:
        """A worker begins to watch (µs of its clock): silence that nobody listened to counts for nothing."""
        self.feed.watched_since = now

    def apply(self, rules: Iterable[Rule], now: int) -> list[Transition]:
        """Go over to another set of rules. Open alerts whose rule stays go on; timers begin anew where the rule
        changed; an alert whose rule is gone, or no longer watches its metric, is cleared at `now` (µs)."""
        out: list[Transition] = []
        before = self.rules
        self._plan(rules)
        for asset in self.assets.values():
            for metric, series in asset.series.items():
                asset.series[metric] = self._rebind(asset, metric, series, before, now, out)
        return out

    # --- open alerts ---------------------------------------------------------------------------------------------

    def open_alerts(self) -> dict[tuple[str, str], OpenAlert]:
        """Every open alert by (rule, group)."""
        found: dict[tuple[str, str], OpenAlert] = {}
        for asset in self.assets.values():
            for metric, series in asset.series.items():
                for threshold in series.thresholds if series.progress else ():
                    stand = (series.progress or {}).get(threshold.rule.rule)
                    if stand is not None and stand.level:
                        found[threshold.rule.rule, asset.name] = OpenAlert(
                            threshold.rule.rule,
                            asset.name,
                            threshold.severity(stand.level),
                            stand.raised_at,
                            asset.name,
                            asset.place,
                            metric,
                        )
        feed = self.feed
        for rule, since in (
            (FEED_DEAD, feed.dead_since),
            (WRONG_CLOCK, feed.wrong_since),
            (SERIES_LIMIT, feed.full_since),
        ):
            if since:
                found[rule, self.sector] = OpenAlert(rule, self.sector, self._severity(rule), since)
        return found

    def adopt(self, truth: Iterable[OpenAlert], now: int) -> list[Transition]:
        """Make the open alerts exactly these, as the table has them; returns clearings of those whose rule is gone."""
        out: list[Transition] = []
        wanted = {(alert.rule, alert.group): alert for alert in truth}
        for key, mine in self.open_alerts().items():
            if key not in wanted or (wanted[key].severity, wanted[key].raised_at) != (mine.severity, mine.raised_at):
                self._forget(*key)
        known = self.open_alerts()
        for key, alert in wanted.items():
            if key not in known and not self._take_over(alert):
                out.append(self._clear_orphan(alert, now))
        return out

    # --- assets and series ---------------------------------------------------------------------------------------

    def _plan(self, rules: Iterable[Rule]) -> None:
        self.rules = {rule.rule: rule for rule in rules if rule.sector == self.sector}
        self._zoned = any(rule.where.zones for rule in self.rules.values())
        by_metric: dict[str, list[Threshold]] = {}
        for rule in self.rules.values():
            by_metric.setdefault(rule.metric, []).append(Threshold(rule))
        self._plans = {
            name: Plan.of(metric, tuple(by_metric.get(name, ())))
            for name, metric in self.catalogue.sectors[self.sector].metrics.items()
        }

    def _meet(self, reading: Reading) -> Asset:
        asset = Asset(reading.asset, Place(reading.zone, reading.location), {}, Instruments("", 0))
        if self.series < self._limit:
            self.assets[reading.asset] = asset
        return asset

    def _move(self, asset: Asset, reading: Reading) -> None:
        """A new place; a zone told without a point keeps the point that lay in it."""
        before = asset.place
        location = reading.location or (before.location if reading.zone == before.zone else None)
        asset.place = Place(reading.zone, location)
        if self._zoned and reading.zone != before.zone:
            for series in asset.series.values():
                if series is not UNWATCHED:
                    self.bind(asset, series)

    def _admit(self, asset: Asset, metric: str, arrival: Arrival, out: list[Transition]) -> Series:
        """The series of a metric not seen before on this asset; beyond the sector's limit nothing is watched."""
        plan = self._plans[metric]
        if self.series >= self._limit:
            if not self.feed.full_since:
                self.feed.full_since = arrival.record_time
                when = arrival.record_time
                out.append(self._system("raised", SERIES_LIMIT, when, when, float(self.series), float(self._limit)))
            asset.cadence_us = min(asset.cadence_us, plan.cadence_us)
            return UNWATCHED
        series = UNWATCHED
        if plan.thresholds:
            series = Series(plan, ())
            self.bind(asset, series)
        self.place(asset, series, plan)
        return series

    def plan(self, metric: str) -> Plan | None:
        """How the engine sees this metric of its sector."""
        return self._plans.get(metric)

    def place(self, asset: Asset, series: Series, plan: Plan) -> None:
        """Make the series one of the asset's."""
        asset.series[plan.metric] = series
        metrics = tuple(asset.series)
        asset.metrics = self._metrics.setdefault(metrics, metrics)
        self._join(asset)
        asset.fresh_us = min(asset.fresh_us, plan.max_age_us)
        asset.cadence_us = min(asset.cadence_us, plan.cadence_us)
        self.series += 1

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

    def _rebind(
        self, asset: Asset, metric: str, series: Series, before: dict[str, Rule], now: int, out: list[Transition]
    ) -> Series:
        plan = self._plans[metric]
        known = {threshold.rule.rule: threshold for threshold in plan.thresholds}
        kept: dict[str, Progress] = {}
        for rule, stand in (series.progress or {}).items():
            threshold = known.get(rule)
            if threshold is not None and threshold.rule == before[rule]:
                kept[rule] = stand
            elif threshold is not None and stand.level:
                kept[rule] = _carried(stand, before[rule], threshold)
            elif stand.level:
                gone = self._transition("cleared", before[rule], asset, stand, now, stand.level, 0.0)
                out.append(msgspec.structs.replace(gone, rule_version=0))
        if not plan.thresholds:
            return UNWATCHED
        fresh = Series(plan, (), time=0 if series is UNWATCHED else series.time, progress=kept or None)
        self.bind(asset, fresh)
        return fresh

    # --- evaluation ----------------------------------------------------------------------------------------------

    def _evaluate(
        self, asset: Asset, series: Series, time: int, value: float, fresh: bool, out: list[Transition]
    ) -> None:
        progress = series.progress if series.progress is not None else {}
        loosened = False
        for threshold in series.thresholds:
            name = threshold.rule.rule
            stand = progress.get(name)
            if stand is None:
                low, high = threshold.quiet_band(0)
                if low <= value <= high:
                    continue
                stand = progress[name] = Progress(threshold.count)
            level = stand.level
            stand.advance(threshold, time, value, fresh, series.plan.gap_us)
            if stand.level != level:
                kind: Kind = (
                    ("escalated" if level else "raised")
                    if stand.level > level
                    else ("eased" if stand.level else "cleared")
                )
                out.append(self._transition(kind, threshold.rule, asset, stand, time, stand.level or level, value))
                loosened = loosened or not stand.level
            if not stand.level and not stand.running:
                del progress[name]
        series.progress = progress or None
        if loosened and self._zoned:
            self.bind(asset, series)
        else:
            series.settle()

    def _transition(
        self, kind: Kind, rule: Rule, asset: Asset, stand: Progress, time: int, level: int, value: float
    ) -> Transition:
        return Transition(
            kind=kind,
            alert_id=alert_id(rule.rule, asset.name, stand.raised_at),
            rule=rule.rule,
            rule_version=rule.version,
            group=asset.name,
            sector=self.sector,
            asset=asset.name,
            place=asset.place,
            severity=rule.levels[level - 1].severity,
            metric=rule.metric,
            value=value,
            limit=rule.levels[level - 1].limit,
            comparison=rule.comparison,
            event_time=time,
            raised_at=stand.raised_at,
        )

    # --- the feed ------------------------------------------------------------------------------------------------

    def _other(self, arrival: Arrival, now: int, out: list[Transition]) -> None:
        """A refusal tells of a wrong clock; no rule reads reports yet, and neither shows that the sensors live."""
        event = arrival.event
        if isinstance(event, Refusal) and event.reason == "future_time":
            self.feed.future_heard = now
            if self.feed.refuse_future(arrival.record_time):
                self._accuse(FUTURE, arrival.record_time, -FUTURE_TOLERANCE_US, out)

    def _listen(self, tick: Tick, out: list[Transition]) -> None:
        feed = self.feed
        level, since, kind = feeds.listen(self.kinds.values(), feed, tick.time, tick.at_end)
        before = feed.level
        if level == before or not self.kinds:
            return
        feed.level = level
        raised_at = feed.dead_since = (feed.dead_since or since) if level else feed.dead_since
        steps: dict[tuple[bool, bool], Kind] = {(True, False): "raised", (True, True): "escalated"}
        what = steps.get((level > before, bool(before))) or ("eased" if level else "cleared")
        metric = kind.metric if kind is not None and level == feeds.PARTLY else ""
        pulse = feeds.pulse_us(kind) / US if kind is not None else 0.0
        when = raised_at if what == "raised" else max(tick.time, raised_at)
        severity = self._severity(FEED_DEAD, level or before)
        if not level:
            feed.dead_since = 0
        out.append(self._system(what, FEED_DEAD, raised_at, when, pulse, pulse, metric=metric, severity=severity))

    def _severity(self, rule: str, level: int | None = None) -> str:
        """Of a built-in rule: a feed that is wholly dead is critical, everything else a warning."""
        dead = (self.feed.level if level is None else level) == feeds.DEAD
        return "critical" if rule == FEED_DEAD and dead else "warning"

    def _watch_clock(self, asset: Asset, arrival: Arrival, age: int, out: list[Transition]) -> None:
        feed = self.feed
        if feed.future_since and feed.future_over(arrival.record_time):
            feed.future_since = 0
            self._acquit(FUTURE, arrival.record_time, out)
        event = arrival.event
        if not isinstance(event, Reading) or not self._all_stale(event, age):
            if asset.stale_since:
                asset.stale_since = asset.stale_age = 0
                self._acquit(asset.name, arrival.record_time, out)
            return
        verdict = (
            feeds.steady(asset.stale_since, asset.stale_age, arrival.record_time, age, asset.cadence_us)
            if asset.stale_since
            else False
        )
        if verdict:
            self._accuse(asset.name, arrival.record_time, age, out)
        elif verdict is False:
            asset.stale_since, asset.stale_age = arrival.record_time, age

    def _all_stale(self, reading: Reading, age: int) -> bool:
        return all(age > self._plans[metric].max_age_us for metric in reading.measurements)

    def _accuse(self, asset: str, record_time: int, age: int, out: list[Transition]) -> None:
        feed = self.feed
        if asset in feed.wrong:
            return
        feed.wrong[asset] = age
        if not feed.wrong_since:
            feed.wrong_since = record_time
            where = self.assets.get(asset)
            limit = where.fresh_us / US if where is not None else FUTURE_TOLERANCE_US / US
            out.append(self._system("raised", WRONG_CLOCK, record_time, record_time, age / US, limit, where))

    def _acquit(self, asset: str, record_time: int, out: list[Transition]) -> None:
        feed = self.feed
        if feed.wrong.pop(asset, None) is not None and not feed.wrong:
            since, feed.wrong_since = feed.wrong_since, 0
            out.append(self._system("cleared", WRONG_CLOCK, since, record_time))

    def _system(
        self,
        kind: Kind,
        rule: str,
        raised_at: int,
        time: int,
        value: float = 0.0,
        limit: float = 0.0,
        asset: Asset | None = None,
        metric: str = "",
        severity: str = "",
    ) -> Transition:
        metric = metric or {FEED_DEAD: "feed_silence_s", WRONG_CLOCK: "feed_age_s", SERIES_LIMIT: "series"}[rule]
        return Transition(
            kind=kind,
            alert_id=alert_id(rule, self.sector, raised_at),
            rule=rule,
            rule_version=ENGINE_VERSION,
            group=self.sector,
            sector=self.sector,
            asset=asset.name if asset is not None else None,
            place=asset.place if asset is not None else Place(),
            severity=severity or self._severity(rule),
            metric=metric,
            value=value,
            limit=limit,
            comparison=">",
            event_time=time,
            raised_at=raised_at,
        )

    # --- adoption ------------------------------------------------------------------------------------------------

    def _forget(self, rule: str, group: str) -> None:
        feed = self.feed
        if rule == FEED_DEAD:
            feed.level = feed.dead_since = 0
            for kind in self.kinds.values():
                kind.dead = 0
        elif rule == WRONG_CLOCK:
            feed.wrong_since, feed.wrong = 0, {}
        elif rule == SERIES_LIMIT:
            feed.full_since = 0
        else:
            asset = self.assets[group]
            series = asset.series[self.rules[rule].metric]
            if series.progress is not None:
                series.progress.pop(rule, None)
                self.bind(asset, series)

    def _take_over(self, alert: OpenAlert) -> bool:
        """Put the engine where the table says the alert is; False if no rule of that name watches that metric now."""
        feed = self.feed
        if alert.rule in feeds.SYSTEM_RULES:
            if alert.rule == FEED_DEAD:
                feed.dead_since = alert.raised_at
                feed.level = feeds.DEAD if alert.severity == "critical" else feeds.PARTLY
                for kind in self.kinds.values():
                    kind.dead = kind.dead or (alert.raised_at if kind.heard < alert.raised_at else 0)
            elif alert.rule == WRONG_CLOCK:
                feed.wrong_since = feed.future_since = feed.future_last = alert.raised_at
                feed.wrong = {FUTURE: 0}
            else:
                feed.full_since = alert.raised_at
            return True
        rule = self.rules.get(alert.rule)
        if rule is None or alert.asset is None or (alert.metric and alert.metric != rule.metric):
            return False
        asset = self.assets.get(alert.asset)
        if asset is None:
            asset = self.assets[alert.asset] = Asset(alert.asset, alert.place, {}, Instruments("", 0))
        series = asset.series.get(rule.metric)
        if series is None:
            plan = self._plans[rule.metric]
            series = Series(plan, ())
            self.place(asset, series, plan)
        stand = Progress(len(rule.levels))
        stand.level = _level_of(alert.severity, rule)
        stand.raised_at = alert.raised_at
        series.progress = {**(series.progress or {}), alert.rule: stand}
        self.bind(asset, series)
        return True

    def _clear_orphan(self, alert: OpenAlert, now: int) -> Transition:
        return Transition(
            kind="cleared",
            alert_id=alert_id(alert.rule, alert.group, alert.raised_at),
            rule=alert.rule,
            rule_version=0,
            group=alert.group,
            sector=self.sector,
            asset=alert.asset,
            place=alert.place,
            severity=alert.severity,
            metric=alert.metric,
            value=0.0,
            limit=0.0,
            comparison=">",
            event_time=max(now, alert.raised_at),
            raised_at=alert.raised_at,
        )


def _level_of(severity: str, rule: Rule) -> int:
    """The rule's level of this severity, or its nearest milder one, or its mildest."""
    order: list[str] = list(SEVERITIES)
    rank = order.index(severity)
    milder = [i for i, level in enumerate(rule.levels, start=1) if order.index(level.severity) <= rank]
    return milder[-1] if milder else 1


def _carried(stand: Progress, before: Rule, threshold: Threshold) -> Progress:
    """An open alert under a new version of its rule: severity and raised-at stay, timers begin anew."""
    carried = Progress(threshold.count)
    carried.level = _level_of(before.levels[stand.level - 1].severity, threshold.rule)
    carried.raised_at = stand.raised_at
    carried.seen = stand.seen
    return carried
