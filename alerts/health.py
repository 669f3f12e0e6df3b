"""How healthy the alarms are, after ANSI/ISA-18.2-2016 (clause 16) and EEMUA 191. Pure; times in µs.

Only alarms count that somebody was told of: not *info*, and not what was hidden when it was raised.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

MINUTE: Final = 60_000_000
HOUR: Final = 60 * MINUTE
WINDOW: Final = 10 * MINUTE
FLOOD_ENTERS_ABOVE: Final = 10
FLOOD_LEAVES_BELOW: Final = 5
"""Alarms in ten minutes; ISA-18.2 table 6 and 16.5.3."""
CHATTER: Final = 3
"""Raises of one cause within a minute; ISA-18.2 16.5.4."""
STALE_AFTER: Final = 24 * HOUR
"""ISA-18.2 16.5.5."""
SEVERITIES: Final = ("warning", "critical", "emergency")
TOP: Final = 10

ACCEPTABLE_PER_HOUR: Final = 6.0
MOST_PER_HOUR: Final = 12.0
MOST_FLOODED: Final = 0.01
MOST_STALE: Final = 5
SPLIT: Final = {"warning": 0.80, "critical": 0.15, "emergency": 0.05}
"""Targets, per operator position; EEMUA 191 and ISA-18.2 table 5."""


class Alarm(msgspec.Struct, frozen=True):
    """One alarm as people were told of it; `cleared` None: it lasts."""

    raised: int
    cleared: int | None
    severity: str
    rule: str
    group: str
    sector: str
    team: str | None = None


class Chatter(msgspec.Struct, frozen=True):
    """A cause that was raised again and again; `most` times within one minute."""

    rule: str
    group: str
    most: int


class Share(msgspec.Struct, frozen=True):
    """A rule's part of all alarms."""

    rule: str
    alarms: int
    share: float


class Health(msgspec.Struct, frozen=True):
    """Figures of a span; rates and peaks per operator position. `of`: whose they are, None for all together."""

    of: str | None
    alarms: int
    per_hour: float
    peak_10min: float
    flooded: float
    chattering: list[Chatter]
    stale: int
    split: dict[str, float]
    top: list[Share]
    within: dict[str, bool]


def measure(alarms: Iterable[Alarm], since: int, until: int, positions: int = 1, of: str | None = None) -> Health:
    """The figures of [since, until); what was raised earlier counts only as stale. Raises ValueError: no such span."""
    if until <= since or positions < 1:
        raise ValueError("a span ends after it begins, and somebody is at work")
    known = sorted(alarms, key=lambda alarm: alarm.raised)
    told = [alarm for alarm in known if since <= alarm.raised < until]
    times = [alarm.raised for alarm in told]
    rate = len(told) / ((until - since) / HOUR) / positions
    flooded = sum(end - begin for begin, end in floods(times, until, positions)) / (until - since)
    chattering = _chattering(told)
    stale = sum(1 for alarm in known if alarm.raised <= until - STALE_AFTER and _lasts(alarm, until))
    counts = Counter(alarm.severity for alarm in told)
    split = {severity: counts[severity] / len(told) if told else 0.0 for severity in SEVERITIES}
    rules = Counter(alarm.rule for alarm in told)
    top = sorted(rules.items(), key=lambda one: (-one[1], one[0]))[:TOP]
    return Health(
        of=of,
        alarms=len(told),
        per_hour=rate,
        peak_10min=peak(times) / positions,
        flooded=flooded,
        chattering=chattering,
        stale=stale,
        split=split,
        top=[Share(rule, count, count / len(told)) for rule, count in top],
        within={
            "per_hour": rate <= ACCEPTABLE_PER_HOUR,
            "per_hour_at_most": rate <= MOST_PER_HOUR,
            "peak_10min": peak(times) <= FLOOD_ENTERS_ABOVE * positions,
            "flooded": flooded < MOST_FLOODED,
            "chattering": not chattering,
            "stale": stale < MOST_STALE,
        },
    )


def by(alarms: Iterable[Alarm], what: Callable[[Alarm], str], since: int, until: int, positions: int) -> list[Health]:
    """The figures of each rule, sector or team apart, the most alarms first."""
    parts: dict[str, list[Alarm]] = defaultdict(list)
    for alarm in alarms:
        parts[what(alarm)].append(alarm)
    found = [measure(part, since, until, positions, of=name) for name, part in parts.items()]
    return sorted(found, key=lambda health: (-health.alarms, -health.stale, health.of or ""))


def peak(times: Sequence[int]) -> int:
    """The most alarms that any ten minutes had; `times` ascend."""
    return _most_within(times, WINDOW)


def floods(times: Sequence[int], until: int, positions: int = 1) -> list[tuple[int, int]]:
    """From when until when it was a flood; `times` ascend, one that still lasts ends at `until`.

    It begins with the alarm that makes more than ten a position in ten minutes, and ends when they are below five.
    """
    steps = sorted([(at, 1) for at in times] + [(at + WINDOW, -1) for at in times])  # leaving before coming
    found: list[tuple[int, int]] = []
    began: int | None = None
    count = 0
    for at, step in steps:
        if at >= until:
            break
        count += step
        if began is None and count > FLOOD_ENTERS_ABOVE * positions:
            began = at
        elif began is not None and count < FLOOD_LEAVES_BELOW * positions:
            found.append((began, at))
            began = None
    if began is not None:
        found.append((began, until))
    return found


def _chattering(told: Iterable[Alarm]) -> list[Chatter]:
    causes: dict[tuple[str, str], list[int]] = defaultdict(list)
    for alarm in told:
        causes[alarm.rule, alarm.group].append(alarm.raised)
    found = [Chatter(rule, group, _most_within(times, MINUTE)) for (rule, group), times in causes.items()]
    return sorted((one for one in found if one.most >= CHATTER), key=lambda one: (-one.most, one.rule, one.group))


def _most_within(times: Sequence[int], span: int) -> int:
    most = first = 0
    for last, now in enumerate(times):
        while times[first] <= now - span:
            first += 1
        most = max(most, last - first + 1)
    return most


def _lasts(alarm: Alarm, until: int) -> bool:
    return alarm.cleared is None or alarm.cleared > until
