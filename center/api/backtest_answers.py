"""What a back-test tells of itself and of what it found, as REST shows it."""

import math
import uuid
from typing import Any, Literal

from pydantic import BaseModel, Field

from alerts.trial import MOST_ALERTS, MOST_STEPS
from center.api.alerts import Severity
from center.api.common import DateTime
from center.backtests import Backtest
from city.timestamps import format_time


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


def summary(one: Backtest) -> dict[str, Any]:
    """A BacktestSummary."""
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


def told(one: Backtest) -> dict[str, Any]:
    """A BacktestOut."""
    return {**summary(one), "result": one.result}
