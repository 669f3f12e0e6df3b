"""What a rule watches, when, and by what measure, read strictly."""

import difflib
from fnmatch import translate
from typing import Final, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from alerts import rulekeys as keys
from alerts.conditions import Condition
from alerts.conditions import unit_of as told_unit
from alerts.hours import Hours
from alerts.ruleconditions import said as said_as
from alerts.ruleconditions import us
from alerts.rulehours import clock_of, days_of
from alerts.rules import KINDS, SEVERITIES, Kind, Over, Per, Reports, Rule, Where
from city.decoding import STATUSES
from city.sectors import Metric, Sector
from city.yamlnodes import Node
from city.zones import ZoneMap

NOTHING: Final = "(?!)"
"""How `fnmatch` writes characters among which there is none."""


def over_of(node: Node, metric: Metric | None, per: Per, reports: Reports | None) -> Over | None:
    """The window a measure is taken over; None: it is the last value."""
    if not node.is_mapping:
        if (said := node.text("measure")) != "last":
            node.refuse(f"measure '{said}' needs a window, such as {{mean: 15m}}; without one there is only last")
        return None
    fields = node.mapping("measure", set(), set(keys.MEASURE))
    if len(fields) != 1:
        node.refuse(f"measure needs exactly one of {', '.join(KINDS)}")
    kind, place = next(iter(fields.items()))
    length = us(place, f"measure.{kind}")
    if reports is not None:
        node.refuse("a report has no value to measure; leave measure out")
    if kind in ("rate", "delta") and per != "asset":
        place.refuse(f"{kind} follows one sensor: between two assets of a {per} it says nothing; write per: asset")
    if metric is not None and length < 2 * metric.cadence_s * 1e6:
        place.refuse(
            f"a window of {said_as(length / 1e6)} is too short: {metric.name} comes every {said_as(metric.cadence_s)}; "
            f"write at least {said_as(2 * metric.cadence_s)}"
        )
    return Over(cast(Kind, kind), length)


def unit_of(metric: Metric | None, over: Over | None, told: Condition | None) -> str:
    """The unit of what its alerts tell."""
    unit = metric.unit if metric is not None else ""
    if over is not None and over.kind in ("count", "rate"):
        unit = "" if over.kind == "count" else f"{unit}/h"
    return told_unit(told, unit) if told is not None else unit


def reports_of(node: Node, sector: Sector) -> Reports:
    """Which reports the rule counts."""
    fields = node.mapping("reports", {"category"}, set(keys.REPORTS) - {"category"})
    known = {"category": tuple(sector.reports), "severity": SEVERITIES, "status": STATUSES}
    chosen: dict[str, tuple[str, ...]] = {}
    for key, place in fields.items():
        words = []
        for item in _some(place, f"reports.{key}") if place.is_sequence else [place]:
            word = item.text(f"reports.{key}")
            if word not in known[key]:
                item.refuse(f"reports.{key} '{word}' is none of {', '.join(known[key]) or 'none that the sector has'}")
            words.append(word)
        chosen[key] = tuple(words)
    return Reports(chosen["category"], chosen.get("severity", ()), chosen.get("status", ()))


def active_of(node: Node, timezone: str) -> Hours:
    """The hours in which it is active."""
    fields = node.mapping("active", set(), set(keys.ACTIVE))
    if not fields:
        node.refuse("active is empty; leave it out to watch at all times")
    days = days_of(fields["days"]) if "days" in fields else tuple(range(7))
    start, end = clock_of(fields["hours"]) if "hours" in fields else (0, 24 * 60)
    zone = fields["timezone"].text("timezone") if "timezone" in fields else timezone
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of time zones, such as Asia
        fields["timezone"].refuse(f"there is no time zone '{zone}'; write one such as Asia/Ho_Chi_Minh")
    return Hours(days, start, end, zone)


def lateness_of(node: Node, rule: Rule, sector: Sector) -> int:
    """How long readings wait for older ones, µs."""
    if node.text("lateness") in ("0", "0s"):
        return 0
    length = us(node, "lateness")
    if rule.reports is not None:
        node.refuse("reports are counted by their own times whatever their order; leave lateness out")
    if rule.comparison == "absent":
        node.refuse("an absence is told by the clock; leave lateness out")
    for metric in rule.metrics:
        age = sector.metrics[metric].max_age_s
        if length > age * 1e6:
            node.refuse(f"what comes so late is older than the max_age of {metric}, {said_as(age)}, and raises nothing")
    return length


def where_of(node: Node, zones: ZoneMap | None) -> Where:
    """Which zones and assets it watches."""
    keys = node.mapping("where", set(), {"zones", "assets"})
    if not keys:
        node.refuse("where is empty; leave it out to watch every asset of the sector")
    codes: tuple[str, ...] = ()
    if "zones" in keys:
        codes = tuple(_zone(item, zones) for item in _some(keys["zones"], "where.zones"))
    if "assets" not in keys:
        return Where(codes)
    given = keys["assets"]
    patterns = _some(given, "where.assets") if given.is_sequence else [given]
    return Where(codes, tuple(_pattern(pattern) for pattern in patterns))


def _pattern(node: Node) -> str:
    """A pattern that some name can fit, as `fnmatch` reads it."""
    pattern = node.text("an asset pattern")
    at = 0
    while (begin := pattern.find("[", at)) >= 0:
        first = begin + 1 + pattern.startswith("!", begin + 1)
        end = pattern.find("]", first + 1)  # a ] right at the beginning is one of the characters
        if end < 0:
            node.refuse(f"the asset pattern '{pattern}' opens a [ that no ] closes; write [[] for the character itself")
        if NOTHING in translate(pattern[begin : end + 1]):
            part = pattern[begin : end + 1]
            node.refuse(f"no name can fit '{part}' of '{pattern}': write the lower end of a span first")
        at = end + 1
    return pattern


def _some(node: Node, name: str) -> list[Node]:
    items = node.items(name)
    if not items:
        node.refuse(f"{name} is empty; leave it out to watch all")
    return items


def _zone(node: Node, zones: ZoneMap | None) -> str:
    """A zone's code. Who writes a zone's name instead, or mistypes either, is told the nearest code."""
    code = node.text("a zone")
    if zones is None or code in zones.zones:
        return code
    names = {name.casefold(): zone.code for zone in zones.zones.values() for name in zone.name.values()}
    names |= {known.casefold(): known for known in zones.zones}
    near = difflib.get_close_matches(code.casefold(), names, n=1)
    advice = f"write the code of one of its {len(zones.zones)} zones"
    if near:
        meant = zones.zones[names[near[0]]]
        advice = f"did you mean '{meant.code}' ({meant.name['vi']})?"
    return node.refuse(f"the map has no zone '{code}'; {advice}")
