"""The judges of a rule's levels: of the way to each, and of the way back from it."""

from alerts.judges import OfValue, judge_of
from alerts.predicates import Judge
from alerts.rules import Rule
from alerts.threshold import Threshold


def judges_of(rule: Rule, cadence_us: int, gaps_us: dict[str, int]) -> tuple[list[Judge], list[Judge | None]]:
    """Judges of the way to each level, and of the way back from it: None where that is just the opposite."""
    if rule.comparison in (">", "<"):
        threshold = Threshold(rule)
        raises: list[Judge] = [_beyond(limit, threshold.above) for limit in threshold.limits]
        return raises, [_within(calm, threshold.above) for calm in threshold.calm]
    judged = [judge_of(rule.asked(level), cadence_us, gaps_us) for level in rule.levels]
    calms: list[Judge | None] = [None] * len(judged)
    if rule.clear is not None and rule.clear.condition is not None:
        calms[0] = judge_of(rule.clear.condition, cadence_us, gaps_us)
    return judged, calms


def _beyond(limit: float, above: bool) -> Judge:
    """Past a limit, which for a rule that says *below* is negated as the threshold has it."""
    if above:
        return OfValue(lambda low, high: True if low > limit else (False if high <= limit else None))
    return OfValue(lambda low, high: True if -high > limit else (False if -low <= limit else None))


def _within(calm: float, above: bool) -> Judge:
    """At or under the calm limit."""
    if above:
        return OfValue(lambda low, high: True if high <= calm else (False if low > calm else None))
    return OfValue(lambda low, high: True if -low <= calm else (False if -high > calm else None))
