"""What `raise` and `clear` ask, read strictly: what can't happen, or would chatter, is refused with a reason."""

from typing import Final, NoReturn

import msgspec

from alerts import rulekeys as keys
from alerts.conditions import (
    Above,
    Absent,
    AllOf,
    AnyOf,
    AtLeast,
    Below,
    ChangedBy,
    Condition,
    Equals,
    Frozen,
    Inside,
    Outside,
    Part,
    Repeats,
    Simple,
)
from alerts.feed import LEAST_SILENCE_US, SILENT_CADENCES
from alerts.rules import Over, Per
from city.sectors import Metric, Sector
from city.yamlnodes import Node

US: Final = 1_000_000
LONGEST_DAYS: Final = 366
"""Nobody could tell a rule with a longer window or `for` from one that never raises."""
UNBOUNDED: Final = ("sum", "count", "stddev", "rate", "delta")
"""Measures whose values have nothing to do with the metric's range."""


class Subject(msgspec.Struct, frozen=True):
    """What the conditions are about. `metric` is None of a rule on reports, and of one whose parts name theirs."""

    sector: Sector
    metric: Metric | None
    per: Per
    over: Over | None
    reports: bool


def us(node: Node, name: str) -> int:
    """A duration in microseconds; refused above a year."""
    seconds = node.seconds(name)
    if seconds > LONGEST_DAYS * 86_400:
        node.refuse(f"{name} {said(seconds)} is too long: a rule looks back at most {LONGEST_DAYS}d")
    return round(seconds * US)


def said(seconds: float) -> str:
    """A duration as people write it: 90s, 15m, 1h."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def condition(node: Node, fields: dict[str, Node], name: str, subject: Subject) -> Condition:
    """The one condition among these keys."""
    words = [word for word in fields if word in keys.ASKED]
    if len(words) != 1:
        node.refuse(f"{name} needs exactly one of {', '.join(keys.ASKED)}")
    word = words[0]
    place, where = fields[word], f"{name}.{word}"
    _fits(place, word, subject)
    if word in keys.SIMPLE:
        return _simple(place, word, where, subject.metric, subject.over)
    if word == "changed_by":
        return _changed_by(place, where, subject)
    if word == "frozen":
        return Frozen(_at_least_cadences(place, where, subject.metric, 2))
    if word == "absent":
        return _absent(place, where, subject.metric)
    if word == "repeats":
        return _repeats(place, where, subject)
    if word == "at_least":
        return _at_least(place, where, subject)
    parts = tuple(_part(item, where, subject) for item in place.items(where))
    if not parts:
        place.refuse(f"{where} is empty")
    return AllOf(parts) if word == "all_of" else AnyOf(parts)


def _fits(node: Node, word: str, subject: Subject) -> None:
    """Refuse a condition that this kind of rule can't ask."""
    if subject.reports:
        if word != "repeats":
            node.refuse(f"a report has no value: a rule on reports asks repeats, not {word}")
        return
    if word in ("all_of", "any_of"):
        if subject.metric is not None:
            node.refuse(f"{word} names a metric in each part; leave out the rule's own metric")
    elif subject.metric is None:
        node.refuse(f"{word} needs the rule to name a metric")
    many = subject.per != "asset"
    if word == "at_least" and not many:
        node.refuse("at_least counts the assets of a group: write per: zone or per: sector")
    if word in ("frozen", "absent", "at_least") and subject.over is not None:
        node.refuse(f"{word} looks at the readings themselves; leave measure out")
    if word == "frozen" and many:
        node.refuse("frozen looks at one sensor: write per: asset")
    if many and subject.over is None and word not in ("at_least", "absent"):
        node.refuse(
            f"the assets of a {subject.per} have no one last value: measure over a window, such as {{mean: 15m}}, "
            "or ask at_least"
        )


def _simple(node: Node, word: str, name: str, metric: Metric | None, over: Over | None) -> Simple:
    bounded = metric if over is None or over.kind not in UNBOUNDED else None
    if word in ("above", "below"):
        limit = node.number(name)
        if bounded is not None:
            _within(node, name, limit, bounded, word)
        elif over is not None and over.kind in ("count", "stddev") and (limit < 0 or (word == "below" and limit == 0)):
            node.refuse(f"{name} {limit:g} makes no sense: a {over.kind} is never negative")
        return Above(limit) if word == "above" else Below(limit)
    if word == "equals":
        value = node.number(name)
        if bounded is not None and not bounded.low <= value <= bounded.high:
            _never(node, name, f"{value:g}", bounded)
        return Equals(value)
    items = node.items(name)
    if len(items) != 2:
        node.refuse(f"{name} needs two numbers: [low, high]")
    low, high = (item.number(name) for item in items)
    if low >= high:
        node.refuse(f"{name} [{low:g}, {high:g}]: the first number must be the lower one")
    if bounded is not None:
        covers = low <= bounded.low and high >= bounded.high
        misses = high < bounded.low or low > bounded.high
        if covers or misses:
            _never(node, name, f"[{low:g}, {high:g}]", bounded, always=covers == (word == "inside"))
    return Outside(low, high) if word == "outside" else Inside(low, high)


