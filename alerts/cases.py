"""Cases for rules: readings and reports in short, and the alerts that they must make, at which times, and no other.

One YAML document a case:

    case: the tide rises to level II and falls
    rules: [../environment.yaml]          # files, seen from this one
    interval: 10s
    start: "2026-11-23T08:00:00Z"         # where active hours matter
    readings:
      - {asset: PA-1, zone: "26740", water_level_m: 1.3x6 1.45x40 1.3x80}
    reports:
      - {at: 5m, category: flooding, subject: A-1, zone: "26740"}
    expect:
      - {at: 6m, raised: river-alarm-phu-an, group: PA-1, severity: warning}
"""

import difflib
from pathlib import Path
from typing import Final

import msgspec

from alerts.engine import Arrival, Engine, Tick
from alerts.rulefile import RuleError, compose, parse_rules, read_text
from alerts.rules import Rule
from alerts.series_notation import expand
from alerts.system import SYSTEM
from alerts.transitions import Transition
from city.events import Reading, Report
from city.sectors import Catalogue
from city.timestamps import parse_time
from city.yamlnodes import Node
from city.zones import ZoneMap

US: Final = 1_000_000
START_US: Final = 1_795_420_800 * US
"""2026-11-23T08:00:00Z, a Monday, 15:00 in Hồ Chí Minh City."""

KINDS: Final = ("raised", "escalated", "eased", "cleared")
_CASE: Final = {"case", "rules", "expect"}
_CASE_OPTIONAL: Final = {"interval", "start", "readings", "reports", "until", "only"}
_REPORT: Final = {"at", "category", "subject"}
_REPORT_OPTIONAL: Final = {"zone", "severity", "status", "sector"}


class Case(msgspec.Struct, frozen=True):
    """One case: what comes, in order of time, until when time goes on, and what is expected."""

    name: str
    file: str
    line: int
    rules: list[Rule]
    arrivals: dict[str, list[Arrival]]
    start: int
    interval_us: int
    until: int
    expected: list[str]
    only: frozenset[str]


def load_cases(file: Path, catalogue: Catalogue, zones: ZoneMap) -> list[Case]:
    """Every case of a file.

    Raises:
        RuleError: with file, line and reason, of the case or of a rule that it names.
    """
    nodes = compose(read_text(file), file)
    return [_case(Node(str(file), node, RuleError), file, catalogue, zones) for node in nodes]


def run(case: Case, catalogue: Catalogue) -> list[str]:
    """What the case's rules tell: one line a transition, in order of time."""
    told: list[Transition] = []
    for sector in sorted({rule.sector for rule in case.rules}):
        engine = Engine(sector, catalogue, case.rules)
        engine.resume(case.start)
        waiting = sorted(case.arrivals.get(sector, []), key=lambda one: one.record_time)
        at = 0
        for now in range(case.start, case.until + 1, case.interval_us):
            first = at
            while at < len(waiting) and waiting[at].record_time <= now:
                at += 1
            told += engine.step(waiting[first:at], Tick(now, True))
    told = [one for one in told if (not case.only or one.rule in case.only)]
    wanted = {line.split()[2] for line in case.expected}
    seen = [one for one in told if one.rule not in SYSTEM or one.rule in wanted]
    return [
        _line(one.event_time - case.start, one.kind, one.rule, one.group, one.severity)
        for one in sorted(seen, key=lambda one: (one.event_time, one.rule, one.group))
    ]


def difference(case: Case, told: list[str]) -> list[str]:
    """What was expected and did not come (-), what came and was not expected (+); empty if the case holds."""
    if told == case.expected:
        return []
    return [line for line in difflib.ndiff(case.expected, told) if not line.startswith("?")]


def _line(us: int, kind: str, rule: str, group: str, severity: str) -> str:
    return f"{us / US:>8g}s {kind:<9} {rule} {group} {severity}"


