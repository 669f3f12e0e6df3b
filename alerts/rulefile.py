"""Rules from YAML files, read strictly: what does not parse or makes no sense is refused with file, line and reason."""

import difflib
from pathlib import Path
from typing import Final, Literal

import msgspec
import yaml

from alerts.rules import SEVERITIES, Clear, Level, Rule, Where
from city.sectors import Catalogue, Metric
from city.yamlnodes import Node, SourceError
from city.zones import ZoneMap

SHORT_LENGTH: Final = 24
RESPONSE_STEPS: Final = 5

_REQUIRED: Final = {"rule", "title", "short", "sector", "metric", "raise"}
_OPTIONAL: Final = {
    *("per", "measure", "clear", "where", "lateness"),
    *("consequence", "response", "respond_within", "team"),
}
_CONDITION: Final = {"above", "below", "for"}


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
        for loaded in parse_rules(_read(file), catalogue, file, zones):
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


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RuleError(str(file), 1, f"is not UTF-8: {error.reason} at byte {error.start}") from None


def _rule(node: Node, catalogue: Catalogue, zones: ZoneMap | None) -> Rule:
    keys = node.mapping("a rule", _REQUIRED, _OPTIONAL)
    name = keys["rule"].text("rule")
    if not all((part.isascii() and part.isalnum() and part.islower()) or part.isdigit() for part in name.split("-")):
        keys["rule"].refuse(f"rule '{name}' must be lower-case words joined by -, such as river-alarm-3")
    if name.startswith("system-"):
        keys["rule"].refuse("names that begin with system- belong to the built-in rules; choose another")
    for word, only in (("per", "asset"), ("measure", "last")):
        if word in keys and (said := keys[word].text(word)) != only:
            keys[word].refuse(f"{word} '{said}' is not supported yet; this version knows {word}: {only}")
    if "lateness" in keys and keys["lateness"].text("lateness") not in ("0", "0s"):
        keys["lateness"].refuse("lateness is not supported yet; leave it out or write 0s")
    sector, metric = _metric(keys, catalogue)
    comparison, levels = _levels(keys["raise"], metric)
    return Rule(
        rule=name,
        title=keys["title"].bilingual("title"),
        short=keys["short"].bilingual("short", SHORT_LENGTH),
        sector=sector,
        metric=metric.name,
        unit=metric.unit,
        comparison=comparison,
        levels=levels,
        clear=_clear(keys["clear"], comparison, levels, metric) if "clear" in keys else None,
        where=_where(keys["where"], zones) if "where" in keys else Where(),
        consequence=keys["consequence"].bilingual("consequence") if "consequence" in keys else None,
        response=_response(keys["response"]) if "response" in keys else (),
        respond_within_s=keys["respond_within"].seconds("respond_within") if "respond_within" in keys else None,
        team=keys["team"].text("team") if "team" in keys else None,
    )


def _metric(keys: dict[str, Node], catalogue: Catalogue) -> tuple[str, Metric]:
    sector = keys["sector"].text("sector")
    if sector not in catalogue.sectors:
        keys["sector"].refuse(f"unknown sector '{sector}'; the catalogue has {', '.join(sorted(catalogue.sectors))}")
    name = keys["metric"].text("metric")
    metric = catalogue.metric(sector, name)
    if metric is None:
        known = ", ".join(sorted(catalogue.sectors[sector].metrics))
        keys["metric"].refuse(f"{sector} has no metric '{name}'; the catalogue has {known}")
    return sector, metric


def _levels(node: Node, metric: Metric) -> tuple[Literal[">", "<"], tuple[Level, ...]]:
    entries = node.mapping("raise", set(), set(SEVERITIES))
    if not entries:
        node.refuse("raise needs at least one severity")
    sides: set[Literal[">", "<"]] = set()
    levels: list[Level] = []
    for severity in SEVERITIES:
        if severity not in entries:
            continue
        place = entries[severity]
        keys = place.mapping(f"raise.{severity}", set(), _CONDITION)
        if ("above" in keys) == ("below" in keys):
            place.refuse(f"raise.{severity} needs exactly one of above, below")
        word = "above" if "above" in keys else "below"
        sides.add(">" if word == "above" else "<")
        limit = keys[word].number(f"raise.{severity}.{word}")
        _within(keys[word], f"raise.{severity}.{word}", limit, metric, word)
        hold = _us(keys["for"], f"raise.{severity}.for") if "for" in keys else 0
        if hold and metric.cadence_s > metric.max_age_s:
            keys["for"].refuse(f"{metric.name} comes rarer than its max_age allows: no 'for' can be seen to last")
        if len(sides) > 1:
            place.refuse("raise mixes above and below; make two rules of it")
        if levels and (limit <= levels[-1].limit if word == "above" else limit >= levels[-1].limit):
            keys[word].refuse(f"raise.{severity} is no worse than raise.{levels[-1].severity}; order the limits")
        levels.append(Level(severity, limit, hold))
    return sides.pop(), tuple(levels)


def _within(node: Node, name: str, limit: float, metric: Metric, word: str) -> None:
    reachable = metric.low <= limit < metric.high if word == "above" else metric.low < limit <= metric.high
    if not reachable:
        node.refuse(f"{name} {limit:g} can never be passed: {metric.name} lies in {metric.low:g} to {metric.high:g}")


def _clear(node: Node, comparison: str, levels: tuple[Level, ...], metric: Metric) -> Clear:
    keys = node.mapping("clear", set(), _CONDITION)
    if ("above" in keys) == ("below" in keys):
        node.refuse("clear needs exactly one of above, below")
    word = "below" if comparison == ">" else "above"
    if word not in keys:
        node.refuse(f"this rule raises on the other side: clear needs '{word}'")
    limit = keys[word].number(f"clear.{word}")
    lowest = levels[0].limit
    if limit > lowest if comparison == ">" else limit < lowest:
        keys[word].refuse(f"clear.{word} {limit:g} lies inside raise.{levels[0].severity} {lowest:g}: it would chatter")
    _within(keys[word], f"clear.{word}", limit, metric, word)
    return Clear(limit, _us(keys["for"], "clear.for") if "for" in keys else 0)


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


def _us(node: Node, name: str) -> int:
    """A duration in microseconds."""
    return round(node.seconds(name) * 1e6)


def _response(node: Node) -> tuple[dict[str, str], ...]:
    steps = node.items("response")
    if len(steps) > RESPONSE_STEPS:
        node.refuse(f"response has {len(steps)} steps; nobody reads more than {RESPONSE_STEPS} in an emergency")
    return tuple(step.bilingual("a response step") for step in steps)
