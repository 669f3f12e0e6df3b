"""A rule in one line, for those who read lists: water_level_m > 1.5 warning for 2m, > 1.6 critical."""

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
    Repeats,
)
from alerts.ruleconditions import said
from alerts.rules import Over, Rule


def summary(rule: Rule) -> str:
    """What a rule watches and when it alarms."""
    levels = []
    for level in rule.levels:
        hold = f" for {_span(level.hold_us)}" if level.hold_us else ""
        levels.append(f"{asked(rule.asked(level))} {level.severity}{hold}")
    per = f" per {rule.per}" if rule.per != "asset" else ""
    return f"{_input(rule)}{per} {', '.join(levels)}".strip()


def asked(condition: Condition) -> str:
    """A condition in a few words."""
    match condition:
        case Above(limit):
            return f"> {limit:g}"
        case Below(limit):
            return f"< {limit:g}"
        case Equals(value):
            return f"= {value:g}"
        case Outside(low, high):
            return f"outside {low:g} … {high:g}"
        case Inside(low, high):
            return f"inside {low:g} … {high:g}"
        case ChangedBy(within, amount, percent):
            return f"changed by {f'{percent:g}%' if amount is None else f'{amount:g}'} within {_span(within)}"
        case Frozen(length):
            return f"frozen {_span(length)}"
        case Absent(length):
            return f"absent {_span(length)}"
        case Repeats(times, within, inner):
            what = f"{asked(inner)} " if inner is not None else ""
            return f"{what}{times} times within {_span(within)}"
        case AtLeast(assets, inner):
            return f"{asked(inner)} at {assets} assets at once"
        case AllOf(parts) | AnyOf(parts):
            word = " and " if isinstance(condition, AllOf) else " or "
            return word.join(f"{part.metric} {asked(part.inner)}" for part in parts)


def _input(rule: Rule) -> str:
    if rule.reports is not None:
        return f"reports of {', '.join(rule.reports.categories)}"
    if rule.comparison in ("all", "any"):
        return ""
    if isinstance(rule.measure, Over):
        return f"{rule.measure.kind} {_span(rule.measure.window_us)} of {rule.metric}"
    return rule.metric


def _span(us: int) -> str:
    return said(us / 1e6)
