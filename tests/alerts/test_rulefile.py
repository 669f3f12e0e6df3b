"""A rule that does not parse or makes no sense is refused by file, line and reason; good ones are read whole."""

from pathlib import Path

import pytest

from alerts.rulefile import RuleError, load_rules, parse_rules
from alerts.rules import SEVERITIES, decode_rule, encode_rule
from city.sectors import Catalogue
from city.settings import DEFAULT_CITY
from city.zones import ZoneMap
from tests.alerts.town import TIDE, town

ZONES = ZoneMap.load(DEFAULT_CITY)

GOOD = """\
rule: tide
title: {vi: Triều cao, en: High tide}
short: {vi: Triều cao, en: High tide}
sector: river
metric: level_m
raise:
  warning: {above: 1.5, for: 2m}
  critical: {above: 1.6}
clear: {below: 1.4, for: 10m}
response:
  - {vi: a, en: b}
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("rule: tide", "rule: Tide 1", 1, "must be lower-case words joined by -"),
        ("rule: tide", "rule: system-tide", 1, "belong to the built-in rules"),
        ("title: {vi: Triều cao, en: High tide}", "title: {vi: Triều cao}", 2, "title needs en"),
        ("short: {vi: Triều cao, en: High tide}", "short: {vi: a, en: A much too long short title}", 3, "at most 24"),
        ("sector: river", "sector: rivers", 4, "unknown sector 'rivers'; the catalogue has river, street"),
        ("metric: level_m", "metric: level", 5, "river has no metric 'level'; the catalogue has level_m"),
        ("above: 1.5,", "above: high,", 7, "must be a number"),
        ("above: 1.5,", "above: '1.5',", 7, "must be a number"),
        ("above: 1.5,", "above: 9,", 7, "can never be passed: level_m lies in -3 to 5"),
        ("above: 1.5,", "above: 1.5, below: 1,", 7, "exactly one of above, below"),
        ("for: 2m}", "for: two minutes}", 7, "write a number and ms, s, m, h, d or w, such as 2m"),
        ("critical: {above: 1.6}", "critical: {above: 1.5}", 8, "no worse than raise.warning"),
        ("critical: {above: 1.6}", "critical: {below: 1.0}", 8, "mixes above and below"),
        ("critical:", "terrible:", 8, "raise has no key 'terrible'; known: critical, emergency, info, warning"),
        ("clear: {below: 1.4", "clear: {below: 1.55", 9, "lies inside raise.warning 1.5: it would chatter"),
        ("clear: {below: 1.4", "clear: {above: 1.7", 9, "clear needs 'below'"),
        ("  - {vi: a, en: b}", "  - {vi: a, en: b}\n" * 6, 11, "has 6 steps"),
        ("response:", "respond:", 10, "a rule has no key 'respond'"),
        ("metric: level_m", "metric: level_m\nmetric: level_m", 6, "'metric' twice"),
        ("metric: level_m", "metric: level_m\nper: zone", 6, "per 'zone' is not supported yet"),
        ("metric: level_m", "metric: level_m\nmeasure: {mean: 15m}", 6, "measure must be a text"),
        ("metric: level_m", "metric: level_m\nlateness: 10s", 6, "lateness is not supported yet"),
        ("metric: level_m", "metric: [", 6, "is no YAML"),
        ("metric: level_m", "metric: level_m\nwhere: {zones: ['267400']}", 6, "no zone '267400'; did you mean '26740'"),
        (
            "metric: level_m",
            "metric: level_m\nwhere: {zones: [Ben Thanh]}",
            6,
            "mean '26743' (Phường Bến Thành)",
        ),
        (
            "metric: level_m",
            "metric: level_m\nwhere:\n  zones:\n  - '????'",
            8,
            "write the code of one of its",
        ),
        ("metric: level_m", "metric: level_m\nwhere: {zones: []}", 6, "where.zones is empty"),
        ("metric: level_m", "metric: level_m\nwhere: {assets: []}", 6, "where.assets is empty"),
        ("metric: level_m", "metric: level_m\nwhere: {assets: ''}", 6, "an asset pattern is empty"),
        ("metric: level_m", "metric: level_m\nwhere: {assets: [PA-*, ' ']}", 6, "an asset pattern is empty"),
        ("metric: level_m", "metric: level_m\nwhere: {}", 6, "where is empty"),
    ],
)
def test_what_is_wrong_is_told_by_line_and_reason(old: str, new: str, line: int, reason: str) -> None:
    assert old in GOOD
    with pytest.raises(RuleError) as refused:
        parse_rules(GOOD.replace(old, new, 1), town(), Path("rules/tide.yaml"), ZONES)
    assert refused.value.line in (line, line + 1)
    assert str(refused.value).startswith("rules/tide.yaml:")
    assert reason in refused.value.reason


def test_a_good_rule_is_read_whole_and_survives_the_database() -> None:
    (loaded,) = parse_rules(GOOD, town())
    rule = loaded.rule
    assert [(level.severity, level.limit, level.hold_us) for level in rule.levels] == [
        ("warning", 1.5, 120_000_000),
        ("critical", 1.6, 0),
    ]
    assert decode_rule(encode_rule(rule)) == rule
    assert loaded.source.startswith("rule: tide")


def test_two_rules_of_one_name_are_refused_with_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TIDE)
    (tmp_path / "b.yaml").write_text("# the same again\n" + TIDE)
    with pytest.raises(RuleError, match=r"b\.yaml:3: rule 'tide' stands already at .*a\.yaml:2"):
        load_rules(tmp_path, town())


def test_a_folder_that_is_none_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="is no folder"):
        load_rules(tmp_path / "missing", town())
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(RuleError, match="is not UTF-8"):
        load_rules(tmp_path, town())


def test_the_rules_of_the_default_city_are_good_ones() -> None:
    loaded = load_rules(DEFAULT_CITY / "rules", Catalogue.load(DEFAULT_CITY), ZONES)
    assert len(loaded) >= 12
    assert {one.rule.sector for one in loaded} >= {"traffic", "health", "environment"}
    for one in loaded:
        rule = one.rule
        assert rule.clear is not None, f"{rule.rule} has no hysteresis"
        assert rule.consequence, f"{rule.rule} does not say what follows"
        assert rule.response, f"{rule.rule} does not say what to do"
        assert rule.team, f"{rule.rule} names no team"
        assert rule.respond_within_s, f"{rule.rule} does not say how soon"
        assert [level.severity for level in rule.levels] == sorted(
            (level.severity for level in rule.levels), key=SEVERITIES.index
        )
