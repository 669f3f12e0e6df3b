"""Rules on what does not come: driven by ticks, and careful whom they blame.

A sensor counts as absent when nothing of its metric has come for the time given, since it was last heard, since this
worker watches, and since its feed came back, whichever is latest. While a feed as a whole is silent nobody is absent:
that is one system alert. So an absence waits until a feed that may just have died is either heard or judged dead.
"""

from collections.abc import Collection
from typing import Final

from alerts.conditions import Absent
from alerts.feed import DEAD, FEW_ASSETS, Feed, pulse_us
from alerts.grouprule import GroupRule
from alerts.groups import Group
from alerts.rules import Rule
from alerts.series import Instruments
from alerts.transitions import Place, Transition
from city.sectors import Sector

SPREAD_US: Final = 60_000_000
"""Groups that were heard at one instant are looked at again over this long, ahead of their time."""
STEP_US: Final = 1_000_000
UNJUDGED: Final = -1


class AbsenceRule(GroupRule):
    """A rule whose every level is an absence, the longer the worse."""

    def __init__(self, rule: Rule, sector: Sector) -> None:
        super().__init__(rule, sector)
        self._after = [one.after_us for level in rule.levels if isinstance(one := level.condition, Absent)]
        self._spread = min(self._after[0] // 4, SPREAD_US) // STEP_US
        self._turn = 0

    def heard(self, group: Group, time: int, record_time: int, place: Place, out: list[Transition]) -> None:
        """Something came, recorded at `record_time`, whatever its own time says: an open absence is over."""
        group.newest = max(group.newest, time)
        group.heard = max(group.heard, record_time)
        standing = group.standing
        if standing.level:
            level, standing.level = standing.level, 0
            out.append(self.told(group, place, level, max(record_time, standing.raised_at), 0.0))

    def deadline(self, group: Group, since: int) -> int:
        """When the next level is reached if nothing comes, having been heard, or listened to, since then; 0: never."""
        standing = group.standing
        if standing.level == len(self._after):
            return 0
        due = max(group.heard, since) + self._after[standing.level]
        if not standing.level and standing.raised_last:
            due = max(due, standing.raised_last + self.rule.again_after_us)
        return self.rule.active.next_start(due) if self.rule.active is not None else due

    def look(
        self, group: Group, place: Place, kinds: Collection[Instruments], feed: Feed, now: int, out: list[Transition]
    ) -> int:
        """Judge the group at tick time `now`; when to look again, 0: never, UNJUDGED: once `may_have_died` is over.
        `kinds` are the instruments it hangs on."""
        since = max(feed.watched_since, max((kind.since for kind in kinds), default=0))
        while due := self.deadline(group, since):
            if now < due:
                self._turn += 1
                early = due - (self._turn % (self._spread + 1)) * STEP_US
                return early if early > now + STEP_US else due
            if may_have_died(kinds, feed, now):
                return UNJUDGED
            if feed_is_dead(kinds, feed):
                return now + self._after[0]
            standing = group.standing
            level = standing.level
            standing.level = level + 1
            if not level:
                standing.raised_at = standing.raised_last = due
            out.append(self.told(group, place, level, due, self._after[level] / STEP_US))
        return 0


def feed_is_dead(kinds: Collection[Instruments], feed: Feed) -> bool:
    """Whether the silence of these instruments is that of their feed, which the sector's alert tells."""
    if not all(kind.dead for kind in kinds):
        return False
    return feed.level == DEAD or sum(kind.assets for kind in kinds) >= FEW_ASSETS


def may_have_died(kinds: Collection[Instruments], feed: Feed, now: int) -> bool:
    """Whether these instruments are all silent just now, and not yet judged dead."""
    for kind in kinds:
        heard = max(kind.heard, feed.watched_since)
        if kind.dead or now - heard <= kind.cadence_us or now >= heard + pulse_us(kind):
            return False
    return bool(kinds)
