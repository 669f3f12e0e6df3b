"""How far back rules look: so much of what is stored an engine needs that begins without its state."""

from collections.abc import Iterable

from alerts.conditions import Absent, ChangedBy, Condition, Frozen, Repeats
from alerts.engine import Engine
from alerts.grouprule import GroupRule
from alerts.rules import Over, Rule


def lookbacks(rules: Iterable[GroupRule]) -> dict[str, int]:
    """By metric, how far back (µs) what some rule remembers of it reaches."""
    found: dict[str, int] = {}
    for watching in rules:
        plans = {metric: watching.plans[metric] for metric in watching.rule.metrics}
        for metric, plan in plans.items():
            back = reach_us(watching.rule) + plan.gap_us + 2 * plan.cadence_us
            found[metric] = max(found.get(metric, 0), back)
    return found


def timers(engine: Engine) -> dict[str, int]:
    """By metric, how far back (µs) the timers of thresholds reach."""
    found: dict[str, int] = {}
    for metric in engine.roster.sector.metrics:
        plan = engine.roster.plan(metric)
        holds = [max(*one.holds, one.clear_us) for one in plan.thresholds if one.timed]
        if holds:
            found[metric] = max(holds) + plan.gap_us + 2 * plan.cadence_us
    return found


def reach_us(rule: Rule) -> int:
    """How far back the rule looks from a reading, but for where things stand now."""
    asked = [rule.asked(level) for level in rule.levels]
    asked += [rule.clear.condition] if rule.clear is not None and rule.clear.condition is not None else []
    window = rule.measure.window_us if isinstance(rule.measure, Over) else 0
    holds = [level.hold_us for level in rule.levels] + [rule.clear.hold_us if rule.clear is not None else 0]
    return window + max(map(_reach_us, asked)) + max(holds)


def _reach_us(condition: Condition) -> int:
    if isinstance(condition, ChangedBy | Repeats):
        return condition.within_us
    if isinstance(condition, Frozen):
        return condition.for_us
    return 2 * condition.after_us if isinstance(condition, Absent) else 0
