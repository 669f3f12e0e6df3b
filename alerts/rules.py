"""Rules: what is watched, when it alarms, what it means and what to do."""

from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec

from alerts.conditions import Above, AllOf, AnyOf, Below, Condition, Word
from alerts.hours import Hours

Severity = Literal["info", "warning", "critical", "emergency"]
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical", "emergency")
"""From the mildest up; info is an event, shown and kept, never an alarm."""


Per = Literal["asset", "zone", "sector"]
"""What a rule is evaluated for, each on its own: that is its groups."""
PERS: Final[tuple[Per, ...]] = ("asset", "zone", "sector")

Kind = Literal["mean", "min", "max", "sum", "count", "stddev", "rate", "delta"]
KINDS: Final[tuple[Kind, ...]] = ("mean", "min", "max", "sum", "count", "stddev", "rate", "delta")


class Over(msgspec.Struct, frozen=True):
    """A measure over a window of event time. *rate* is the change an hour, *delta* the change over the window."""

    kind: Kind
    window_us: int


class Level(msgspec.Struct, frozen=True):
    """One severity: reached when the value has been past `limit` for `hold_us` of event time, or, where there is one,
    when the condition has held so long."""

    severity: Severity
    limit: float | None
    hold_us: int = 0
    condition: Condition | None = None

    @property
    def bound(self) -> float:
        """The limit of a level that has one."""
        assert self.limit is not None, "this level asks something else"
        return self.limit


class Clear(msgspec.Struct, frozen=True):
    """Hysteresis: cleared when the value has been past `limit`, on the calm side, for `hold_us` of event time, or,
    where there is one, when the condition has held so long; with neither, when the mildest raise has not held so long.
    """

    limit: float | None
    hold_us: int = 0
    condition: Condition | None = None


class Reports(msgspec.Struct, frozen=True):
    """Which reports of the sector a rule counts; an empty field takes all."""

    categories: tuple[str, ...]
    severities: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()

    def match(self, category: str, severity: str, status: str) -> bool:
        """Whether a report counts."""
        return (
            category in self.categories
            and (not self.severities or severity in self.severities)
            and (not self.statuses or status in self.statuses)
        )


class Where(msgspec.Struct, frozen=True):
    """Which assets of the sector a rule watches; empty means every one."""

    zones: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()

    def matches(self, asset: str, zone: str | None) -> bool:
        """Whether the rule watches this asset, by the zone where it is now and by patterns with * and ?."""
        if self.zones and zone not in self.zones:
            return False
        return not self.assets or any(fnmatchcase(asset, pattern) for pattern in self.assets)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One applied rule. Levels stand from the mildest up; `comparison` says on which side they alarm, or what they ask.

    Without `clear` an alert clears as soon as the mildest level is no longer met. Of a rule on several metrics,
    `metric` is the one whose value its alerts tell; a rule on reports has none.
    """

    rule: str
    version: int = 1
    title: dict[str, str]
    short: dict[str, str]
    sector: str
    metric: str
    unit: str = ""
    per: Per = "asset"
    measure: Literal["last"] | Over = "last"
    comparison: Word
    levels: tuple[Level, ...]
    clear: Clear | None = None
    where: Where = Where()
    reports: Reports | None = None
    active: Hours | None = None
    lateness_us: int = 0
    again_after_us: int = 0
    consequence: dict[str, str] | None = None
    response: tuple[dict[str, str], ...] = ()
    respond_within_s: float | None = None
    team: str | None = None

    @property
    def is_threshold(self) -> bool:
        """Whether all it does is hold the last value of each asset against limits: the engine's fast path."""
        return (
            self.comparison in (">", "<")
            and (self.per, self.measure) == ("asset", "last")
            and self.active is None
            and not self.lateness_us
            and not self.again_after_us
        )

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric it watches, each once; none if it counts reports."""
        if self.reports is not None:
            return ()
        asked = [level.condition for level in self.levels]
        asked += [self.clear.condition] if self.clear is not None else []
        parts = [part.metric for one in asked if isinstance(one, AllOf | AnyOf) for part in one.parts]
        return tuple(dict.fromkeys(parts)) or (self.metric,)

    def asked(self, level: Level) -> Condition:
        """What this level asks, however it is written."""
        if level.condition is not None:
            return level.condition
        assert level.limit is not None, "a level has a limit or a condition"
        return Above(level.limit) if self.comparison == ">" else Below(level.limit)


def encode_rule(rule: Rule) -> bytes:
    """The rule as JSON, keys in a fixed order; equal rules give equal bytes."""
    return msgspec.json.encode(rule, order="deterministic")


def decode_rule(body: bytes | str) -> Rule:
    """A rule as it was applied; it was checked then and is not checked again."""
    return msgspec.json.decode(body, type=Rule)


def level_of(severity: Severity, rule: Rule) -> int:
    """The rule's level of this severity, or its nearest milder one, or its mildest."""
    rank = SEVERITIES.index(severity)
    milder = [i for i, level in enumerate(rule.levels, start=1) if SEVERITIES.index(level.severity) <= rank]
    return milder[-1] if milder else 1