def _case(node: Node, file: Path, catalogue: Catalogue, zones: ZoneMap) -> Case:
    fields = node.mapping("a case", _CASE, _CASE_OPTIONAL)
    rules: list[Rule] = []
    for item in fields["rules"].items("rules"):
        named = file.parent / item.text("rules")
        if not named.is_file():
            item.refuse(f"there is no file {named}")
        rules += [loaded.rule for loaded in parse_rules(read_text(named), catalogue, named, zones)]
    interval = round(fields["interval"].seconds("interval") * US) if "interval" in fields else 10 * US
    start = _start(fields["start"]) if "start" in fields else START_US
    by_sector = {metric: rule.sector for rule in rules for metric in rule.metrics}
    arrivals: dict[str, list[Arrival]] = {}
    for item in fields["readings"].items("readings") if "readings" in fields else []:
        _readings(item, by_sector, start, interval, arrivals)
    for item in fields["reports"].items("reports") if "reports" in fields else []:
        _report(item, rules, start, arrivals)
    last = max((one.record_time for some in arrivals.values() for one in some), default=start)
    until = start + round(fields["until"].seconds("until") * US) if "until" in fields else last
    expected = [_expected(item) for item in fields["expect"].items("expect")]
    only = frozenset(item.text("only") for item in fields["only"].items("only")) if "only" in fields else frozenset()
    for item in fields["only"].items("only") if "only" in fields else []:
        if item.text("only") not in {rule.rule for rule in rules}:
            item.refuse(f"no file of this case has a rule '{item.text('only')}'")
    name = fields["case"].text("case")
    return Case(name, str(file), node.line, rules, arrivals, start, interval, until, expected, only)


def _start(node: Node) -> int:
    try:
        return parse_time(node.text("start"))
    except ValueError as error:
        node.refuse(f"start {error}")


def _readings(
    node: Node, by_sector: dict[str, str], start: int, interval: int, arrivals: dict[str, list[Arrival]]
) -> None:
    """Readings of one asset; those of several metrics at one time are one event."""
    fields = {word: value for word, (_, value) in node.entries("a series").items()}
    if "asset" not in fields:
        node.refuse("a series needs its asset")
    asset = fields.pop("asset").text("asset")
    zone = fields.pop("zone").text("zone") if "zone" in fields else None
    at: dict[tuple[str, int], dict[str, float]] = {}
    for metric, place in fields.items():
        if metric not in by_sector:
            place.refuse(f"no rule of this case watches '{metric}'; they watch {', '.join(sorted(by_sector))}")
        try:
            values = expand(place.text(metric, 10_000))
        except ValueError as error:
            place.refuse(str(error))
        for number, value in enumerate(values):
            if value is not None:
                at.setdefault((by_sector[metric], number), {})[metric] = value
    for (sector, number), measured in at.items():
        time = start + number * interval
        arrivals.setdefault(sector, []).append(Arrival(time, Reading(sector, asset, time, measured, zone)))


def _report(node: Node, rules: list[Rule], start: int, arrivals: dict[str, list[Arrival]]) -> None:
    fields = node.mapping("a report", _REPORT, _REPORT_OPTIONAL)
    given = {word: fields[word].text(word) for word in fields if word != "at"}
    watching = sorted({rule.sector for rule in rules if rule.reports is not None})
    if not watching:
        node.refuse("no rule of this case counts reports")
    time = start + (0 if fields["at"].text("at") in ("0", "0s") else round(fields["at"].seconds("at") * US))
    sector = given.get("sector", watching[0])
    event = Report(
        *(sector, "//case", given["subject"], time, given["category"], given.get("severity", "warning")),
        *("", "", given.get("status", "open"), given.get("zone")),
    )
    arrivals.setdefault(sector, []).append(Arrival(time, event))


def _expected(node: Node) -> str:
    fields = node.mapping("an expectation", {"at", "group", "severity"}, set(KINDS))
    kinds = [kind for kind in KINDS if kind in fields]
    if len(kinds) != 1:
        node.refuse(f"an expectation needs exactly one of {', '.join(KINDS)}, with the name of the rule")
    at = fields["at"]
    seconds = 0.0 if at.text("at") in ("0", "0s") else at.seconds("at")
    rule, group = fields[kinds[0]].text(kinds[0]), fields["group"].text("group")
    return _line(round(seconds * US), kinds[0], rule, group, fields["severity"].text("severity"))
