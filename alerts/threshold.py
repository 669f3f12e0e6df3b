"""One threshold rule on one group: levels with `for`, hysteresis, escalation and easing. Pure; event time only.

Everything is computed as if the rule said *above*: a *below* rule sees negated values and limits. For each level two
numbers matter: past `limit` the level is reached, at or under `calm` it is left. The values between them change
nothing, which gives each state a *quiet band*: while a value lies in it, no rule needs to look.
"""

import math

from alerts.rules import Rule, Severity


class Threshold:
    """A rule compiled for evaluation; shared by every group that the rule watches."""

    __slots__ = ("above", "calm", "clear_us", "count", "holds", "limits", "rule", "timed")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.above = rule.comparison == ">"
        sign = 1.0 if self.above else -1.0
        self.limits = tuple(sign * level.bound for level in rule.levels)
        self.holds = tuple(level.hold_us for level in rule.levels)
        self.count = len(self.limits)
        self.clear_us = rule.clear.hold_us if rule.clear is not None else 0
        self.timed = any(self.holds) or self.clear_us > 0
        if rule.clear is None or rule.clear.limit is None:
            self.calm = self.limits
        else:
            margin = self.limits[0] - sign * rule.clear.limit
            self.calm = tuple(math.nextafter(round(limit - margin, 9), -math.inf) for limit in self.limits)

    def quiet_band(self, level: int) -> tuple[float, float]:
        """Lowest and highest value that change nothing at this level while no timer runs."""
        low = math.nextafter(self.calm[level - 1], math.inf) if level else -math.inf
        high = self.limits[level] if level < self.count else math.inf
        return (low, high) if self.above else (-high, -low)

    def severity(self, level: int) -> Severity:
        """Severity of level 1 … n."""
        return self.rule.levels[level - 1].severity

    def limit(self, level: int) -> float:
        """Limit of level 1 … n as the rule writes it."""
        return self.rule.levels[level - 1].bound


class Progress:
    """Where one group stands under one rule: its level, and since when it has been past or back within each limit.

    `level` 0 is normal. `past[i]` and `back[i]` are event times in µs, 0 = the timer does not run.
    """

    __slots__ = ("back", "fresh", "level", "past", "raised_at", "seen")

    def __init__(self, levels: int) -> None:
        self.level = 0
        self.raised_at = 0
        self.past = [0] * levels
        self.back = [0] * levels
        self.seen = 0
        self.fresh = 0

    @property
    def running(self) -> bool:
        """Whether a timer runs, so that even a value in the quiet band matters."""
        return any(self.past) or any(self.back)

    def forget(self) -> None:
        """Stop every timer; the level stays."""
        self.past = [0] * len(self.past)
        self.back = [0] * len(self.back)

    def advance(self, threshold: Threshold, time: int, value: float, fresh: bool, gap_us: int) -> None:
        """Take one reading, newer than every one before.

        A reading that is not fresh may clear and ease; it never starts or advances the way to a level. Two readings
        further apart than `gap_us` say nothing of what was between them: timers start anew.
        """
        x = value if threshold.above else -value
        level = self.level
        reached = self._rise(threshold, time, x, gap_us) if fresh else self._stale(threshold, x)
        if level:
            self._fall(threshold, time, x, gap_us)
        self.seen = time
        if reached > level:
            self.level = reached
            self.past[:reached] = [0] * reached
            self.back = [0] * threshold.count
            if not level:
                self.raised_at = time
            return
        while self.level and self.back[self.level - 1] and time - self.back[self.level - 1] >= threshold.clear_us:
            self.back[self.level - 1] = 0
            self.level -= 1

    def recall(self, threshold: Threshold, time: int, value: float, gap_us: int) -> None:
        """Move the timers by a reading that was judged before, by an engine whose timers are lost; the level stays."""
        x = value if threshold.above else -value
        self._rise(threshold, time, x, gap_us)
        if self.level and time > self.raised_at:
            self._fall(threshold, time, x, gap_us)
        self.seen = time

    def _rise(self, threshold: Threshold, time: int, x: float, gap_us: int) -> int:
        """Move the timers of the levels above the present one; the highest that is reached, or 0."""
        past = self.past
        bridged = time - self.fresh <= gap_us
        self.fresh = time
        reached = 0
        for i in range(self.level, threshold.count):
            if x <= threshold.limits[i]:
                past[i] = 0
                continue
            if not past[i] or not bridged:
                past[i] = time
            if time - past[i] >= threshold.holds[i]:
                reached = i + 1
        return reached

    def _stale(self, threshold: Threshold, x: float) -> int:
        """An old reading only stops timers."""
        for i in range(self.level, threshold.count):
            if x <= threshold.limits[i]:
                self.past[i] = 0
        return 0

    def _fall(self, threshold: Threshold, time: int, x: float, gap_us: int) -> None:
        """Move the timers towards easing and clearing."""
        back = self.back
        bridged = time - self.seen <= gap_us
        for i in range(self.level):
            if x > threshold.calm[i]:
                back[i] = 0
            elif not back[i] or not bridged:
                back[i] = time
