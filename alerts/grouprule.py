"""One rule that is more than a threshold, compiled, with its groups: readings in, transitions out."""

from typing import Final

from alerts.feed import Feed
from alerts.groups import Group, stored_as
from alerts.judges import OfValue
from alerts.levels import judges_of
from alerts.memories import Crowd, Memory
from alerts.predicates import Held, Judge, Latest, Moment, Truth
from alerts.reorder import Buffer
from alerts.rules import Over, Rule
from alerts.series import Asset, Plan
from alerts.standing import Standing, Timing
from alerts.transitions import Kind, Place, Transition, alert_id
from alerts.window import Shape
from city.sectors import Sector

NOWHERE: Final = Place()
NO_GAP: Final = 1 << 62
"""Reports come when they come: their silence says that there are none."""


class GroupRule:
    """A rule on readings. `groups` are by key: the asset's name, the zone's code, or the sector's name."""

    def __init__(self, rule: Rule, sector: Sector) -> None:
        self.plans = plans = {metric: Plan.of(sector.metrics[metric], ()) for metric in rule.metrics}
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
        self.raises, self.calms = judges_of(rule, cadence, gaps)
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
        remembering = [*self.raises, *([self._clear] if self._clear is not None else [])]
        self._levels = len(rule.levels)
        self._remembers = any(judge.memory() is not None for judge in remembering)
        self._remembering = remembering
        self._nothing: tuple[Memory | None, ...] = (None,) * len(remembering)

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
        memories = tuple([judge.memory() for judge in self._remembering]) if self._remembers else self._nothing
        buffer = Buffer([]) if self.rule.lateness_us else None
        return Group(key, Standing([0] * self._levels, [0] * self._levels), {}, {}, memories, buffer)

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
            low, high, value = self._measure(group, metric, time, value)
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

    def _measure(self, group: Group, metric: str, time: int, value: float) -> tuple[float, float, float]:
        """Count a reading in its window: between which numbers the measure lies, and the number told."""
        shape = self._shapes[metric]
        window = group.windows.get(metric)
        if window is None:
            window = group.windows[metric] = shape.window()
        low, high = window.take(shape, time, value)
        return low, high, window.value

    def recall(self, group: Group, asset: str, metric: str, time: int, value: float) -> None:
        """Remember a reading that was judged before, by an engine whose memory is lost: timers run, nothing is told."""
        group.newest = max(group.newest, time)
        low = high = value
        if self._shapes:
            low, high, value = self._measure(group, metric, time, value)
        if self._mildest is not None:
            standing = group.standing
            if not standing.level and not self._mildest(low, high) and not any(standing.past):
                return
        elif self.joint:
            group.latest[metric] = Latest(time, low, high, value)
        moment = self._moment
        moment.asset, moment.read, moment.time = asset, time, group.newest
        moment.low, moment.high, moment.value, moment.latest = low, high, value, group.latest
        self._recall(group)

    def _recall(self, group: Group) -> None:
        """Move memories and timers by the present moment."""
        raises, calms = self._truths(group)
        time = self._moment.time
        active = self.rule.active is None or self.rule.active.holds(time)
        group.standing.recall(self.timing, time, raises, calms, active)

    def catch_up(self, group: Group, asset: str, metric: str, time: int) -> None:
        """Recall what is stored of a series from before a reading that now comes, as if it had come in its turn."""
        stored, series = group.stored or {}, stored_as(asset, metric)
        readings = stored.pop(series, [])
        if later := [one for one in readings if one[0] > time]:
            stored[series] = later
        for then, value in readings:
            if then < time:
                self.recall(group, asset, metric, then, value)
        group.stored = stored or None

    def _judge(self, group: Group, place: Place, time: int, fresh: bool, out: list[Transition]) -> None:
        moment, memories, standing = self._moment, group.memories, group.standing
        moment.time = time
        raises, calms = self._truths(group)
        if True not in raises and not standing.busy:
            return
        active = self.rule.active is None or self.rule.active.holds(time)
        level = standing.level
        if standing.advance(self.timing, time, raises, calms, fresh, active):
            now = max(standing.level, level)
            value = self.raises[now - 1].value(memories[now - 1], moment)
            out.append(self.told(group, place, level, time, value))

    def _truths(self, group: Group) -> tuple[list[Truth], list[Truth]]:
        """What each level's conditions say, to raise and to ease; memories take the present moment."""
        moment, memories = self._moment, group.memories
        raises = [judge.judge(memory, moment) for judge, memory in zip(self.raises, memories, strict=False)]
        cleared = self._clear.judge(memories[-1], moment) if self._clear is not None else None
        if True not in raises and not group.standing.busy:
            return raises, []
        return raises, [
            cleared if judge is self._clear and judge is not None else self._calm(i, judge, raises[i])
            for i, judge in enumerate(self.calms)
        ]

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