def _within(node: Node, name: str, limit: float, metric: Metric, word: str) -> None:
    reachable = metric.low <= limit < metric.high if word == "above" else metric.low < limit <= metric.high
    if not reachable:
        node.refuse(f"{name} {limit:g} can never be passed: {metric.name} lies in {metric.low:g} to {metric.high:g}")


def _never(node: Node, name: str, value: str, metric: Metric, always: bool = False) -> NoReturn:
    what = "would always hold" if always else "can never hold"
    node.refuse(f"{name} {value} {what}: {metric.name} lies in {metric.low:g} to {metric.high:g}")


def _at_least_cadences(node: Node, name: str, metric: Metric | None, cadences: int) -> int:
    """A duration that holds as many readings."""
    length = us(node, name)
    if metric is not None and length < cadences * metric.cadence_s * US:
        node.refuse(
            f"{name} {said(length / US)} is too short: {metric.name} comes every {said(metric.cadence_s)}; "
            f"write at least {said(cadences * metric.cadence_s)}"
        )
    return length


def _changed_by(node: Node, name: str, subject: Subject) -> ChangedBy:
    fields = node.mapping(name, {"within"}, {"value", "percent"})
    if ("value" in fields) == ("percent" in fields):
        node.refuse(f"{name} needs exactly one of value, percent")
    word = "value" if "value" in fields else "percent"
    amount = fields[word].number(f"{name}.{word}")
    if amount <= 0:
        fields[word].refuse(f"{name}.{word} must be above 0: a change counts up or down")
    metric = subject.metric
    if word == "value" and metric is not None and subject.over is None and amount > metric.high - metric.low:
        _never(fields[word], f"{name}.{word}", f"{amount:g}", metric)
    within = _at_least_cadences(fields["within"], f"{name}.within", metric, 2)
    return ChangedBy(within, amount if word == "value" else None, amount if word == "percent" else None)


def _absent(node: Node, name: str, metric: Metric | None) -> Absent:
    after = _at_least_cadences(node, name, metric, SILENT_CADENCES)
    if after < LEAST_SILENCE_US:
        node.refuse(f"{name} is too short: a feed may be silent for {LEAST_SILENCE_US // US} s; write at least that")
    return Absent(after)


def _repeats(node: Node, name: str, subject: Subject) -> Repeats:
    optional = set() if subject.reports else set(keys.SIMPLE)
    fields = node.mapping(name, {"times", "within"}, optional)
    times = fields["times"].integer(f"{name}.times", 1, keys.MOST_TIMES)
    within = us(fields["within"], f"{name}.within")
    if subject.reports:
        return Repeats(times, within)
    metric = subject.metric
    if metric is not None and within < max(1, 2 * times - 2) * metric.cadence_s * US:
        fields["within"].refuse(
            f"{name}: {metric.name} comes every {said(metric.cadence_s)}; it can't begin {times} times within "
            f"{said(within / US)}"
        )
    return Repeats(times, within, _inner(node, fields, name, subject.metric, subject.over))


def _at_least(node: Node, name: str, subject: Subject) -> AtLeast:
    fields = node.mapping(name, {"assets"}, set(keys.SIMPLE))
    assets = fields["assets"].integer(f"{name}.assets", 1, keys.MOST_ASSETS)
    return AtLeast(assets, _inner(node, fields, name, subject.metric, None))


def _part(node: Node, name: str, subject: Subject) -> Part:
    fields = node.mapping(f"a part of {name}", {"metric"}, set(keys.SIMPLE))
    named = fields["metric"].text("metric")
    metric = subject.sector.metrics.get(named)
    if metric is None:
        known = ", ".join(sorted(subject.sector.metrics))
        fields["metric"].refuse(f"{subject.sector.name} has no metric '{named}'; the catalogue has {known}")
    return Part(named, _inner(node, fields, name, metric, subject.over))


def _inner(node: Node, fields: dict[str, Node], name: str, metric: Metric | None, over: Over | None) -> Simple:
    words = [word for word in fields if word in keys.SIMPLE]
    if len(words) != 1:
        node.refuse(f"{name} needs exactly one of {', '.join(keys.SIMPLE)}")
    return _simple(fields[words[0]], words[0], f"{name}.{words[0]}", metric, over)
