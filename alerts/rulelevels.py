"""A rule's severities in order, and the way back: each level worse than the one before, and a clear that fits them."""

from typing import Final, cast

from alerts import rulekeys as keys
from alerts.conditions import (
    Absent,
    AllOf,
    AnyOf,
    AtLeast,
    ChangedBy,
    Condition,
    Equals,
    Frozen,
    Inside,
    Outside,
    Repeats,
    Word,
    limit_of,
    word_of,
)
from alerts.ruleconditions import Subject, condition, us
from alerts.rules import SEVERITIES, Clear, Level
from city.yamlnodes import Node

CLEARED_BY: Final[dict[Word, tuple[str, ...]]] = {
    ">": ("below",),
    "<": ("above",),
    "outside": ("inside",),
    "inside": ("outside",),
    "=": ("above", "below", "outside", "inside", "equals"),
    "all": ("all_of", "any_of"),
    "any": ("all_of", "any_of"),
}
"""What may say that it is over, by what raised; the others end as they are no longer met, at once or after a while."""


def levels_of(node: Node, subject: Subject) -> tuple[Word, tuple[Level, ...]]:
    """What the rule asks, and its levels from the mildest up."""
    entries = node.mapping("raise", set(), set(SEVERITIES))
    if not entries:
        node.refuse("raise needs at least one severity")
    word: Word | None = None
    found: list[tuple[Level, Condition]] = []
    for severity in SEVERITIES:
        if severity not in entries:
            continue
        place, name = entries[severity], f"raise.{severity}"
        fields = place.mapping(name, set(), set(keys.CONDITION))
        asked = condition(place, fields, name, subject)
        if word is not None and word_of(asked) != word:
            first, other = _key(found[0][1]), _key(asked)
            place.refuse(f"raise mixes {first} and {other}; make two rules of it")
        word = word_of(asked)
        if found and not _is_worse(asked, found[-1][1]):
            place.refuse(f"{name} is no worse than raise.{found[-1][0].severity}; order the limits")
        hold = _hold(fields["for"], f"{name}.for", asked, subject) if "for" in fields else 0
        plain = word in (">", "<")
        found.append((Level(severity, limit_of(asked), hold, None if plain else asked), asked))
    assert word is not None
    return word, tuple(level for level, _ in found)


def clear_of(node: Node, word: Word, levels: tuple[Level, ...], subject: Subject) -> Clear:
    """The way back."""
    fields = node.mapping("clear", set(), set(keys.CONDITION))
    if word == "absent":
        node.refuse("an absence is over as soon as something comes; leave clear out")
    hold = us(fields["for"], "clear.for") if "for" in fields else 0
    given = [key for key in fields if key != "for"]
    if not given:
        if not hold:
            node.refuse("clear is empty; leave it out to clear as soon as the mildest level is no longer met")
        return Clear(None, hold)
    known = CLEARED_BY.get(word, ())
    if not known:
        node.refuse(f"'{_key_of(word)}' is over when it is no longer met: of clear, it takes only 'for'")
    asked = condition(node, fields, "clear", subject)
    if _key(asked) not in known:
        node.refuse(
            f"this rule raises on the other side: clear needs '{known[0]}'"
            if word in (">", "<")
            else f"clear of '{_key_of(word)}' must be one of {', '.join(known)}"
        )
    _apart(node, asked, levels[0])
    if word in (">", "<"):
        return Clear(limit_of(asked), hold)
    return Clear(None, hold, asked)


def _hold(node: Node, name: str, asked: Condition, subject: Subject) -> int:
    if isinstance(asked, Absent | Frozen):
        node.refuse(f"{_key(asked)} says already how long; leave 'for' out")
    if subject.reports:
        node.refuse("repeats counts over a time already; leave 'for' out")
    metric = subject.metric
    if metric is not None and metric.cadence_s > metric.max_age_s:
        node.refuse(f"{metric.name} comes rarer than its max_age allows: no 'for' can be seen to last")
    return us(node, name)


def _is_worse(asked: Condition, before: Condition) -> bool:
    """Whether a level asks more than the milder one; where no order exists, whether it asks something else."""
    if isinstance(asked, Outside) and isinstance(before, Outside):
        return asked != before and asked.low <= before.low and asked.high >= before.high
    if isinstance(asked, Inside) and isinstance(before, Inside):
        return asked != before and asked.low >= before.low and asked.high <= before.high
    if isinstance(asked, AtLeast) and isinstance(before, AtLeast):
        return asked.assets > before.assets if asked.inner == before.inner else asked.assets >= before.assets
    if isinstance(asked, Repeats) and isinstance(before, Repeats):
        return asked.times > before.times if asked.inner == before.inner else asked != before
    if isinstance(asked, ChangedBy) and isinstance(before, ChangedBy):
        alike = (asked.within_us, asked.amount is None) == (before.within_us, before.amount is None)
        return cast(float, limit_of(asked)) > cast(float, limit_of(before)) if alike else asked != before
    if isinstance(asked, Equals | AllOf | AnyOf):
        return asked != before
    limit, milder = limit_of(asked), limit_of(before)
    assert limit is not None
    assert milder is not None
    return limit < milder if word_of(asked) == "<" else limit > milder


def _apart(node: Node, asked: Condition, mildest: Level) -> None:
    """Refuse a clear that would hold while the mildest level is met."""
    name, raised = f"clear.{_key(asked)}", f"raise.{mildest.severity}"
    limit, raises = limit_of(asked), mildest.condition
    if raises is None and limit is not None and mildest.limit is not None:
        if limit > mildest.limit if _key(asked) == "below" else limit < mildest.limit:
            node.refuse(f"{name} {limit:g} lies inside {raised} {mildest.limit:g}: it would chatter")
    elif isinstance(asked, Inside) and isinstance(raises, Outside):
        if asked.low < raises.low or asked.high > raises.high:
            node.refuse(f"{name} reaches into {raised}: it would chatter")
    elif isinstance(asked, Outside) and isinstance(raises, Inside):
        if asked.low > raises.low or asked.high < raises.high:
            node.refuse(f"{name} reaches into {raised}: it would chatter")
    elif asked == raises:
        node.refuse(f"{name} is what {raised} asks: it would chatter")


def _key(asked: Condition) -> str:
    """The key by which a file asks this."""
    return str(asked.__struct_config__.tag)


def _key_of(word: Word) -> str:
    return {">": "above", "<": "below", "=": "equals", "changed": "changed_by"}.get(word, word)
