"""What rules did over a time, and what that means for those on duty, in figures of ISA-18.2 and EEMUA 191. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from alerts.rules import Rule, Severity
from alerts.transitions import Transition

US: Final = 1_000_000
TEN_MINUTES_US: Final = 600 * US
HOUR_US: Final = 3_600 * US
DAY_US: Final = 86_400 * US
FLOOD: Final = 10
"""More alarms than this in ten minutes are a flood (EEMUA 191)."""
CHATTER: Final = 3
"""So many raises of one group within a minute are chattering (ISA-18.2)."""


class Outcome(msgspec.Struct, frozen=True):
    """One rule over one time. Durations in seconds; those of alerts still open run to its end. Alarms are raises of any
    severity but info."""

    raised: int
    open_at_end: int
    groups: int
    longest_s: float
    median_s: float
    most_at_once: int
    alarms_a_day: float
    most_in_ten_minutes: int
    flood_share: float
    chattering_groups: int
    older_than_a_day: int


class Tally:
    """Books transitions as they come, in order of each group."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = {rule.rule: rule for rule in rules}
        self._raised: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._alarms: dict[str, list[int]] = defaultdict(list)
        self._open: dict[tuple[str, str], int] = {}
        self._first = 0

    def note(self, transitions: Iterable[Transition]) -> None:
        """Book what a step brought; built-in rules are not counted."""
        for one in transitions:
            if one.rule not in self._rules:
                continue
            key = (one.rule, one.group)
            if one.kind == "raised":
                self._open[key] = one.raised_at
                self._raised[one.rule][one.group].append(one.raised_at)
                self._alarm(one.rule, one.severity, one.raised_at)
            elif one.kind == "cleared":
                self._spans[one.rule].append((self._open.pop(key), one.event_time))

    def outcomes(self, until: int, since: int = 0) -> dict[str, Outcome]:
        """What each rule did up to `until` (µs), over the time from `since`, or from its first raise."""
        return {name: self._outcome(name, since, until) for name in self._rules}

    def _alarm(self, rule: str, severity: Severity, at: int) -> None:
        if severity != "info":
            self._alarms[rule].append(at)

    def _outcome(self, rule: str, since: int, until: int) -> Outcome:
        still = [(began, max(until, began)) for (name, _), began in self._open.items() if name == rule]
        spans = self._spans[rule] + still
        lengths = sorted((end - began) / US for began, end in spans)
        alarms = sorted(self._alarms[rule])
        length = max(1, until - (since or min((began for began, _ in spans), default=until)))
        floods, most = _floods(alarms)
        groups = self._raised[rule]
        return Outcome(
            raised=len(spans),
            open_at_end=len(still),
            groups=len(groups),
            longest_s=lengths[-1] if lengths else 0.0,
            median_s=lengths[len(lengths) // 2] if lengths else 0.0,
            most_at_once=_most_at_once(spans),
            alarms_a_day=len(alarms) / (length / DAY_US),
            most_in_ten_minutes=most,
            flood_share=floods * TEN_MINUTES_US / length,
            chattering_groups=sum(_chatters(sorted(times)) for times in groups.values()),
            older_than_a_day=sum(seconds > DAY_US / US for seconds in lengths),
        )


def _floods(alarms: list[int]) -> tuple[int, int]:
    """How many ten minutes of the clock had a flood, and the most alarms in any."""
    counts: dict[int, int] = defaultdict(int)
    for at in alarms:
        counts[at // TEN_MINUTES_US] += 1
    return sum(count > FLOOD for count in counts.values()), max(counts.values(), default=0)


def _most_at_once(spans: list[tuple[int, int]]) -> int:
    steps = sorted([(began, 1) for began, _ in spans] + [(end, -1) for _, end in spans])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def _chatters(times: list[int]) -> bool:
    return any(last - first <= 60 * US for first, last in zip(times, times[CHATTER - 1 :], strict=False))
