"""The judges of conditions: what each remembers of a group, and what a reading makes of it. Pure."""

from typing import Final

from alerts.conditions import (
    Absent,
    AllOf,
    AnyOf,
    AtLeast,
    ChangedBy,
    Condition,
    Frozen,
    Part,
    Repeats,
)
from alerts.memories import Crowd, Entries, Extremes, Memory, Still
from alerts.predicates import Held, Judge, Moment, Truth, held
from alerts.rules import Over
from alerts.window import Shape

US: Final = 1_000_000
MOST_KEPT: Final = 200
"""Entries remembered of a group, or as many as are asked for if that is more."""


def judge_of(condition: Condition, cadence_us: int, gaps_us: dict[str, int]) -> Judge:
    """The judge of a condition, for a metric of this cadence; `gaps_us` tells by metric how old is too old."""
    if isinstance(condition, ChangedBy):
        return OfChange(condition, cadence_us)
    if isinstance(condition, Frozen):
        return OfStillness(condition)
    if isinstance(condition, Repeats):
        return OfEntries(condition)
    if isinstance(condition, AtLeast):
        return OfCrowd(condition)
    if isinstance(condition, AllOf | AnyOf):
        return OfParts(condition.parts, isinstance(condition, AllOf), gaps_us)
    if isinstance(condition, Absent):
        return OfSilence()
    return OfValue(held(condition))


class OfValue:
    """Judges the value alone."""

    def __init__(self, holds: Held) -> None:
        self.holds = holds

    def memory(self) -> None:
        """Needs none."""

    def judge(self, memory: Memory | None, moment: Moment) -> Truth:
        """Whether the value meets the condition."""
        return self.holds(moment.low, moment.high)

    def value(self, memory: Memory | None, moment: Moment) -> float | None:
        """The value."""
        return moment.value


class OfSilence:
    """A reading is the end of an absence; what time brings is `alerts.deadlines`' matter."""

    def memory(self) -> None:
        """Needs none."""

    def judge(self, memory: Memory | None, moment: Moment) -> Truth:
        """Something came."""
        return False

    def value(self, memory: Memory | None, moment: Moment) -> float | None:
        """Nothing is absent."""
        return 0.0


class OfChange:
    """Judges how far the value is from those of the last while; unknown if near in a window that is not whole."""

    def __init__(self, condition: ChangedBy, cadence_us: int) -> None:
        self._condition = condition
        self._least = Shape.of(Over("min", condition.within_us), cadence_us, 0.0)
        self._most = Shape.of(Over("max", condition.within_us), cadence_us, 0.0)

    def memory(self) -> Memory:
        """Two empty windows."""
        return Extremes(self._least.window(), self._most.window())

    def judge(self, memory: Memory | None, moment: Moment) -> Truth:
        """Whether the value is as far as asked from the least or the greatest of the window."""
        assert isinstance(memory, Extremes)
        if moment.low != moment.high:
            return None
        x = moment.value
        lows = memory.least.take(self._least, moment.time, x)
        memory.most.take(self._most, moment.time, x)
        change = max(self._share(x, memory.least.value), self._share(x, memory.most.value))
        memory.value = change
        asked = self._condition.amount if self._condition.amount is not None else self._condition.percent
        assert asked is not None
        if change >= asked:
            return True
        return False if lows[0] == lows[1] else None

    def _share(self, value: float, reference: float) -> float:
        change = abs(value - reference)
        if self._condition.amount is not None:
            return change
        return 100 * change / abs(reference) if reference else 0.0  # of nothing there is no percentage

    def value(self, memory: Memory | None, moment: Moment) -> float | None:
        """How far."""
        return memory.value if memory is not None else None


