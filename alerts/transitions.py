"""What the engine says: an alert was raised, escalated, eased or cleared."""

import uuid
from typing import Final, Literal

import msgspec

from alerts.rules import Severity
from city.events import Location

Kind = Literal["raised", "escalated", "eased", "cleared"]

_NAMESPACE: Final = uuid.UUID("6d6f4a3e-6f5c-5e0a-9b0a-0c17a7c4a1e7")


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where an asset was when last heard of."""

    zone: str | None = None
    location: Location | None = None


class Transition(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One step in the life of one alert. Times are event times in µs; `limit` is that of the severity now in force,
    None where there is no one number that the value is held against.

    `rule_version` 0: it came of a change of the rules, not of a reading; value and limit say nothing.
    """

    kind: Kind
    alert_id: str
    rule: str
    rule_version: int
    group: str
    sector: str
    asset: str | None
    place: Place
    severity: Severity
    metric: str
    value: float | None
    limit: float | None
    comparison: str
    event_time: int
    raised_at: int


def alert_id(rule: str, group: str, raised_at: int) -> str:
    """The alert's UUID, derived from what it is, so that a replay gives the same alert."""
    return str(uuid.uuid5(_NAMESPACE, f"{rule}\n{group}\n{raised_at}"))
