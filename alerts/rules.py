"""Rules: what is watched, when it alarms, what it means and what to do."""

from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec

Severity = Literal["info", "warning", "critical", "emergency"]
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical", "emergency")
"""From the mildest up; info is an event, shown and kept, never an alarm."""


class Level(msgspec.Struct, frozen=True):
    """One severity: reached when the value has been past `limit` for `hold_us` of event time."""

    severity: Severity
    limit: float
    hold_us: int = 0


class Clear(msgspec.Struct, frozen=True):
    """Hysteresis: cleared when the value has been past `limit`, on the calm side, for `hold_us` of event time."""

    limit: float
    hold_us: int = 0


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
    """One applied rule. Levels stand from the mildest up; `comparison` tells on which side they alarm.

    Without `clear` an alert clears as soon as the value is no longer past the lowest level.
    """

    rule: str
    version: int = 1
    title: dict[str, str]
    short: dict[str, str]
    sector: str
    metric: str
    unit: str = ""
    per: Literal["asset"] = "asset"
    measure: Literal["last"] = "last"
    comparison: Literal[">", "<"]
    levels: tuple[Level, ...]
    clear: Clear | None = None
    where: Where = Where()
    consequence: dict[str, str] | None = None
    response: tuple[dict[str, str], ...] = ()
    respond_within_s: float | None = None
    team: str | None = None


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
