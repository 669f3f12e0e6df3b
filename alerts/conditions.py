"""What a rule may ask of the measured value, as data; `alerts.predicates` judges it. Durations in µs.

A rule that only compares needs none of these: its levels carry a limit, and the rule the side on which they alarm.
"""

from typing import Final, Literal

import msgspec

Word = Literal[">", "<", "outside", "inside", "=", "changed", "frozen", "absent", "repeats", "at_least", "all", "any"]
"""How an alert says what its value was held against."""


class Above(msgspec.Struct, frozen=True, tag="above"):
    """The value is above the limit."""

    limit: float


class Below(msgspec.Struct, frozen=True, tag="below"):
    """The value is below the limit."""

    limit: float


class Outside(msgspec.Struct, frozen=True, tag="outside"):
    """The value is below `low` or above `high`."""

    low: float
    high: float


class Inside(msgspec.Struct, frozen=True, tag="inside"):
    """The value is `low`, `high` or between them."""

    low: float
    high: float


class Equals(msgspec.Struct, frozen=True, tag="equals"):
    """The value is this very number: a state, a code."""

    value: float


Simple = Above | Below | Outside | Inside | Equals
"""What can be said of one value alone."""


class ChangedBy(msgspec.Struct, frozen=True, tag="changed_by"):
    """The value is at least so far from one it had within the last while: by `amount`, or by `percent` of that one."""

    within_us: int
    amount: float | None = None
    percent: float | None = None


class Frozen(msgspec.Struct, frozen=True, tag="frozen"):
    """Readings come, and have said the very same for so long."""

    for_us: int


class Absent(msgspec.Struct, frozen=True, tag="absent"):
    """Nothing has come for so long."""

    after_us: int


class Repeats(msgspec.Struct, frozen=True, tag="repeats"):
    """The inner condition became true so many times within so long; of reports, so many were made."""

    times: int
    within_us: int
    inner: Simple | None = None


class AtLeast(msgspec.Struct, frozen=True, tag="at_least"):
    """So many assets of the group meet the inner condition at once."""

    assets: int
    inner: Simple


class Part(msgspec.Struct, frozen=True):
    """One metric's share in a condition over several."""

    metric: str
    inner: Simple


class AllOf(msgspec.Struct, frozen=True, tag="all_of"):
    """Every part holds at once."""

    parts: tuple[Part, ...]


class AnyOf(msgspec.Struct, frozen=True, tag="any_of"):
    """At least one part holds."""

    parts: tuple[Part, ...]


Condition = Above | Below | Outside | Inside | Equals | ChangedBy | Frozen | Absent | Repeats | AtLeast | AllOf | AnyOf


def word_of(condition: Condition) -> Word:
    """The word by which an alert tells this condition."""
    return _WORDS[type(condition)]


def limit_of(condition: Condition) -> float | None:
    """The one number the value is held against, in the unit of `unit_of`; None where there are two, or several."""
    if isinstance(condition, Above | Below):
        return condition.limit
    if isinstance(condition, Equals):
        return condition.value
    if isinstance(condition, ChangedBy):
        return condition.percent if condition.amount is None else condition.amount
    if isinstance(condition, Frozen):
        return condition.for_us / 1e6
    if isinstance(condition, Absent):
        return condition.after_us / 1e6
    if isinstance(condition, Repeats):
        return float(condition.times)
    if isinstance(condition, AtLeast):
        return float(condition.assets)
    return None


def unit_of(condition: Condition, unit: str) -> str:
    """The unit of what an alert's value and limit tell, `unit` being that of the measured value."""
    if isinstance(condition, Frozen | Absent):
        return "s"
    if isinstance(condition, Repeats | AtLeast):
        return ""
    return "%" if isinstance(condition, ChangedBy) and condition.amount is None else unit


_WORDS: Final[dict[type[Condition], Word]] = {
    Above: ">",
    Below: "<",
    Outside: "outside",
    Inside: "inside",
    Equals: "=",
    ChangedBy: "changed",
    Frozen: "frozen",
    Absent: "absent",
    Repeats: "repeats",
    AtLeast: "at_least",
    AllOf: "all",
    AnyOf: "any",
}
