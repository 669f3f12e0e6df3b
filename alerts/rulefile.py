"""Rules from YAML files, read strictly: what does not parse or makes no sense is refused with file, line and reason."""

from pathlib import Path

import msgspec
import yaml

from alerts import rulekeys as keys
from alerts.conditions import AllOf, AnyOf
from alerts.ruleconditions import Subject, said, us
from alerts.ruleinput import active_of, lateness_of, over_of, reports_of, unit_of, where_of
from alerts.rulelevels import clear_of, levels_of
from alerts.rules import PERS, Per, Reports, Rule, Where
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


def load_rules(
    folder: Path, catalogue: Catalogue, zones: ZoneMap | None = None, *, or_file: bool = False
) -> list[LoadedRule]:
    """Every rule of the folder's *.yaml files, in the order of the files' names; zones are looked up in the map.

    `or_file`: one file is taken too.

    Raises:
        RuleError: a file that does not parse, a rule that makes no sense, or two of one name.
    """
    alone = or_file and folder.is_file()
    if not (alone or folder.is_dir()):
        raise RuleError(str(folder), 0, "is no folder; name one that holds *.yaml files")
    rules: dict[str, LoadedRule] = {}
    for file in [folder] if alone else sorted(folder.glob("*.yaml")):
        for loaded in parse_rules(read_text(file), catalogue, file, zones):
            name = loaded.rule.rule
            if name in rules:
                first = f"{rules[name].file}:{rules[name].line}"
                raise RuleError(loaded.file, loaded.line, f"rule '{name}' stands already at {first}; use a name once")
            rules[name] = loaded
    if not rules:
        raise RuleError(str(folder), 0, "has no rule in any *.yaml file; without rules there would be no alerts")
    return list(rules.values())


def parse_rules(
    text: str, catalogue: Catalogue, file: Path = Path("rule.yaml"), zones: ZoneMap | None = None
) -> list[LoadedRule]:
    """The rules of one YAML text, one a document; raises RuleError. Without a map any zone is taken."""
    loaded = []
    for node in compose(text, file):
        source = text[node.start_mark.index : node.end_mark.index]
        document = Node(str(file), node, RuleError)
        loaded.append(LoadedRule(_rule(document, catalogue, zones), source, str(file), document.line))
    return loaded


def compose(text: str, file: Path) -> list[yaml.Node]:
    """The documents of a YAML text; raises RuleError if it is none."""
    try:
        return list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RuleError(str(file), line, f"is no YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise RuleError(str(file), 1, f"is no YAML: {error}") from None
    except RecursionError:
        raise RuleError(str(file), 1, "is nested too deep to be read") from None


def read_text(file: Path) -> str:
    """The file's text; raises RuleError if it is none, or can't be read."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RuleError(str(file), 1, f"is not UTF-8: {error.reason} at byte {error.start}") from None
    except OSError as error:
        raise RuleError(str(file), 0, f"can't be read: {error.strerror}") from None


def _rule(node: Node, catalogue: Catalogue, zones: ZoneMap | None) -> Rule:
    fields = node.mapping("a rule", set(keys.REQUIRED), set(keys.RULE) - set(keys.REQUIRED))
    name = _name(fields["rule"])
    sector = _sector(fields["sector"], catalogue)
    reports = reports_of(fields["reports"], sector) if "reports" in fields else None
    per = _per(fields, reports)
    metric = _metric(fields["metric"], sector) if "metric" in fields else None
    if metric is not None and reports is not None:
        fields["reports"].refuse("a rule reads a metric or reports, not both; make two rules of it")
    over = over_of(fields["measure"], metric, per, reports) if "measure" in fields else None
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
        unit=unit_of(metric, over, told),
        per=per,
        measure=over or "last",
        comparison=word,
        levels=levels,
        clear=clear_of(fields["clear"], word, levels, subject) if "clear" in fields else None,
        where=where_of(fields["where"], zones) if "where" in fields else Where(),
        reports=reports,
        active=active_of(fields["active"], catalogue.city.timezone) if "active" in fields else None,
        again_after_us=us(fields["again_after"], "again_after") if "again_after" in fields else 0,
        consequence=fields["consequence"].bilingual("consequence") if "consequence" in fields else None,
        response=_response(fields["response"]) if "response" in fields else (),
        respond_within_s=us(fields["respond_within"], "respond_within") / 1e6 if "respond_within" in fields else None,
        team=fields["team"].text("team") if "team" in fields else None,
    )
    if rule.active is not None:
        _fits(rule, fields["active"], rule.active.longest_us)
    if reports is not None and rule.where.assets:
        fields["where"].refuse("a report has no asset: of where, a rule on reports takes only zones")
    return (
        msgspec.structs.replace(rule, lateness_us=lateness_of(fields["lateness"], rule, sector))
        if ("lateness" in fields)
        else rule
    )


def _fits(rule: Rule, active: Node, longest_us: int | None) -> None:
    """Refuse a `for` that no active while is long enough for."""
    for level in rule.levels:
        if longest_us is not None and level.hold_us >= longest_us:
            active.refuse(
                f"raise.{level.severity} must last {said(level.hold_us / 1e6)}, and timers begin anew outside active, "
                f"which lasts {said(longest_us / 1e6)}: it can never be raised"
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


def _response(node: Node) -> tuple[dict[str, str], ...]:
    steps = node.items("response")
    if len(steps) > keys.RESPONSE_STEPS:
        node.refuse(f"response has {len(steps)} steps; nobody reads more than {keys.RESPONSE_STEPS} in an emergency")
    return tuple(step.bilingual("a response step") for step in steps)
