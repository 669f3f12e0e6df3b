"""Open alerts under other rules: what stays open, what eases or worsens, what is cleared because nothing watches it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from alerts.rules import SEVERITIES, Rule, Severity, level_of
from alerts.series import UNWATCHED, Asset, Instruments, Series
from alerts.threshold import Progress
from alerts.transitions import Kind, Place, Transition, alert_id

if TYPE_CHECKING:
    from alerts.engine import Engine


class Carried(msgspec.Struct, frozen=True):
    """An open alert whose rule is another now, or gone. `level` is that of the rule before."""

    rule: Rule
    group: str
    place: Place
    level: int
    raised_at: int
    seen: int
    raised_last: int = 0

    @property
    def severity(self) -> Severity:
        """As it was."""
        return self.rule.levels[self.level - 1].severity


def carry_over(engine: "Engine", left: Iterable[Carried], now: int) -> list[Transition]:
    """Put each alert under the rule that now has its name, timers anew; what that means, told as of `now` (µs)."""
    out: list[Transition] = []
    for one in left:
        rule = engine.rules.get(one.rule.rule)
        if rule is None or not alike(rule, one.rule):
            out.append(_by_rules("cleared", one, one.severity, one.rule, now))
            continue
        level = level_of(one.severity, rule)
        place_alert(engine, rule, one.group, one.place, level, one.raised_at, one.seen, one.raised_last)
        severity = rule.levels[level - 1].severity
        if severity != one.severity:
            milder = SEVERITIES.index(severity) < SEVERITIES.index(one.severity)
            out.append(_by_rules("eased" if milder else "escalated", one, severity, rule, now))
    return out


def alike(rule: Rule, other: Rule) -> bool:
    """Whether both watch the same thing of the same groups, so that an alert of one can be an alert of the other."""
    return (rule.per, rule.metric, rule.reports is None) == (other.per, other.metric, other.reports is None)


def place_alert(
    engine: "Engine", rule: Rule, group: str, place: Place, level: int, raised_at: int, seen: int, raised_last: int = 0
) -> None:
    """Make this alert open, its timers at rest. An asset that is not known is made known."""
    if rule.per == "asset" and group not in engine.roster.assets:
        engine.roster.assets[group] = Asset(group, place, {}, Instruments("", 0))
    if not rule.is_threshold:
        engine.groups.open(rule.rule, group, level, raised_at, seen, raised_last, engine.watch.feed)
        return
    asset = engine.roster.assets[group]
    series = asset.series.get(rule.metric)
    if series is None or series is UNWATCHED:
        plan = engine.roster.plan(rule.metric)
        known, series = series is not None, Series(plan, ())
        if known:
            asset.series[rule.metric] = series
        else:
            engine.roster.place(asset, series, plan)
    stand = Progress(len(rule.levels))
    stand.level, stand.raised_at, stand.seen = level, raised_at, seen
    series.progress = {**(series.progress or {}), rule.rule: stand}
    engine.roster.bind(asset, series)


def _by_rules(kind: Kind, one: Carried, severity: Severity, rule: Rule, now: int) -> Transition:
    """A transition that no reading made."""
    return Transition(
        kind=kind,
        alert_id=alert_id(one.rule.rule, one.group, one.raised_at),
        rule=one.rule.rule,
        rule_version=0,
        group=one.group,
        sector=rule.sector,
        asset=one.group if one.rule.per == "asset" else None,
        place=one.place,
        severity=severity,
        metric=one.rule.metric,
        value=0.0,
        limit=rule.levels[level_of(severity, rule) - 1].limit,
        comparison=rule.comparison,
        event_time=now,
        raised_at=one.raised_at,
    )
