"""One rule that is more than a threshold, compiled, with its groups: readings in, transitions out."""

from typing import Final

from alerts.conditions import Absent
from alerts.feed import Feed
from alerts.groups import Group
from alerts.judges import OfValue, judge_of
from alerts.memories import Crowd
from alerts.predicates import Held, Judge, Latest, Moment, Truth
from alerts.reorder import Buffer
from alerts.rules import Over, Rule
from alerts.series import Asset, Plan
from alerts.standing import Standing, Timing
from alerts.threshold import Threshold
from alerts.transitions import Kind, Place, Transition, alert_id
from alerts.window import Shape
from city.sectors import Sector

NOWHERE: Final = Place()
NO_GAP: Final = 1 << 62
"""Reports come when they come: their silence says that there are none."""


class GroupRule:
    """A rule on readings. `groups` are by key: the asset's name, the zone's code, or the sector's name."""

    def __init__(self, rule: Rule, sector: Sector) -> None:
        plans = {metric: Plan.of(sector.metrics[metric], ()) for metric in rule.metrics}
        gaps = {metric: plan.gap_us for metric, plan in plans.items()}
        cadence = min((plan.cadence_us for plan in plans.values()), default=0)
        self.rule = rule
        self.sector = sector
        self.groups: dict[str, Group] = {}
        self.waits = rule.comparison == "absent" or bool(rule.lateness_us)
        """Whether a reading is not judged as it comes."""
        self.joint = len(plans) > 1 or rule.comparison in ("all", "any")
        self.timing = Timing(
            tuple(level.hold_us for level in rule.levels),
            rule.clear.hold_us if rule.clear is not None else 0,
            max(gaps.values(), default=NO_GAP),
            rule.again_after_us,
        )
        self.raises, self.calms = _judges(rule, cadence, gaps)
        self._clear = self.calms[0] if rule.clear is not None and rule.clear.condition is not None else None
        self._shapes: dict[str, Shape] = {}
        if isinstance(rule.measure, Over):
            for metric, plan in plans.items():
                self._shapes[metric] = Shape.of(rule.measure, plan.cadence_us, sector.metrics[metric].low)
        first = self.raises[0]
        ordered = rule.comparison in (">", "<", "outside", "inside") and isinstance(first, OfValue)
        self._mildest: Held | None = first.holds if ordered and isinstance(first, OfValue) else None
        """Where no worse level can be met without it, the mildest: most readings end at it."""
        self._moment = Moment()
        self._moment.gap_us = self.timing.gap_us

    # --- groups --------------------------------------------------------------------------------------------------

    def key(self, asset: Asset, zone: str | None) -> str | None:
        """The group that the asset belongs to while it is in a zone; None: the rule does not watch it there."""
        if not self.rule.where.matches(asset.name, zone):
            open_here = self.groups.get(asset.name) if self.rule.per == "asset" else None
            return asset.name if open_here is not None and open_here.standing.level else None
        if self.rule.per == "asset":
            return asset.name
        return zone if self.rule.per == "zone" else self.sector.name

    def group(self, key: str) -> Group:
        """The group of that key, made if there is none."""
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = self.fresh_group(key)
        return group

    def fresh_group(self, key: str) -> Group:
        """A group of which nothing is known."""
        judges = [*self.raises, *([self._clear] if self._clear is not None else [])]
        buffer = Buffer([]) if self.rule.lateness_us else None
        memories = [judge.memory() for judge in judges]
        return Group(key, Standing.of(len(self.rule.levels)), {}, {}, memories, buffer)

    def leave(self, group: Group, asset: Asset, time: int, out: list[Transition]) -> None:
        """The asset is elsewhere now: it no longer counts among those of a zone, which may be calm without it."""
        crowds = [memory for memory in group.memories if isinstance(memory, Crowd)]
        for crowd in crowds:
            crowd.drop(asset.name)
        if crowds and group.standing.busy:
            self._moment.asset = ""
            self._judge(group, NOWHERE, max(time, group.newest), False, out)

    # --- readings ------------------------------------------------------------------------------------------------

    def take(
        self,
        group: Group,
        asset: str,
        metric: str,
        time: int,
        value: float,
        fresh: bool,
        place: Place,
        out: list[Transition],
    ) -> None:
        """Judge one reading, newer than every one before of its series."""
        if time > group.newest:
            group.newest = time
        low = high = value
        if self._shapes:
            shape = self._shapes[metric]
            window = group.windows.get(metric)
            if window is None:
                window = group.windows[metric] = shape.window()
            low, high = window.take(shape, time, value)
            value = window.value
        if self._mildest is not None:
            standing = group.standing
            if not standing.level and not self._mildest(low, high) and not any(standing.past):
                return
        elif self.joint:
            group.latest[metric] = Latest(time, low, high, value)
        moment = self._moment
        moment.asset, moment.read = asset, time
        moment.low, moment.high, moment.value, moment.latest = low, high, value, group.latest
        self._judge(group, place, group.newest, fresh, out)

    def _judge(self, group: Group, place: Place, time: int, fresh: bool, out: list[Transition]) -> None:
        moment, memories, standing = self._moment, group.memories, group.standing
        moment.time = time
        raises = [judge.judge(memory, moment) for judge, memory in zip(self.raises, memories, strict=False)]
        cleared = self._clear.judge(memories[-1], moment) if self._clear is not None else None
        if True not in raises and not standing.busy:
            return
        calms: list[Truth] = [
            cleared if judge is self._clear and judge is not None else self._calm(i, judge, raises[i])
            for i, judge in enumerate(self.calms)
        ]
        active = self.rule.active is None or self.rule.active.holds(time)
        level = standing.level
        if standing.advance(self.timing, time, raises, calms, fresh, active):
            now = max(standing.level, level)
            value = self.raises[now - 1].value(memories[now - 1], moment)
            out.append(self.told(group, place, level, time, value))

    def _calm(self, i: int, judge: Judge | None, raised: Truth) -> Truth:
        if judge is not None:
            return judge.judge(None, self._moment)
        return None if raised is None else not raised

    # --- telling -------------------------------------------------------------------------------------------------

    def told(self, group: Group, place: Place, before: int, time: int, value: float | None) -> Transition:
        """The transition from level `before` to the present one."""
        rule, standing = self.rule, group.standing
        level = standing.level
        kind: Kind = ("escalated" if before else "raised") if level > before else ("eased" if level else "cleared")
        now = rule.levels[(level or before) - 1]
        return Transition(
            kind=kind,
            alert_id=alert_id(rule.rule, group.key, standing.raised_at),
            rule=rule.rule,
            rule_version=rule.version,
            group=group.key,
            sector=self.sector.name,
            asset=group.key if rule.per == "asset" else None,
            place=place if rule.per == "asset" else self.place(group),
            severity=now.severity,
            metric=rule.metric,
            value=value,
            limit=now.limit,
            comparison=rule.comparison,
            event_time=time,
            raised_at=standing.raised_at,
        )

    def place(self, group: Group) -> Place:
        """Where a group of many assets is."""
        return Place(group.key) if self.rule.per == "zone" else NOWHERE

    # --- time ----------------------------------------------------------------------------------------------------

    def next_look(self, group: Group, feed: Feed) -> int:
        """When to look at the group though nothing comes (tick time, µs); 0: never."""
        buffer = group.buffer
        return buffer.touched + self.rule.lateness_us if buffer is not None and buffer.waiting else 0

    def is_due(self, group: Group, now: int) -> bool:
        """Whether what waits for what could come before it has waited long enough."""
        buffer = group.buffer
        return buffer is not None and bool(buffer.waiting) and now >= buffer.touched + self.rule.lateness_us


