"""Where one group stands under one rule, and how what its conditions say moves it: pending, firing, kept firing,
resolved. Pure; event time only.

It moves as `alerts.threshold` moves a series, but by truths instead of values: any rule that is more than a threshold
stands here.
"""

from collections.abc import Sequence

import msgspec

from alerts.predicates import Truth


class Timing(msgspec.Struct, frozen=True, gc=False):
    """The durations of a rule, µs: how long each level must hold, how long calm before it clears, how far apart two
    readings may be and still say what was between them, and the least time between two raises."""

    holds: tuple[int, ...]
    clear_us: int
    gap_us: int
    again_us: int = 0


class Standing(msgspec.Struct):
    """`level` 0 is normal. `past[i]` and `back[i]` are event times in µs since when level i + 1 has been met, or calm;
    0 = the timer does not run. `raised_last` outlives the alert, for the least time between two raises."""

    past: list[int]
    back: list[int]
    level: int = 0
    raised_at: int = 0
    raised_last: int = 0
    seen: int = 0
    fresh: int = 0

    @classmethod
    def of(cls, levels: int) -> "Standing":
        """Normal, no timer running."""
        return cls([0] * levels, [0] * levels)

    def clone(self) -> "Standing":
        """A copy that shares nothing with this one."""
        return Standing(
            list(self.past),
            list(self.back),
            *(self.level, self.raised_at, self.raised_last, self.seen, self.fresh),
        )

    @property
    def busy(self) -> bool:
        """Whether an alert is open or a timer runs."""
        return bool(self.level) or any(self.past)

    def forget(self) -> None:
        """Stop every timer; the level stays."""
        self.past = [0] * len(self.past)
        self.back = [0] * len(self.back)

    def advance(
        self, timing: Timing, time: int, raises: Sequence[Truth], calms: Sequence[Truth], fresh: bool, active: bool
    ) -> bool:
        """Take what the conditions say at `time`, no earlier than before; whether the level changed.

        What is not fresh may clear and ease, and never starts or advances the way to a level; nor does anything while
        the rule is not active. What is unknown moves no timer.
        """
        level = self.level
        reached = self._rise(timing, time, raises) if fresh and active else self._stop(raises, active)
        if not level and reached and timing.again_us and self.raised_last:
            reached = reached if time - self.raised_last >= timing.again_us else 0
        if level:
            self._fall(timing, time, calms)
        if reached > level:
            self.level = reached
            self.past[:reached] = [0] * reached
            self.back = [0] * len(self.back)
            if not level:
                self.raised_at = self.raised_last = time
            return True
        while self.level and calms[self.level - 1] and self._calm_enough(timing, time):
            self.back[self.level - 1] = 0
            self.level -= 1
        return self.level != level

    def recall(self, timing: Timing, time: int, raises: Sequence[Truth], calms: Sequence[Truth], active: bool) -> None:
        """Move the timers by what was judged before, by an engine whose timers are lost; the level stays."""
        if active:
            self._rise(timing, time, raises)
        else:
            self._stop(raises, active)
        if self.level and time > self.raised_at:
            self._fall(timing, time, calms)

    def due(self, timing: Timing) -> int:
        """When the timer towards calm of the present level ends; 0: it does not run."""
        began = self.back[self.level - 1] if self.level else 0
        return began + timing.clear_us if began else 0

    def _calm_enough(self, timing: Timing, time: int) -> bool:
        began = self.back[self.level - 1]
        return bool(began) and time - began >= timing.clear_us

    def _rise(self, timing: Timing, time: int, raises: Sequence[Truth]) -> int:
        """Move the timers of the levels above the present one; the highest that is reached, or 0."""
        past, reached, known = self.past, 0, False
        bridged = time - self.fresh <= timing.gap_us
        for i in range(self.level, len(past)):
            truth = raises[i]
            if truth is None:
                continue
            known = True
            if not truth:
                past[i] = 0
                continue
            if not past[i] or not bridged:
                past[i] = time
            if time - past[i] >= timing.holds[i]:
                reached = i + 1
        if known:
            self.fresh = time
        return reached

    def _stop(self, raises: Sequence[Truth], active: bool) -> int:
        """An old reading only stops timers; out of hours every one stops."""
        for i in range(self.level, len(self.past)):
            if raises[i] is False or not active:
                self.past[i] = 0
        return 0

    def _fall(self, timing: Timing, time: int, calms: Sequence[Truth]) -> None:
        """Move the timers towards easing and clearing."""
        back = self.back
        bridged = time - self.seen <= timing.gap_us
        for i in range(self.level):
            calm = calms[i]
            if calm is None:
                continue
            if not calm:
                back[i] = 0
            elif not back[i] or not bridged:
                back[i] = time
        if any(calms[i] is not None for i in range(self.level)):
            self.seen = time
