"""What the `city` channel shows, as structs: the same field names as on the wire. Points are [milliseconds, value]."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

Point = tuple[int, float]
Names = dict[str, str]


class Report(msgspec.Struct, frozen=True):
    """A report as screens and REST show it."""

    id: int
    sector: str
    source: str
    subject: str
    category: str
    severity: str
    title: str
    description: str
    status: str
    zone: str | None
    zone_name: Names | None
    location: tuple[float, float] | None
    time: str


class Trend(msgspec.Struct, frozen=True):
    """The last 60 minutes and the same hour a week before, at most 60 points each."""

    trend: list[Point]
    last_week: list[Point]


class Stage(msgspec.Struct, frozen=True):
    """The operating stage, 1 (normal) to 5, as `by` set it; what the city is like is not told by it."""

    level: int
    name: Names
    since: str | None
    by: str | None


class Statistics(msgspec.Struct, frozen=True):
    """Alarms (warning or worse) raised in the last hour and the last ten minutes."""

    alarms_hour: int
    alarms_10min: int


class IncidentView(msgspec.Struct, frozen=True):
    """What probably has one cause: its alerts (some may be over), and how many reports; `first_out` began it."""

    id: str
    first_out: str
    sectors: list[str]
    zones: list[str]
    opened_at: str
    alerts: list[str]
    reports: int


class FloodView(msgspec.Struct, frozen=True):
    """A flood of alarms that lasts: more than ten came in ten minutes, and not yet fewer than five."""

    since: str


class EngineLate(msgspec.Struct, frozen=True):
    """A sector whose alerts can't be relied on: *stalled*, nobody evaluates its rules; *behind*, they catch up.

    What was published after `since` may not have been judged; null: nothing ever was.
    """

    sector: str
    state: Literal["stalled", "behind"]
    since: str | None


class FigureView(msgspec.Struct, frozen=True):
    """A key figure; in a delta, a figure without `trend` keeps the trend it had."""

    metric: str
    label: Names
    unit: str
    decimals: int
    value: float | None
    time: str | None
    cadence_s: float
    severity: str | None
    trend: list[Point] | UnsetType = UNSET
    last_week: list[Point] | UnsetType = UNSET


class Worst(msgspec.Struct, frozen=True):
    """Where the worst lasting alert of a sector is, and what its series measures now.

    An alert that is not of one series (a dead feed) keeps the value of its last transition.
    """

    zone: str | None
    name: Names | None
    metric: str | None
    value: float | None
    unit: str
    decimals: int


class Feed(msgspec.Struct, frozen=True):
    """A sector's newest reading, and how old it may be before the whole feed counts as dead."""

    newest: str | None
    age_s: float | None
    max_s: float | None
    dead: bool


class SectorView(msgspec.Struct, frozen=True):
    """One sector's panel."""

    sector: str
    title: Names
    figures: list[FigureView]
    assets_alive: int
    assets_total: int
    worst: Worst | None
    feed: Feed