class OfStillness:
    """Judges for how long readings have said the very same. A gap says nothing of what was in it: it begins anew."""

    def __init__(self, condition: Frozen) -> None:
        self._for_us = condition.for_us

    def memory(self) -> Memory:
        """Nothing seen."""
        return Still()

    def judge(self, memory: Memory | None, moment: Moment) -> Truth:
        """Whether it has been the same for as long as asked."""
        assert isinstance(memory, Still)
        time, bridged = moment.time, moment.time - memory.last <= moment.gap_us
        if not bridged or moment.value != memory.held:
            changed = bridged and memory.last > 0
            memory.held, memory.since, memory.last, memory.value = moment.value, time, time, 0.0
            return False if changed else None
        memory.last, memory.value = time, (time - memory.since) / US
        return time - memory.since >= self._for_us

    def value(self, memory: Memory | None, moment: Moment) -> float | None:
        """For how many seconds."""
        return memory.value if memory is not None else None


class OfEntries:
    """Judges how often the inner condition has begun to hold within the last while; of reports, how many there were."""

    def __init__(self, condition: Repeats) -> None:
        self.times, self.within_us = condition.times, condition.within_us
        self._holds = held(condition.inner) if condition.inner is not None else None

    def memory(self) -> Memory:
        """No entries."""
        return Entries([])

    def judge(self, memory: Memory | None, moment: Moment) -> Truth:
        """Whether there were as many as asked."""
        assert isinstance(memory, Entries)
        if self._holds is not None:
            truth = self._holds(moment.low, moment.high)
            if truth and not memory.inside:
                self.enter(memory, moment.time)
            if truth is not None:
                memory.inside = truth
        memory.value = float(sum(time > moment.time - self.within_us for time in memory.times))
        return memory.value >= self.times

    def enter(self, memory: Entries, time: int) -> None:
        """Book one more, in order of time."""
        times = memory.times
        times.append(time)
        if len(times) > 1 and times[-2] > time:
            times.sort()
        if len(times) > max(self.times, MOST_KEPT):
            del times[0]

    def over_at(self, memory: Entries, time: int) -> int:
        """When, unless more come, there will be fewer than asked; 0: there are fewer at `time`."""
        if len(memory.times) < self.times or memory.times[-self.times] + self.within_us <= time:
            return 0
        return memory.times[-self.times] + self.within_us

    def value(self, memory: Memory | None, moment: Moment) -> float | None:
        """How many."""
        return memory.value if memory is not None else None


class OfCrowd:
    """Judges how many assets of the group meet the inner condition at once, by their last readings."""

    def __init__(self, condition: AtLeast) -> None:
        self._assets = condition.assets
        self._holds = held(condition.inner)

    def memory(self) -> Memory:
        """Nobody heard."""
        return Crowd({}, {}, {})

    def judge(self, memory: Memory | None, moment: Moment) -> Truth:
        """Whether there are as many as asked; unknown while those unheard too long could make the difference.

        A moment without an asset counts anew those who are there.
        """
        assert isinstance(memory, Crowd)
        oldest = moment.time - moment.gap_us
        if moment.asset:
            memory.put(moment.asset, moment.read, bool(self._holds(moment.low, moment.high)), oldest)
        memory.forget_before(oldest)
        met = len(memory.met)
        memory.value = float(met)
        if met >= self._assets:
            return True
        return False if met + len(memory.lost) < self._assets else None

    def value(self, memory: Memory | None, moment: Moment) -> float | None:
        """How many."""
        return memory.value if memory is not None else None


class OfParts:
    """Judges several metrics of the group together; a metric not heard for too long is unknown."""

    def __init__(self, parts: tuple[Part, ...], every: bool, gaps_us: dict[str, int]) -> None:
        self._parts = [(part.metric, held(part.inner), gaps_us[part.metric]) for part in parts]
        self._every = every

    def memory(self) -> None:
        """Needs none: the group knows the latest of each metric."""

    def judge(self, memory: Memory | None, moment: Moment) -> Truth:
        """All of them, or any of them."""
        unknown = False
        for metric, holds, gap_us in self._parts:
            latest = moment.latest.get(metric)
            truth = None
            if latest is not None and moment.time - latest.time <= gap_us:
                truth = holds(latest.low, latest.high)
            if truth is None:
                unknown = True
            elif truth is not self._every:
                return truth
        return None if unknown else self._every

    def value(self, memory: Memory | None, moment: Moment) -> float | None:
        """What the first metric measures, if it was heard."""
        latest = moment.latest.get(self._parts[0][0])
        return latest.value if latest is not None else None
