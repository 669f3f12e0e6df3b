"""Rules on reports: so many of a kind within so long, each counted once however often it is updated."""

from typing import Final

from alerts.feed import Feed
from alerts.grouprule import NOWHERE, GroupRule
from alerts.groups import Group
from alerts.judges import OfEntries
from alerts.memories import Entries
from alerts.rules import Rule
from alerts.transitions import Transition
from city.events import Report
from city.sectors import Sector

Identity = tuple[str, str]
"""Source and subject."""

REMEMBERED_US: Final = 86_400_000_000
"""A report is known again for a day, or for as long as the rule looks back if that is longer."""
MOST_KNOWN: Final = 100_000


class ReportRule(GroupRule):
    """A rule whose every level counts reports. `known` are those that were counted, with their times; `stored` those
    that were counted as the database has them, and that the log may yet bring."""

    def __init__(self, rule: Rule, sector: Sector) -> None:
        super().__init__(rule, sector)
        self._counts = [judge for judge in self.raises if isinstance(judge, OfEntries)]
        self._within_us = max(judge.within_us for judge in self._counts)
        self.known: dict[Identity, int] = {}
        self.stored: dict[Identity, None] = {}

    def key_of(self, report: Report) -> str | None:
        """The group in which the report counts; None: in none."""
        reports, where = self.rule.reports, self.rule.where
        if reports is None or not reports.match(report.category, report.severity, report.status):
            return None
        if where.zones and report.zone not in where.zones:
            return None
        return report.zone if self.rule.per == "zone" else self.sector.name

    def count(self, group: Group, report: Report, record_time: int, out: list[Transition]) -> None:
        """Count a report; an update of one that was counted changes nothing, nor does what is older than the rule
        looks back."""
        identity = (report.source, report.subject)
        if identity in self.known or record_time - report.time > self._within_us:
            return
        self._know(identity, report.time)
        self.expire(group, report.time, out)
        group.newest = max(group.newest, report.time)
        if identity in self.stored:
            del self.stored[identity]
        else:
            self._enter(group, report.time)
        self._judge(group, NOWHERE, group.newest, True, out)

    def remember(self, group: Group, report: Report, judged: bool) -> None:
        """Count a report of the database, in order of time; nothing is told. Unless it was `judged` for certain, it is
        judged if the log brings it."""
        identity = (report.source, report.subject)
        if judged:
            self._know(identity, report.time)
        elif identity not in self.known:
            self.stored[identity] = None
        self._enter(group, report.time)
        group.newest = self._moment.time = max(group.newest, report.time)
        self._recall(group)

    def _enter(self, group: Group, time: int) -> None:
        for judge, memory in zip(self._counts, group.memories, strict=False):
            if isinstance(memory, Entries):
                judge.enter(memory, time)

    def expire(self, group: Group, until: int, out: list[Transition]) -> None:
        """What time alone brings up to `until`: reports grow too old to count, and calm lasts."""
        while 0 < (due := self.next_event(group)) <= until:
            group.newest = due
            self._judge(group, NOWHERE, due, False, out)

    def next_event(self, group: Group) -> int:
        """The next event time at which the group changes though no report comes; 0: never."""
        if not group.standing.level:
            return 0
        times = [group.standing.due(self.timing)]
        for judge, memory in zip(self._counts, group.memories, strict=False):
            if isinstance(memory, Entries):
                times.append(judge.over_at(memory, group.newest))
        return min((time for time in times if time > group.newest), default=0)

    def next_look(self, group: Group, feed: Feed) -> int:
        """When to look at the group though nothing comes."""
        return self.next_event(group)

    def is_due(self, group: Group, now: int) -> bool:
        """Whether time alone has changed the group."""
        return 0 < self.next_event(group) <= now

    def _know(self, identity: Identity, time: int) -> None:
        known = self.known
        known[identity] = time
        oldest = time - max(self._within_us, REMEMBERED_US)
        while known:
            first = next(iter(known))
            if known[first] >= oldest and len(known) <= MOST_KNOWN:
                break
            del known[first]