def compiled_absence(rule: Rule) -> bool:
    """Whether the rule waits for what does not come."""
    return isinstance(rule.levels[0].condition, Absent)


def _judges(rule: Rule, cadence_us: int, gaps_us: dict[str, int]) -> tuple[list[Judge], list[Judge | None]]:
    """Judges of the way to each level, and of the way back from it: None where that is just the opposite."""
    if rule.comparison in (">", "<"):
        threshold = Threshold(rule)
        raises: list[Judge] = [_beyond(limit, threshold.above) for limit in threshold.limits]
        return raises, [_within(calm, threshold.above) for calm in threshold.calm]
    judged = [judge_of(rule.asked(level), cadence_us, gaps_us) for level in rule.levels]
    calms: list[Judge | None] = [None] * len(judged)
    if rule.clear is not None and rule.clear.condition is not None:
        calms[0] = judge_of(rule.clear.condition, cadence_us, gaps_us)
    return judged, calms


def _beyond(limit: float, above: bool) -> Judge:
    """Past a limit, which for a rule that says *below* is negated as the threshold has it."""
    if above:
        return OfValue(lambda low, high: True if low > limit else (False if high <= limit else None))
    return OfValue(lambda low, high: True if -high > limit else (False if -low <= limit else None))


def _within(calm: float, above: bool) -> Judge:
    """At or under the calm limit."""
    if above:
        return OfValue(lambda low, high: True if high <= calm else (False if low > calm else None))
    return OfValue(lambda low, high: True if -low <= calm else (False if -high > calm else None))
