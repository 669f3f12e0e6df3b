"""What the engine keeps of one asset and of each watched series of it; built for a hundred thousand of them."""

import math
from typing import TYPE_CHECKING, Final

import msgspec

from alerts.threshold import Progress, Threshold
from alerts.transitions import Place
from city.sectors import Metric

if TYPE_CHECKING:
    from alerts.grouprule import GroupRule
    from alerts.groups import Group

US: Final = 1_000_000


class Plan(msgspec.Struct, frozen=True, gc=False):
    """One metric as the engine sees it, with the rules that watch it. Durations in µs."""

    metric: str
    max_age_us: int
    cadence_us: int
    gap_us: int
    thresholds: tuple[Threshold, ...]

    @classmethod
    def of(cls, metric: Metric, thresholds: tuple[Threshold, ...]) -> "Plan":
        """From the catalogue's entry; a gap is longer than both the metric's max_age and two cadences."""
        cadence, age = round(metric.cadence_s * US), round(metric.max_age_s * US)
        return cls(metric.name, age, cadence, max(age, 2 * cadence), thresholds)


class Series(msgspec.Struct, gc=False):
    """One watched series: its newest time, and the band of values in which no rule's state changes."""

    plan: Plan
    thresholds: tuple[Threshold, ...]
    time: int = 0
    low: float = -math.inf
    high: float = math.inf
    progress: dict[str, Progress] | None = None
    stored: list[tuple[int, float]] | None = None
    """Readings of the database that the log may yet bring: they move timers once a later one comes."""

    def settle(self) -> None:
        """Compute the quiet band anew from where every rule stands; empty while a timer runs, or may."""
        low, high = -math.inf, math.inf
        if self.stored:
            self.low, self.high = math.inf, -math.inf
            return
        for threshold in self.thresholds:
            stand = self.progress.get(threshold.rule.rule) if self.progress else None
            if stand is not None and stand.running:
                low, high = math.inf, -math.inf
                break
            bottom, top = threshold.quiet_band(stand.level if stand is not None else 0)
            low, high = max(low, bottom), min(high, top)
        self.low, self.high = low, high

    def recall(self, time: int, value: float) -> None:
        """Move timers by a reading that was judged before; `settle` when all are."""
        progress = self.progress if self.progress is not None else {}
        for threshold in self.thresholds:
            if not threshold.timed:
                continue
            name = threshold.rule.rule
            stand = progress.get(name)
            if stand is None:
                low, high = threshold.quiet_band(0)
                if low <= value <= high:
                    continue
                stand = progress[name] = Progress(threshold.count)
            stand.recall(threshold, time, value, self.plan.gap_us)
            if not stand.level and not stand.running:
                del progress[name]
        self.progress = progress or None

    def catch_up(self, time: int) -> None:
        """Recall what is stored from before a reading that now comes, as if it had come in its turn."""
        stored = self.stored or []
        for then, value in stored:
            if then < time:
                self.recall(then, value)
        self.stored = [one for one in stored if one[0] > time] or None


UNWATCHED: Final = Series(Plan("", 0, 0, 0, ()), (), time=1 << 62)
"""Stands for every series that no rule watches: no reading is newer than it."""


class Instruments(msgspec.Struct, gc=False):
    """Assets that measure the same metrics: one feed among those of a sector, as far as readings can tell.

    `heard` and `dead` are tick times (µs): of the last step that brought a reading, since when the feed counts as
    dead (0 = it lives), and when it last came back from that.
    """

    metric: str
    cadence_us: int
    assets: int = 0
    heard: int = 0
    dead: int = 0
    since: int = 0

    def clock_set(self, now: int) -> None:
        """Ticks go on from `now` (µs), which may be before the last one: no time seen so far may lie ahead of it."""
        self.heard, self.since = min(self.heard, now), min(self.since, now)
        if self.dead > now:
            self.dead = now + 1  # after all that was heard


class Asset(msgspec.Struct, gc=False):
    """One asset of the sector.

    `metrics` are the keys of `series`, shared by assets alike; `fresh_us` is the smallest max_age and `cadence_us` the
    smallest cadence of them. `stale_since` and `stale_age` (µs, 0 = not) tell since which record time the asset has
    sent only stale readings, and how old the first of them was.
    """

    name: str
    place: Place
    series: dict[str, Series]
    kind: Instruments
    metrics: tuple[str, ...] = ()
    fresh_us: int = 1 << 62
    cadence_us: int = 1 << 62
    stale_since: int = 0
    stale_age: int = 0
    taken: dict[str, int] | None = None
    """Newest time by metric that rules on groups have taken of this asset."""
    members: "dict[str, tuple[tuple[GroupRule, Group], ...]] | None" = None
    """By metric, the groups in which this asset counts where it is; made when it is first heard there."""
    copied: int = 0
    """Number of the last copy of the engine's state that has taken this asset."""
