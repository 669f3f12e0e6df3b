"""Groups that are looked at though nothing comes: absences, reports that grow old, readings that wait for older ones.

When a group is looked at is not kept with the state; that a look changed it is told by `moved`.
"""

from collections.abc import Callable, Iterable
from typing import Final

from alerts.absence import UNJUDGED, AbsenceRule, may_have_died
from alerts.arrivals import Tick
from alerts.deadlines import SECOND, Deadlines
from alerts.feed import Feed
from alerts.grouprule import GroupRule
from alerts.groups import Group
from alerts.reorder import Held
from alerts.reportrule import ReportRule
from alerts.roster import Roster
from alerts.series import Instruments
from alerts.transitions import Place, Transition

SCATTER_US: Final = 997_000_000
"""Groups listed at once are first looked at so far apart, within half of their time."""


class Waiting:
    """The waiting groups of one sector. `show` is called with each group that is about to change, and says where it
    is. `moved`: whether the last tick changed what is kept, so that a replay must take it too."""

    def __init__(self, roster: Roster, show: Callable[[GroupRule, Group], Place]) -> None:
        self.moved = False
        self._roster = roster
        self._show = show
        self._deadlines: Deadlines[GroupRule] = Deadlines()
        self._unjudged: dict[tuple[int, ...], tuple[tuple[Instruments, ...], list[tuple[GroupRule, Group]]]] = {}
        """Groups that would be absent, by the instruments whose feed may just have died."""
        self.note = self._deadlines.note

    @property
    def next_due(self) -> int:
        """When a group is next looked at (tick time, µs); 0: none waits."""
        return self._deadlines.first

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
                self.note(rule, group, again)
        out.extend(sorted(said, key=lambda one: (one.event_time, one.rule, one.group)))

    def relist(self, rules: Iterable[GroupRule], feed: Feed, now: int | None = None) -> None:
        """List every group that waits: after a thaw, or (`now`) when the clock was set."""
        self._deadlines.clear()
        self._unjudged.clear()
        turn = 0
        for rule in rules:
            for group in rule.groups.values():
                group.listed = 0
                if now is not None:
                    self._show(rule, group)
                    group.heard = min(group.heard, now)
                if isinstance(rule, AbsenceRule):
                    turn += 1
                    due = rule.deadline(group, feed.watched_since)
                    silent_since = max(group.heard, feed.watched_since)
                    due = due - (turn * SCATTER_US) % max(1, (due - silent_since) // 2) if due else 0
                else:
                    due = rule.next_look(group, feed)
                if due:
                    self.note(rule, group, due)

    def _judged(self, feed: Feed, now: int) -> list[tuple[GroupRule, Group]]:
        """Those of which it is now known whether their feed lives."""
        found: list[tuple[GroupRule, Group]] = []
        for key, (kinds, waiting) in list(self._unjudged.items()):
            if not may_have_died(kinds, feed, now):
                found += waiting
                del self._unjudged[key]
        return found

    def _pass(self, rule: GroupRule, group: Group, now: int, place: Place, out: list[Transition]) -> None:
        """What waited goes on, what is too old counts no more."""
        if isinstance(rule, ReportRule):
            rule.expire(group, now, out)
        elif group.buffer is not None:
            for ready in group.buffer.release():
                take_held(rule, group, ready, place, out)

    def _kinds(self, rule: GroupRule, group: Group) -> tuple[Instruments, ...]:
        """The instruments whose silence would be the group's."""
        if rule.rule.per == "asset":
            asset = self._roster.assets.get(group.key)
            return (asset.kind,) if asset is not None else ()
        return tuple(kind for metrics, kind in self._roster.kinds.items() if rule.rule.metric in metrics)


def take_held(rule: GroupRule, group: Group, one: Held, place: Place, out: list[Transition]) -> None:
    """Judge a reading that has waited."""
    rule.take(group, one.asset, one.metric, one.time, one.value, one.fresh, place, out)
