"""Open alerts of an engine, and how it takes over those that the alert table knows."""

from collections.abc import Iterable

import msgspec

from alerts.change import place_alert
from alerts.engine import Engine
from alerts.feed import DEAD, FEED_DEAD, PARTLY, SERIES_LIMIT, SYSTEM_RULES, WRONG_CLOCK
from alerts.grouprules import open_groups
from alerts.rules import SEVERITIES, Severity, level_of
from alerts.series import UNWATCHED
from alerts.transitions import Kind, Place, Transition, alert_id
from alerts.watch import FUTURE


class OpenAlert(msgspec.Struct, frozen=True):
    """An open alert as the `alert` table knows it."""

    rule: str
    group: str
    severity: Severity
    raised_at: int
    asset: str | None = None
    place: Place = Place()
    metric: str = ""
    heard_at: int = 0
    """Event time of the newest reading that it rests on, as far as is known."""


def open_alerts(engine: Engine) -> dict[tuple[str, str], OpenAlert]:
    """Every open alert by (rule, group)."""
    found: dict[tuple[str, str], OpenAlert] = {}
    for asset in engine.roster.assets.values():
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
    for watching, group in open_groups(engine.groups.rules.values()):
        rule, standing = watching.rule, group.standing
        owner = engine.roster.assets.get(group.key) if rule.per == "asset" else None
        found[rule.rule, group.key] = OpenAlert(
            rule.rule,
            group.key,
            rule.levels[standing.level - 1].severity,
            standing.raised_at,
            group.key if rule.per == "asset" else None,
            owner.place if owner is not None else watching.place(group),
            rule.metric,
        )
    feed = engine.watch.feed
    for name, since in (
        (FEED_DEAD, feed.dead_since),
        (WRONG_CLOCK, feed.wrong_since),
        (SERIES_LIMIT, feed.full_since),
    ):
        if since:
            found[name, engine.sector] = OpenAlert(name, engine.sector, engine.watch.severity(name), since)
    return found


def adopt(engine: Engine, truth: Iterable[OpenAlert], now: int, *, forbid: bool = True) -> list[Transition]:
    """Make the open alerts exactly these, as the table has them; returns clearings of those whose rule is gone.

    Without `forbid`, older readings are still welcome: the caller fills the engine's memory first (`forbid_older`).
    """
    if engine.copying is not None:
        engine.copying.finish()
    out: list[Transition] = []
    wanted = {(alert.rule, alert.group): alert for alert in truth}
    for key, mine in open_alerts(engine).items():
        if key not in wanted or (wanted[key].severity, wanted[key].raised_at) != (mine.severity, mine.raised_at):
            _forget(engine, *key)
    known = open_alerts(engine)
    for key, alert in wanted.items():
        if key not in known and not _take_over(engine, alert):
            out.append(_by_rules("cleared", alert, engine.sector, alert.severity, now))
    if forbid:
        forbid_older(engine, wanted.values())
    for key, mine in open_alerts(engine).items():
        if mine.severity != wanted[key].severity:  # the rule no longer has that severity
            milder = SEVERITIES.index(mine.severity) < SEVERITIES.index(wanted[key].severity)
            kind: Kind = "eased" if milder else "escalated"
            out.append(_by_rules(kind, wanted[key], engine.sector, mine.severity, now))
    return out


def _forget(engine: Engine, rule: str, group: str) -> None:
    feed = engine.watch.feed
    if rule == FEED_DEAD:
        feed.level = feed.dead_since = 0
        for kind in engine.roster.kinds.values():
            kind.dead = 0
    elif rule == WRONG_CLOCK:
        feed.wrong_since, feed.wrong = 0, {}
    elif rule == SERIES_LIMIT:
        feed.full_since = 0
    elif rule in engine.groups.rules:
        engine.groups.close(rule, group)
    else:
        asset = engine.roster.assets[group]
        series = asset.series[engine.rules[rule].metric]
        if series.progress is not None:
            series.progress.pop(rule, None)
            engine.roster.bind(asset, series)


def _take_over(engine: Engine, alert: OpenAlert) -> bool:
    """Put the engine where the table says the alert is; False if no rule of that name watches that metric now."""
    feed = engine.watch.feed
    if alert.rule in SYSTEM_RULES:
        if alert.rule == FEED_DEAD:
            feed.dead_since = alert.raised_at
            feed.level = DEAD if alert.severity == "critical" else PARTLY
            for kind in engine.roster.kinds.values():
                kind.dead = kind.dead or (alert.raised_at if kind.heard < alert.raised_at else 0)
        elif alert.rule == WRONG_CLOCK:
            feed.wrong_since = feed.future_since = feed.future_last = alert.raised_at
            feed.wrong = {FUTURE: 0}
        else:
            feed.full_since = alert.raised_at
        return True
    rule = engine.rules.get(alert.rule)
    if rule is None or (rule.per == "asset") != (alert.asset is not None):
        return False
    if alert.metric and alert.metric != rule.metric:
        return False
    level = level_of(alert.severity, rule)
    place_alert(engine, rule, alert.group, alert.place, level, alert.raised_at, 0)
    return True


def forbid_older(engine: Engine, alerts: Iterable[OpenAlert]) -> None:
    """What is older than what open alerts rest on counts for nothing."""
    for alert in alerts:
        _forbid_older(engine, alert)


def _forbid_older(engine: Engine, alert: OpenAlert) -> None:
    """A reading older than those that made the alert what it is has been counted, or came too late to count."""
    rule, asset = engine.rules.get(alert.rule), engine.roster.assets.get(alert.asset or "")
    newest = max(alert.heard_at, alert.raised_at)
    watching = engine.groups.rules.get(alert.rule)
    if watching is not None and alert.group in watching.groups:
        group = watching.groups[alert.group]
        group.newest, group.heard = max(group.newest, newest), max(group.heard, newest)
        if asset is not None and rule is not None:
            asset.taken = (asset.taken or {}) | {
                metric: max((asset.taken or {}).get(metric, 0), newest) for metric in rule.metrics
            }
        return
    series = asset.series.get(rule.metric) if rule is not None and asset is not None else None
    if series is not None and series is not UNWATCHED:
        series.time = max(series.time, newest)


def _by_rules(kind: Kind, alert: OpenAlert, sector: str, severity: Severity, now: int) -> Transition:
    """A transition that no reading made."""
    return Transition(
        kind=kind,
        alert_id=alert_id(alert.rule, alert.group, alert.raised_at),
        rule=alert.rule,
        rule_version=0,
        group=alert.group,
        sector=sector,
        asset=alert.asset,
        place=alert.place,
        severity=severity,
        metric=alert.metric,
        value=0.0,
        limit=0.0,
        comparison=">",
        event_time=max(now, alert.raised_at),
        raised_at=alert.raised_at,
    )
