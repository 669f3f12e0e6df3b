"""All rules of a sector that are more than thresholds: which asset counts in which of their groups, and when those that
wait are looked at."""

from collections.abc import Iterable
from typing import Final, Protocol

from alerts.absence import UNJUDGED, AbsenceRule, may_have_died
from alerts.arrivals import Tick
from alerts.change import Carried
from alerts.deadlines import SECOND, Deadlines
from alerts.feed import Feed
from alerts.grouprule import NOWHERE, GroupRule
from alerts.groups import Group
from alerts.reorder import Held
from alerts.reportrule import ReportRule
from alerts.roster import Roster
from alerts.rules import Rule
from alerts.series import Asset, Instruments
from alerts.transitions import Place, Transition
from city.events import Reading, Report

Members = tuple[tuple[GroupRule, Group], ...]

NOBODY: Final[Members] = ()
NO_FEED: Final = Feed(wrong={})


class Copying(Protocol):
    """A copy of the state as of one instant that is made while the engine goes on (see `alerts.freeze`): what is about
    to change is shown to it first."""

    number: int

    def keep(self, asset: Asset) -> None:
        """Take this asset, and the groups that are its own."""

    def keep_group(self, rule: str, group: Group) -> None:
        """Take this group of many."""

    def finish(self) -> object:
        """Take all that is left."""


def compile_rule(rule: Rule, roster: Roster) -> GroupRule:
    """The rule as it is evaluated."""
    if rule.reports is not None:
        return ReportRule(rule, roster.sector)
    return AbsenceRule(rule, roster.sector) if rule.comparison == "absent" else GroupRule(rule, roster.sector)


