"""Rules from YAML files, read strictly: what does not parse or makes no sense is refused with file, line and reason."""

import difflib
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import yaml

from alerts import rulekeys as keys
from alerts.conditions import AllOf, AnyOf, Condition, unit_of
from alerts.hours import Hours
from alerts.ruleconditions import Subject, us
from alerts.ruleconditions import said as said_as
from alerts.rulehours import clock_of, days_of
from alerts.rulelevels import clear_of, levels_of
from alerts.rules import KINDS, PERS, SEVERITIES, Kind, Over, Per, Reports, Rule, Where
from city.decoding import STATUSES
from city.sectors import Catalogue, Metric, Sector
from city.yamlnodes import Node, SourceError
from city.zones import ZoneMap


class RuleError(SourceError):
    """A rule that does not parse or makes no sense; the text names file, line and reason."""

    code = "bad_rule"


class LoadedRule(msgspec.Struct, frozen=True):
    """A rule with the text that it was read from, and where that stands."""

    rule: Rule
    source: str
    file: str
    line: int


def load_rules(folder: Path, catalogue: Catalogue, zones: ZoneMap | None = None) -> list[LoadedRule]:
    """Every rule of the folder's *.yaml files, in the order of the files' names; zones are looked up in the map.

    Raises:
        RuleError: a file that does not parse, a rule that makes no sense, or two of one name.
    """
    if not folder.is_dir():
        raise RuleError(str(folder), 0, "is no folder; name one that holds *.yaml files")
    rules: dict[str, LoadedRule] = {}
    for file in sorted(folder.glob("*.yaml")):
        for loaded in parse_rules(read_text(file), catalogue, file, zones):
            name = loaded.rule.rule
            if name in rules:
                first = f"{rules[name].file}:{rules[name].line}"
                raise RuleError(loaded.file, loaded.line, f"rule '{name}' stands already at {first}; use a name once")
            rules[name] = loaded
    return list(rules.values())


