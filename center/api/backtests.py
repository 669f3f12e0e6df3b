"""/api/v1/backtests: a rule tried on what happened, beside its version in force."""

import asyncio
import math
import re
import uuid
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from access.policy import Denied, Principal, narrowed, require
from alerts import rulebook
from alerts.rulefile import LoadedRule, RuleError, parse_rules
from alerts.rules import Rule
from alerts.trial import MOST_ALERTS, MOST_STEPS
from center.api.alerts import Severity
from center.api.common import CenterOf, DateTime, Strict, answers, instant, json_answer
from center.backtests import GRACE_S, MOST_RUNNING, Asked, Backtest, NotRunning, TooMany
from center.errors import RETRY_AFTER_S, ApiError, errors, not_found
from center.permit import ActorOf, Permit, resources
from center.service import Center
from city.timestamps import format_time

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


class Figures(BaseModel):
    """What it did, and what that means for those on duty (ISA-18.2, EEMUA 191). An alert that was still open counts up
    to the end of the time; alarms are alerts of any severity but info."""

    raised: int
    open_at_end: int
    groups: int = Field(description="Assets, zones or sectors for which it was raised")
    longest_s: float
    median_s: float
    most_at_once: int
    alarms_a_day: float
    most_in_ten_minutes: int = Field(description="Alarms, in ten minutes of the clock")
    flood_share: float = Field(description="Share of the time with more than ten alarms in ten minutes")
    chattering_groups: int = Field(description="Groups that were raised three times within a minute")
    older_than_a_day: int = Field(description="Alerts that were open for longer than a day")
    open_share: float = Field(description="Share of the time in which one at least was open")


class AtOnce(BaseModel):
    """How many alerts were open at once."""

    step_s: int
    most: list[int] = Field(description=f"The most in each step from the beginning; at most {MOST_STEPS} steps")


class WouldBe(BaseModel):
    """One alert that it would have raised."""

    group: str = Field(description="The asset, zone or sector")
    severity: Severity = Field(description="The worst that it ever was")
    raised_at: DateTime
    cleared_at: DateTime | None = Field(description="Null: open at the end of the time")
    lasted_s: float = Field(description="Up to the end of the time, if it was still open")


class Tried(BaseModel):
    """What one version would have done."""

    version: int | None = Field(description="Of the one in force; null for the one that was tried")
    readings: int = Field(description="Readings or reports that were judged")
    figures: Figures
    severities: dict[Severity, int] = Field(description="Alerts by the worst severity that they reached")
    at_once: AtOnce
    alerts: list[WouldBe] = Field(description=f"By the time when they were raised; the first {MOST_ALERTS}")


class Result(BaseModel):
    """The rule that was tried, and its version in force."""

    proposed: Tried
    present: Tried | None = Field(description="Null: no rule of its name is in force where you may see it")


class Failure(BaseModel):
    """Why it came to nothing."""

    code: Literal["too_long", "too_much", "unavailable", "died"]
    message: str


class BacktestSummary(BaseModel):
    """A back-test, without what it found."""

    id: uuid.UUID
    state: Literal["running", "done", "failed"]
    progress: float = Field(ge=0, le=1, description="Share of the time that is judged, of both versions together")
    readings: int = Field(description="Readings or reports judged so far")
    rule: str
    sector: str
    zones: list[str] = Field(description="Tried on these zones only: the rule's, within yours; empty: all")
    start: DateTime = Field(alias="from")
    end: DateTime = Field(alias="to")
    by: str
    started_at: DateTime
    ended_at: DateTime | None
    error: Failure | None = Field(description="Of one that failed")


class BacktestOut(BacktestSummary):
    """A back-test."""

    result: Result | None = Field(description="Of one that is done")


class Backtests(BaseModel):
    """Those of this center, the newest first, without their results."""

    backtests: list[BacktestSummary]


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
    return json_answer(_told(one), 202)


@router.get("", summary="Back-tests", responses={**answers(Backtests), **errors(503)})
async def backtests(center: CenterOf, who: MayTry) -> Response:
    """Those within the scope of who asks that run, or ended within the hour."""
    return json_answer({"backtests": [_summary(one) for one in center.backtests.all() if _seen(who, one)]})


@router.get("/{backtest_id}", summary="One back-test", responses={**answers(BacktestOut), **errors(404, 422, 503)})
async def backtest(center: CenterOf, who: MayTry, backtest_id: uuid.UUID) -> Response:
    """How far it is, or what it found."""
    return json_answer(_told(_known(center, who, backtest_id)))


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


def _summary(one: Backtest) -> dict[str, Any]:
    asked = one.asked
    return {
        "id": str(one.id),
        "state": one.state,
        "progress": math.floor(one.progress * 1000) / 1000,
        "readings": one.readings,
        "rule": asked.rule.rule,
        "sector": asked.rule.sector,
        "zones": asked.rule.where.zones,
        "from": format_time(asked.since),
        "to": format_time(asked.until),
        "by": one.by,
        "started_at": format_time(one.started_us),
        "ended_at": None if one.ended_us is None else format_time(one.ended_us),
        "error": None if one.why is None else {"code": one.why, "message": one.sentence},
    }


def _told(one: Backtest) -> dict[str, Any]:
    return {**_summary(one), "result": one.result}
