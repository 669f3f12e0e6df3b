"""Each alert that a rule tried would have raised: when, for how long, how bad; and how many were open at once. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from alerts.rules import SEVERITIES, Severity
from alerts.transitions import Transition

US: Final = 1_000_000


class Episode(msgspec.Struct, frozen=True):
    """One alert. Times in µs; `cleared_at` None: open at the end. `severity` is the worst that it ever was."""

    group: str
    severity: Severity
    raised_at: int
    cleared_at: int | None


class AtOnce(msgspec.Struct, frozen=True):
    """The most alerts open at once, in each step of `step_s` seconds from the beginning of the time."""

    step_s: int
    most: list[int]


class Episodes:
    """Collects the episodes of one rule; what other rules say, built-in ones too, is passed over."""

    def __init__(self, rule: str) -> None:
        self._rule = rule
        self._open: dict[str, tuple[int, Severity]] = {}
        self._over: list[Episode] = []

    def note(self, transitions: Iterable[Transition]) -> None:
        """Take what a step brought, in order."""
        for one in transitions:
            if one.rule != self._rule:
                continue
            if one.kind == "cleared":
                raised_at, severity = self._open.pop(one.group)
                self._over.append(Episode(one.group, severity, raised_at, one.event_time))
            else:
                _, known = self._open.get(one.group, (0, one.severity))
                self._open[one.group] = one.raised_at, max(known, one.severity, key=SEVERITIES.index)

    def all(self) -> list[Episode]:
        """By the time when they were raised, then by group."""
        still = [Episode(group, severity, at, None) for group, (at, severity) in self._open.items()]
        return sorted(self._over + still, key=lambda one: (one.raised_at, one.group))


def by_severity(episodes: Iterable[Episode]) -> dict[Severity, int]:
    """How many there were of each severity that occurs, the worst first."""
    counts = Counter(one.severity for one in episodes)
    return {severity: counts[severity] for severity in reversed(SEVERITIES) if counts[severity]}


def at_once(episodes: Sequence[Episode], since: int, until: int, most_steps: int) -> AtOnce:
    """Over `since` to `until` (µs) in at most so many equal steps of whole seconds. An alert that clears as another is
    raised was not open with it; what is open in any part of a step counts there."""
    step = -(-(until - since) // (most_steps * US)) * US
    most = [0] * -(-(until - since) // step)
    changes = sorted(
        change
        for one in episodes
        for change in ((one.raised_at, 1), (until if one.cleared_at is None else one.cleared_at, -1))
    )
    now = reached = 0
    for at, change in changes:
        passed = min(max(0, -(-(at - since) // step)), len(most))
        for touched in range(reached, passed):
            most[touched] = max(most[touched], now)
        now, reached = now + change, min(max(0, at - since) // step, len(most) - 1)
    return AtOnce(step // US, most)