def parse_rules(
    text: str, catalogue: Catalogue, file: Path = Path("rule.yaml"), zones: ZoneMap | None = None
) -> list[LoadedRule]:
    """The rules of one YAML text, one a document; raises RuleError. Without a map any zone is taken."""
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RuleError(str(file), line, f"is no YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise RuleError(str(file), 1, f"is no YAML: {error}") from None
    loaded = []
    for node in nodes:
        source = text[node.start_mark.index : node.end_mark.index]
        document = Node(str(file), node, RuleError)
        loaded.append(LoadedRule(_rule(document, catalogue, zones), source, str(file), document.line))
    return loaded


def read_text(file: Path) -> str:
    """The file's text; raises RuleError if it is none."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RuleError(str(file), 1, f"is not UTF-8: {error.reason} at byte {error.start}") from None


def _rule(node: Node, catalogue: Catalogue, zones: ZoneMap | None) -> Rule:
    fields = node.mapping("a rule", set(keys.REQUIRED), set(keys.RULE) - set(keys.REQUIRED))
    name = _name(fields["rule"])
    sector = _sector(fields["sector"], catalogue)
    reports = _reports(fields["reports"], sector) if "reports" in fields else None
    per = _per(fields, reports)
    metric = _metric(fields["metric"], sector) if "metric" in fields else None
    if metric is not None and reports is not None:
        fields["reports"].refuse("a rule reads a metric or reports, not both; make two rules of it")
    over = _over(fields["measure"], metric, per, reports) if "measure" in fields else None
    subject = Subject(sector, metric, per, over, reports is not None)
    if metric is None and reports is None and not any(word in _words(fields["raise"]) for word in ("all_of", "any_of")):
        node.refuse("a rule needs a metric, or reports, or all_of or any_of over several metrics")
    word, levels = levels_of(fields["raise"], subject)
    told = levels[0].condition
    if metric is None and isinstance(told, AllOf | AnyOf):
        metric = sector.metrics[told.parts[0].metric]
    rule = Rule(
        rule=name,
        title=fields["title"].bilingual("title"),
        short=fields["short"].bilingual("short", keys.SHORT_LENGTH),
        sector=sector.name,
        metric=metric.name if metric is not None else "",
        unit=_unit(metric, over, told),
        per=per,
        measure=over or "last",
        comparison=word,
        levels=levels,
        clear=clear_of(fields["clear"], word, levels, subject) if "clear" in fields else None,
        where=_where(fields["where"], zones) if "where" in fields else Where(),
        reports=reports,
        active=_active(fields["active"], catalogue.city.timezone) if "active" in fields else None,
        again_after_us=us(fields["again_after"], "again_after") if "again_after" in fields else 0,
        consequence=fields["consequence"].bilingual("consequence") if "consequence" in fields else None,
        response=_response(fields["response"]) if "response" in fields else (),
        respond_within_s=fields["respond_within"].seconds("respond_within") if "respond_within" in fields else None,
        team=fields["team"].text("team") if "team" in fields else None,
    )
    if reports is not None and rule.where.assets:
        fields["where"].refuse("a report has no asset: of where, a rule on reports takes only zones")
    return (
        msgspec.structs.replace(rule, lateness_us=_lateness(fields["lateness"], rule, sector))
        if ("lateness" in fields)
        else rule
    )


def _words(node: Node) -> set[str]:
    """Every key that any level has; what is no mapping is refused elsewhere."""
    levels = [value for _, value in node.entries("raise").values()] if node.is_mapping else []
    return {word for level in levels if level.is_mapping for word in level.entries("raise")}


def _name(node: Node) -> str:
    name = node.text("rule")
    if not all((part.isascii() and part.isalnum() and part.islower()) or part.isdigit() for part in name.split("-")):
        node.refuse(f"rule '{name}' must be lower-case words joined by -, such as river-alarm-3")
    if name.startswith("system-"):
        node.refuse("names that begin with system- belong to the built-in rules; choose another")
    return name


def _sector(node: Node, catalogue: Catalogue) -> Sector:
    name = node.text("sector")
    if name not in catalogue.sectors:
        node.refuse(f"unknown sector '{name}'; the catalogue has {', '.join(sorted(catalogue.sectors))}")
    return catalogue.sectors[name]


def _metric(node: Node, sector: Sector) -> Metric:
    name = node.text("metric")
    if name not in sector.metrics:
        node.refuse(f"{sector.name} has no metric '{name}'; the catalogue has {', '.join(sorted(sector.metrics))}")
    return sector.metrics[name]


def _per(fields: dict[str, Node], reports: Reports | None) -> Per:
    said = fields["per"].text("per") if "per" in fields else "asset"
    if said not in PERS:
        fields["per"].refuse(f"per '{said}' is none of {', '.join(PERS)}")
    if reports is not None and said == "asset":
        fields["reports"].refuse("a report has no asset: write per: zone or per: sector")
    return said


def _over(node: Node, metric: Metric | None, per: Per, reports: Reports | None) -> Over | None:
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


def _unit(metric: Metric | None, over: Over | None, told: Condition | None) -> str:
    """The unit of what its alerts tell."""
    unit = metric.unit if metric is not None else ""
    if over is not None and over.kind in ("count", "rate"):
        unit = "" if over.kind == "count" else f"{unit}/h"
    return unit_of(told, unit) if told is not None else unit


def _reports(node: Node, sector: Sector) -> Reports:
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


def _active(node: Node, timezone: str) -> Hours:
    fields = node.mapping("active", set(), set(keys.ACTIVE))
    if not fields:
        node.refuse("active is empty; leave it out to watch at all times")
    days = days_of(fields["days"]) if "days" in fields else tuple(range(7))
    start, end = clock_of(fields["hours"]) if "hours" in fields else (0, 24 * 60)
    zone = fields["timezone"].text("timezone") if "timezone" in fields else timezone
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        fields["timezone"].refuse(f"there is no time zone '{zone}'; write one such as Asia/Ho_Chi_Minh")
    return Hours(days, start, end, zone)


def _lateness(node: Node, rule: Rule, sector: Sector) -> int:
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


def _where(node: Node, zones: ZoneMap | None) -> Where:
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
    return Where(codes, tuple(pattern.text("an asset pattern") for pattern in patterns))


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


def _response(node: Node) -> tuple[dict[str, str], ...]:
    steps = node.items("response")
    if len(steps) > keys.RESPONSE_STEPS:
        node.refuse(f"response has {len(steps)} steps; nobody reads more than {keys.RESPONSE_STEPS} in an emergency")
    return tuple(step.bilingual("a response step") for step in steps)
