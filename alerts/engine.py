"""The engine: decoded records of one sector in, transitions out. No clock, no I/O, no chance.

What makes it fast is what it does not do: each series knows the band of values in which nothing changes, whatever the
number of its rules, and most readings end at that comparison.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from alerts.arrivals import Arrival, Tick
from alerts.change import Carried, carry_over
from alerts.copying import Copying
from alerts.grouprules import GroupRules
from alerts.roster import Roster
from alerts.rules import Rule
from alerts.series import UNWATCHED, Asset, Series
from alerts.threshold import Progress
from alerts.transitions import Kind, Transition, alert_id
from alerts.watch import Watch
from city.events import Reading, Report
from city.sectors import Catalogue

__all__ = ["ENGINE_VERSION", "Arrival", "Engine", "Tick"]

ENGINE_VERSION: Final = 6
"""Grows whenever the same records would give other transitions; a journal of another version is not replayed."""


class Engine:
    """All rules of one sector over all its assets. The same arrivals in the same order give the same transitions,
    however they are cut into steps."""

    def __init__(self, sector: str, catalogue: Catalogue, rules: Iterable[Rule] = ()) -> None:
        self.sector = sector
        self.roster = Roster(catalogue.sectors[sector], rules)
        self.watch = Watch(self.roster)
        self.groups = GroupRules(self.roster)

    @property
    def copying(self) -> Copying | None:
        """The copy of the state that is being made, if one is."""
        return self.groups.keeping

    @copying.setter
    def copying(self, copying: Copying | None) -> None:
        self.groups.keeping = copying

    @property
    def moved(self) -> bool:
        """Whether the last step's tick changed what is kept without a transition that would tell."""
        return self.groups.waiting.moved or self.watch.moved

    @property
    def rules(self) -> dict[str, Rule]:
        """The sector's rules in force, by name."""
        return self.roster.rules

    def step(self, arrivals: Sequence[Arrival], tick: Tick) -> list[Transition]:
        """Take records, each partition's in order of offset, then the tick; what changed, in order."""
        out: list[Transition] = []
        roster, watch = self.roster, self.watch
        assets = roster.assets
        feed = watch.feed
        copying, groups = self.copying, self.groups if self.groups.rules else None
        self.groups.waiting.moved = watch.moved = False
        now = tick.time
        for arrival in arrivals:
            event = arrival.event
            if type(event) is not Reading:
                watch.hear(arrival, now, out)
                if groups is not None and isinstance(event, Report):
                    groups.hear(event, arrival.record_time, out)
                continue
            asset = assets.get(event.asset)
            if asset is None:
                asset = roster.meet(event)
                if copying is not None:
                    asset.copied = copying.number
            elif copying is not None and asset.copied != copying.number:
                copying.keep(asset)
            time = event.time
            place = asset.place
            if event.zone is not None and (event.zone != place.zone or event.location != place.location):
                roster.move(asset, event)
                if groups is not None and event.zone != place.zone:
                    groups.move(asset, place.zone, time, out)
            age = arrival.record_time - time
            series_of = asset.series
            for metric, value in event.measurements.items():
                series = series_of.get(metric)
                if series is None:
                    if roster.full:
                        watch.overflow(arrival.record_time, out)
                    series = roster.admit(asset, metric)
                if time > series.time:
                    series.time = time
                    if not series.low <= value <= series.high:
                        self._evaluate(asset, series, time, value, age <= series.plan.max_age_us, out)
            if groups is not None:
                groups.take(asset, event, arrival.record_time, now, out)
            if age > asset.fresh_us or asset.stale_since or feed.future_since:
                watch.judge_clock(asset, arrival, age, out)
            asset.kind.heard = now
        if feed.level or tick.at_end:
            watch.listen(tick, out)
            if groups is not None:
                groups.waiting.tick(tick, feed, out)
        return out

    def resume(self, now: int) -> None:
        """A worker begins to watch, or its clock was set (µs): silence that nobody listened to counts for nothing."""
        feed = self.watch.feed
        feed.watched_since, feed.future_heard = now, min(feed.future_heard, now)
        for kind in self.roster.kinds.values():
            kind.clock_set(now)
        self.groups.waiting.relist(self.groups.rules.values(), feed, now)

    def forget_timers(self) -> None:
        """Nobody can say what came since the timers were last moved: open alerts stay, every `for` begins anew."""
        for asset in self.roster.assets.values():
            for series in asset.series.values():
                if series.progress is not None:
                    open_ones = {rule: stand for rule, stand in series.progress.items() if stand.level}
                    for stand in open_ones.values():
                        stand.forget()
                    series.progress = open_ones or None
                    series.settle()
                if series.stored is not None:
                    series.stored = None
                    series.settle()
        self.groups.forget_timers()

    def apply(self, rules: Iterable[Rule], now: int) -> list[Transition]:
        """Go over to another set of rules. Open alerts whose rule stays go on; timers begin anew where the rule
        changed; an alert whose rule is gone, or no longer watches its metric, is cleared at `now` (µs)."""
        if self.copying is not None:
            self.copying.finish()
        out: list[Transition] = []
        roster = self.roster
        before = roster.rules
        roster.watch_by(rules)
        left = self.groups.change(before, self.watch.feed)
        for asset in roster.assets.values():
            for metric, series in asset.series.items():
                asset.series[metric] = self._rebind(asset, metric, series, before, left)
        out += carry_over(self, left, now)
        return out

    def _rebind(
        self, asset: Asset, metric: str, series: Series, before: dict[str, Rule], left: list[Carried]
    ) -> Series:
        """The series under the new rules; open alerts of rules that changed or went are added to `left`."""
        plan = self.roster.plan(metric)
        known = {threshold.rule.rule: threshold for threshold in plan.thresholds}
        kept: dict[str, Progress] = {}
        for rule, stand in (series.progress or {}).items():
            threshold = known.get(rule)
            if threshold is not None and threshold.rule == before[rule]:
                kept[rule] = stand
            elif stand.level:
                left.append(Carried(before[rule], asset.name, asset.place, stand.level, stand.raised_at, stand.seen))
        if not plan.thresholds:
            return UNWATCHED
        time = 0 if series is UNWATCHED else series.time
        fresh = Series(plan, (), time=time, progress=kept or None, stored=series.stored)
        self.roster.bind(asset, fresh)
        return fresh

    def _evaluate(
        self, asset: Asset, series: Series, time: int, value: float, fresh: bool, out: list[Transition]
    ) -> None:
        if series.stored is not None:
            series.catch_up(time)
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
        if loosened and self.roster.zoned:
            self.roster.bind(asset, series)
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