class GroupRules:
    """Every step's share of work for groups; nothing where no rule needs it. `moved`: whether the last tick changed
    what is kept, so that a replay must take it too."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self.rules: dict[str, GroupRule] = {}
        self.keeping: Copying | None = None
        self.moved = False
        self._by_metric: dict[str, list[GroupRule]] = {}
        self._max_age_us: dict[str, int] = {}
        self._of_reports: list[ReportRule] = []
        self._deadlines: Deadlines[GroupRule] = Deadlines()
        self._unjudged: dict[tuple[int, ...], tuple[tuple[Instruments, ...], list[tuple[GroupRule, Group]]]] = {}
        """Groups that would be absent, by the instruments whose feed may just have died."""
        self.judge_by(
            {rule.rule: compile_rule(rule, roster) for rule in roster.rules.values() if not rule.is_threshold}
        )

    def judge_by(self, rules: dict[str, GroupRule]) -> None:
        """Go over to these; every asset finds its groups anew."""
        self.rules = dict(sorted(rules.items()))
        self._of_reports = [rule for rule in self.rules.values() if isinstance(rule, ReportRule)]
        self._by_metric = {}
        for rule in self.rules.values():
            for metric in rule.rule.metrics:
                self._by_metric.setdefault(metric, []).append(rule)
        self._max_age_us = {metric: self.roster.plan(metric).max_age_us for metric in self._by_metric}
        for asset in self.roster.assets.values():
            asset.members = None
            if asset.taken is not None:
                asset.taken = {
                    metric: time for metric, time in asset.taken.items() if metric in self._by_metric
                } or None

    # --- what comes ----------------------------------------------------------------------------------------------

    def take(self, asset: Asset, reading: Reading, record_time: int, now: int, out: list[Transition]) -> None:
        """Judge one reading of an asset that is known, and was shown to the copy that is being made."""
        members_of, taken = asset.members, asset.taken
        if members_of is None:
            members_of = asset.members = {}
        time, name, place = reading.time, asset.name, asset.place
        for metric, value in reading.measurements.items():
            members = members_of.get(metric)
            if members is None:
                members = self._join(asset, members_of, metric)
            if not members:
                continue
            if taken is None:
                taken = asset.taken = {}
            ordered = time > taken.get(metric, 0)
            if ordered:
                taken[metric] = time
            fresh = record_time - time <= self._max_age_us[metric]
            for rule, group in members:
                if self.keeping is not None and rule.rule.per != "asset":
                    self._keep(rule, group)
                if not rule.waits:
                    if ordered:
                        rule.take(group, name, metric, time, value, fresh, place, out)
                elif isinstance(rule, AbsenceRule):
                    open_before = group.standing.level
                    rule.heard(group, time, record_time, place, out)
                    if open_before or not group.listed:
                        self._deadlines.note(rule, group, rule.deadline(group, 0))
                else:
                    self._reorder(rule, group, Held(time, name, metric, value, fresh), place, now, out)

    def hear(self, report: Report, record_time: int, out: list[Transition]) -> None:
        """Count a report under every rule that wants it."""
        for rule in self._of_reports:
            key = rule.key_of(report)
            if key is None:
                continue
            group = self._shared(rule, key)
            rule.count(group, report, record_time, out)
            if (due := rule.next_look(group, NO_FEED)) > 0:
                self._deadlines.note(rule, group, due)

    def move(self, asset: Asset, before: str | None, time: int, out: list[Transition]) -> None:
        """The asset is in another zone since a reading of this time: it leaves the groups that it is no longer of."""
        asset.members = None
        for rule in self.rules.values():
            if rule.rule.per == "asset" or not any(metric in asset.series for metric in rule.rule.metrics):
                continue
            left = rule.key(asset, before)
            group = rule.groups.get(left) if left is not None else None
            if group is not None and rule.key(asset, asset.place.zone) != left:
                self._keep(rule, group)
                rule.leave(group, asset, time, out)

    # --- what time brings ----------------------------------------------------------------------------------------

    def tick(self, tick: Tick, feed: Feed, out: list[Transition]) -> None:
        """Judge what is due because nothing came; only a worker that has read everything can know that."""
        if not tick.at_end:
            return
        now = tick.time - tick.time % SECOND
        due = self._deadlines.due(now) + self._judged(feed, now)
        said: list[Transition] = []
        for rule, group in sorted(due, key=lambda one: (one[0].rule.rule, one[1].key)):
            place = self._show(rule, group)
            if isinstance(rule, AbsenceRule):
                kinds = self._kinds(rule, group)
                again = rule.look(group, place, kinds, feed, now, said)
                if again == UNJUDGED:
                    self._unjudged.setdefault(tuple(map(id, kinds)), (kinds, []))[1].append((rule, group))
                    continue
            else:
                if rule.is_due(group, now):
                    self.moved = True
                    self._pass(rule, group, now, place, said)
                again = rule.next_look(group, feed)
            if again:
                self._deadlines.note(rule, group, again)
        out.extend(sorted(said, key=lambda one: (one.event_time, one.rule, one.group)))

    def relist(self, feed: Feed, now: int | None = None) -> None:
        """List every group that waits: after a thaw, or (`now`) when the clock was set."""
        self._deadlines.clear()
        self._unjudged.clear()
        turn = 0
        for rule in self.rules.values():
            for group in rule.groups.values():
                group.listed = 0
                if now is not None:
                    self._show(rule, group)
                    group.heard = min(group.heard, now)
                if isinstance(rule, AbsenceRule):
                    turn += 1
                    due = rule.deadline(group, feed.watched_since)
                    first = due - (turn * 997_000_000) % max(1, (due - max(group.heard, feed.watched_since)) // 2)
                    due = first if due else 0
                else:
                    due = rule.next_look(group, feed)
                if due:
                    self._deadlines.note(rule, group, due)

    # --- other rules ---------------------------------------------------------------------------------------------

    def change(self, before: dict[str, Rule], feed: Feed) -> list[Carried]:
        """Go over to the roster's rules. Rules that are the same keep their groups; open alerts of others are returned
        to be carried over, and what their reports were is known to their successors."""
        held, made = self.rules, {}
        for rule in self.roster.rules.values():
            if rule.is_threshold:
                continue
            old = held.get(rule.rule)
            if old is not None and before[rule.rule] == rule:
                made[rule.rule] = old
                continue
            made[rule.rule] = compile_rule(rule, self.roster)
            if isinstance(old, ReportRule) and isinstance(heir := made[rule.rule], ReportRule):
                heir.known = old.known
        left = [
            Carried(
                *(rule.rule, group.key, self._where(rule, group), group.standing.level, group.standing.raised_at),
                *(group.standing.seen, group.standing.raised_last),
            )
            for rule, group in open_groups(rule for name, rule in held.items() if made.get(name) is not rule)
        ]
        self.judge_by(made)
        self.relist(feed)
        return left

    def open(self, rule: str, key: str, level: int, raised_at: int, seen: int, raised_last: int, feed: Feed) -> None:
        """Make this alert open, its timers at rest."""
        watching = self.rules[rule]
        group = watching.group(key)
        standing = group.standing
        standing.forget()
        standing.level, standing.raised_at, standing.seen = level, raised_at, seen
        standing.raised_last = max(raised_last, raised_at)
        group.heard = max(group.heard, seen)
        if watching.rule.per == "asset":
            self.roster.assets[key].members = None  # it may be watched only because of this alert
        due = watching.deadline(group, feed.watched_since) if isinstance(watching, AbsenceRule) else 0
        if due:
            self._deadlines.note(watching, group, due)

    def close(self, rule: str, key: str) -> None:
        """Forget an alert that is not to be open; nothing is told."""
        group = self.rules[rule].groups[key]
        group.standing.level = 0
        group.standing.forget()

    def forget_timers(self) -> None:
        """Nobody can say what came since the state was kept: open alerts stay, all else begins anew."""
        for rule in self.rules.values():
            opened = [(group.key, group.standing) for _, group in open_groups([rule])]
            rule.groups.clear()
            for key, standing in opened:
                standing.forget()
                rule.group(key).standing = standing
        for asset in self.roster.assets.values():
            asset.members = None

    # --- within --------------------------------------------------------------------------------------------------

    def _judged(self, feed: Feed, now: int) -> list[tuple[GroupRule, Group]]:
        """Those of which it is now known whether their feed lives."""
        found: list[tuple[GroupRule, Group]] = []
        for key, (kinds, waiting) in list(self._unjudged.items()):
            if not may_have_died(kinds, feed, now):
                found += waiting
                del self._unjudged[key]
        return found

    def _join(self, asset: Asset, members_of: "dict[str, Members]", metric: str) -> Members:
        """Find the groups in which a metric of the asset counts. A series beyond the sector's limit counts in none."""
        if metric not in asset.series:
            return NOBODY
        found: list[tuple[GroupRule, Group]] = []
        for rule in self._by_metric.get(metric, ()):
            key = rule.key(asset, asset.place.zone)
            if key is not None:
                found.append((rule, rule.group(key) if rule.rule.per == "asset" else self._shared(rule, key)))
        members = members_of[metric] = tuple(found) or NOBODY
        return members

    def _reorder(self, rule: GroupRule, group: Group, one: Held, place: Place, now: int, out: list[Transition]) -> None:
        assert group.buffer is not None
        for ready in group.buffer.take(one, rule.rule.lateness_us, now):
            _take(rule, group, ready, place, out)
        if not group.listed and (due := rule.next_look(group, NO_FEED)):
            self._deadlines.note(rule, group, due)

    def _pass(self, rule: GroupRule, group: Group, now: int, place: Place, out: list[Transition]) -> None:
        """What waited goes on, what is too old counts no more."""
        if isinstance(rule, ReportRule):
            rule.expire(group, now, out)
        elif group.buffer is not None:
            for ready in group.buffer.release():
                _take(rule, group, ready, place, out)

    def _shared(self, rule: GroupRule, key: str) -> Group:
        """A group of many, about to change; one that is new is not of the copy that is being made."""
        group = rule.groups.get(key)
        if group is None:
            group = rule.group(key)
            if self.keeping is not None:
                group.copied = self.keeping.number
        else:
            self._keep(rule, group)
        return group

    def _keep(self, rule: GroupRule, group: Group) -> None:
        if self.keeping is not None and group.copied != self.keeping.number:
            self.keeping.keep_group(rule.rule.rule, group)

    def _where(self, rule: GroupRule, group: Group) -> Place:
        asset = self.roster.assets.get(group.key) if rule.rule.per == "asset" else None
        return asset.place if asset is not None else rule.place(group)

    def _show(self, rule: GroupRule, group: Group) -> Place:
        """Show a group that is about to change to the copy that is being made; where it is."""
        if rule.rule.per != "asset":
            self._keep(rule, group)
            return NOWHERE
        asset = self.roster.assets.get(group.key)
        if asset is None:
            return NOWHERE
        if self.keeping is not None and asset.copied != self.keeping.number:
            self.keeping.keep(asset)
        return asset.place

    def _kinds(self, rule: GroupRule, group: Group) -> tuple[Instruments, ...]:
        """The instruments whose silence would be the group's."""
        if rule.rule.per == "asset":
            asset = self.roster.assets.get(group.key)
            return (asset.kind,) if asset is not None else ()
        return tuple(kind for metrics, kind in self.roster.kinds.items() if rule.rule.metric in metrics)


def _take(rule: GroupRule, group: Group, one: Held, place: Place, out: list[Transition]) -> None:
    """A reading that has waited."""
    rule.take(group, one.asset, one.metric, one.time, one.value, one.fresh, place, out)


def open_groups(rules: Iterable[GroupRule]) -> Iterable[tuple[GroupRule, Group]]:
    """Groups with an open alert, by rule and key."""
    for rule in rules:
        for key in sorted(rule.groups):
            if rule.groups[key].standing.level:
                yield rule, rule.groups[key]
