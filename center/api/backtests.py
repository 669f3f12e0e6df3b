"""/api/v1/backtests: a rule tried on what happened, beside its version in force."""

import asyncio
import re
import uuid
from typing import Annotated, Final

import msgspec
from fastapi import Depends
from pydantic import Field
from starlette.responses import Response

from access.policy import Denied, Principal, narrowed, require
from alerts import rulebook
from alerts.rulefile import LoadedRule, RuleError, parse_rules
from alerts.rules import Rule
from center.api.backtest_answers import BacktestOut, Backtests, summary, told
from center.api.common import CenterOf, Strict, answers, instant, json_answer
from center.backtests import GRACE_S, MOST_RUNNING, Asked, Backtest, NotRunning, TooMany
from center.errors import RETRY_AFTER_S, ApiError, errors, not_found
from center.permit import ActorOf, Permit, resources
from center.service import Center

router = resources("/backtests", tag="rules")
MayTry = Annotated[Principal, Depends(Permit("rules.backtest"))]
LONGEST_US: Final = 366 * 86_400_000_000
AHEAD_US: Final = 60_000_000
"""So far may the clock of who asks be ahead."""
MOST_CHARACTERS: Final = 12_000
NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class NewBacktest(Strict):
    """Which rule, and over which time."""

    rule: str = Field(
        min_length=1,
        max_length=MOST_CHARACTERS,
        description="The YAML text of one rule, as a file has it; or the name of a rule in force",
        examples=["street-flood"],
    )
    since: Annotated[str, Field(alias="from", max_length=64, json_schema_extra={"format": "date-time"})]
    until: Annotated[str, Field(alias="to", max_length=64, json_schema_extra={"format": "date-time"})]


@router.post(
    "",
    status_code=202,
    summary="Try a rule on what happened",
    responses={**answers(BacktestOut, "Begun", 202), **errors(403, 408, 413, 422, 429, 503)},
)
async def start(center: CenterOf, who: MayTry, actor: ActorOf, body: NewBacktest) -> Response:
    """The same engine as the live city's judges what is stored, in `[from, to)`; nothing is changed and nobody is told.
    Each reading counts as come at its own time. Who has only some zones tries the rule on theirs.

    It belongs to the center that was asked and is kept there for an hour; ask that one for it.
    """
    since, until = _span(center, body)
    rule, present = await _rules(center, body.rule)
    if present is not None:
        present = _present(who, present)
    try:
        one = await center.backtests.start(Asked(_within(who, rule), present, since, until), actor)
    except TooMany as full:
        sentence = f"{MOST_RUNNING} back-tests run already; wait for one to end, or cancel it."
        raise ApiError(429, "too_many_backtests", sentence, retry_after_s=RETRY_AFTER_S) from full
    except NotRunning as away:
        raise ApiError(503, "unavailable", "The center is stopping.", retry_after_s=RETRY_AFTER_S) from away
    return json_answer(told(one), 202)


@router.get("", summary="Back-tests", responses={**answers(Backtests), **errors(503)})
async def backtests(center: CenterOf, who: MayTry) -> Response:
    """Those within the scope of who asks that run, or ended within the hour."""
    return json_answer({"backtests": [summary(one) for one in center.backtests.all() if _seen(who, one)]})


@router.get("/{backtest_id}", summary="One back-test", responses={**answers(BacktestOut), **errors(404, 422, 503)})
async def backtest(center: CenterOf, who: MayTry, backtest_id: uuid.UUID) -> Response:
    """How far it is, or what it found."""
    return json_answer(told(_known(center, who, backtest_id)))


@router.delete(
    "/{backtest_id}",
    status_code=204,
    summary="Cancel or forget a back-test",
    responses={204: {"description": f"Within {GRACE_S:g} s; its place is free"}, **errors(403, 404, 422, 503)},
)
async def end(center: CenterOf, who: MayTry, backtest_id: uuid.UUID) -> Response:
    """One that runs is stopped; there is no such back-test afterwards."""
    await center.backtests.end(_known(center, who, backtest_id))
    return Response(status_code=204)


def _span(center: Center, body: NewBacktest) -> tuple[int, int]:
    since, until = instant(body.since, "from"), instant(body.until, "to")
    if since >= until:
        raise ApiError(422, "invalid", "from: must be before to.")
    if until > center.clock.now_us() + AHEAD_US:
        raise ApiError(422, "not_yet", "to: nothing has happened yet after now.")
    if until - since > LONGEST_US:
        days = LONGEST_US // 86_400_000_000
        raise ApiError(422, "span_too_large", f"from: at most {days} days before to.")
    return since, until


async def _rules(center: Center, given: str) -> tuple[Rule, Rule | None]:
    """The rule to try and its version in force. Raises ApiError 422."""
    if NAME.fullmatch(given):
        held = await rulebook.in_force(center.pool, given)
        if held is None:
            raise ApiError(422, "unknown_rule", f"No rule in force is called '{given}'; send the YAML text of one.")
        return held, held
    try:
        async with center.backtests.reading:
            loaded = await asyncio.to_thread(parse_rules, given, center.catalogue, zones=center.zones)
        rule = _only(loaded)
    except RuleError as wrong:
        raise ApiError(422, wrong.code, str(wrong), line=wrong.line) from wrong
    return rule, await rulebook.in_force(center.pool, rule.rule)


def _only(loaded: list[LoadedRule]) -> Rule:
    """Raises RuleError."""
    if not loaded:
        raise RuleError("rule.yaml", 1, "holds no rule")
    if len(loaded) > 1:
        raise RuleError(loaded[1].file, loaded[1].line, "is a second rule; try one at a time")
    return loaded[0].rule


def _within(who: Principal, rule: Rule) -> Rule:
    """The rule, on the zones of who asks. Raises Denied."""
    require(who, "rules.backtest", sector=rule.sector)
    zones = narrowed(who.zones, frozenset(rule.where.zones), "zones")
    where = msgspec.structs.replace(rule.where, zones=tuple(sorted(zones)))
    return rule if where.zones == tuple(sorted(rule.where.zones)) else msgspec.structs.replace(rule, where=where)


def _present(who: Principal, rule: Rule) -> Rule | None:
    """The version in force as far as who asks may see what it does; None: not at all."""
    try:
        return _within(who, rule)
    except Denied:
        return None


def _seen(who: Principal, one: Backtest) -> bool:
    """Whether all that it tells is within the scope of who asks."""
    held = [one.asked.rule, *([one.asked.present] if one.asked.present is not None else [])]
    return all(
        (not who.sectors or rule.sector in who.sectors)
        and (not who.zones or (bool(rule.where.zones) and who.zones.issuperset(rule.where.zones)))
        for rule in held
    )


def _known(center: Center, who: Principal, backtest_id: uuid.UUID) -> Backtest:
    """Raises ApiError 404, also for what is outside the scope."""
    one = center.backtests.get(backtest_id)
    if one is None or not _seen(who, one):
        raise not_found(f"back-test {backtest_id}")
    return one
