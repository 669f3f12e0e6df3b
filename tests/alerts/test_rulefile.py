"""A rule that does not parse or makes no sense is refused by file, line and reason; good ones are read whole."""

from pathlib import Path

import msgspec
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
        ("for: 2m}", f"for: {'9' * 400}d}}", 7, "raise.warning.for is longer than a hundred years"),
        ("title: {vi: Triều cao,", 'title: {vi: "\\0",', 2, "title.vi has the character U+0000"),
        ("title: {vi: Triều cao,", 'title: {vi: "\\uD800",', 2, "title.vi has the character U+D800"),
        ("metric: level_m", "metric: level_m\nactive: {timezone: Asia}", 6, "there is no time zone 'Asia'"),
        ("response:", "response: " + "[" * 2000, 1, "nested too deep"),
        ("for: 2m}", "for: two minutes}", 7, "write a number and ms, s, m, h, d or w, such as 2m"),
        ("critical: {above: 1.6}", "critical: {above: 1.5}", 8, "no worse than raise.warning"),
        ("critical: {above: 1.6}", "critical: {below: 1.0}", 8, "mixes above and below"),
        ("critical:", "terrible:", 8, "raise has no key 'terrible'; known: critical, emergency, info, warning"),
        ("clear: {below: 1.4", "clear: {below: 1.55", 9, "lies inside raise.warning 1.5: it would chatter"),
        ("clear: {below: 1.4", "clear: {above: 1.7", 9, "clear needs 'below'"),
        ("  - {vi: a, en: b}", "  - {vi: a, en: b}\n" * 6, 11, "has 6 steps"),
        ("response:", "respond:", 10, "a rule has no key 'respond'"),
        ("metric: level_m", "metric: level_m\nmetric: level_m", 6, "'metric' twice"),
        ("metric: level_m", "metric: level_m\nper: zone", 8, "the assets of a zone have no one last value"),
        ("metric: level_m", "metric: level_m\nper: street", 6, "per 'street' is none of asset, zone, sector"),
        ("metric: level_m", "metric: level_m\nmeasure: mean", 6, "measure 'mean' needs a window"),
        ("metric: level_m", "metric: level_m\nmeasure: {mean: 1m}", 6, "a window of 1m is too short: level_m comes"),
        ("metric: level_m", "metric: level_m\nmeasure: {mean: 5m, max: 5m}", 6, "exactly one of mean, min, max"),
        ("metric: level_m", "metric: level_m\nper: zone\nmeasure: {delta: 5m}", 7, "delta follows one sensor"),
        ("metric: level_m", "metric: level_m\nlateness: 10m", 6, "older than the max_age of level_m, 5m"),
        ("metric: level_m", "metric: level_m\nactive: {days: mon-fry}", 6, "'mon-fry' is no day"),
        ("metric: level_m", "metric: level_m\nactive: {hours: '08:00'}", 6, "must be two times of day"),
        ("metric: level_m", "metric: level_m\nactive: {hours: '08:00-08:00'}", 6, "begin when they end"),
        ("metric: level_m", "metric: level_m\nactive: {timezone: Asia/Saigon2}", 6, "no time zone 'Asia/Saigon2'"),
        (
            "metric: level_m",
            "metric: level_m\nactive: {hours: '08:00-08:02'}",
            6,
            "must last 2m, and timers begin anew",
        ),
        ("metric: level_m", "metric: level_m\nunit: cm", 6, "a rule has no key 'unit'"),
        ("metric: level_m", "metric: level_m\nsuppressed_by: tide", 6, "a rule has no key 'suppressed_by'"),
        ("metric: level_m", "metric: level_m\nper: zone\nreports: {category: flooding}", 7, "not both"),
        ("metric: level_m\n", "", 1, "needs a metric, or reports, or all_of or any_of"),
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
        ("metric: level_m", 'metric: level_m\nwhere: {assets: "FL-[MY-*"}', 6, "'FL-[MY-*' opens a [ that no ] closes"),
        ("metric: level_m", 'metric: level_m\nwhere: {assets: ["PA-*", "[]"]}', 6, "'[]' opens a [ that no ] closes"),
        ("metric: level_m", 'metric: level_m\nwhere: {assets: "[ab]-[!"}', 6, "opens a [ that no ] closes"),
        ("metric: level_m", 'metric: level_m\nwhere: {assets: "[!]"}', 6, "opens a [ that no ] closes"),
        ("metric: level_m", 'metric: level_m\nwhere: {assets: "PA-[9-0]"}', 6, "no name can fit '[9-0]' of 'PA-[9-0]'"),
        ("above: 1.5, for: 2m", "above: 1.5, for: 900000d", 7, "raise.warning.for is longer than a hundred years"),
        ("above: 1.5, for: 2m", "above: 1.5, for: 367d", 7, "raise.warning.for 367d is too long: a rule looks back at"),
        ("for: 10m", "for: 4000d", 9, "clear.for 4000d is too long"),
        ("metric: level_m", "metric: level_m\nmeasure: {mean: 4000d}", 6, "measure.mean 4000d is too long"),
        ("metric: level_m", "metric: level_m\nagain_after: 400d", 6, "again_after 400d is too long"),
        ("metric: level_m", "metric: level_m\nrespond_within: 53w", 6, "respond_within 371d is too long"),
    ],
)
def test_what_is_wrong_is_told_by_line_and_reason(old: str, new: str, line: int, reason: str) -> None:
    assert old in GOOD
    with pytest.raises(RuleError) as refused:
        parse_rules(GOOD.replace(old, new, 1), town(), Path("rules/tide.yaml"), ZONES)
    assert refused.value.line in (line, line + 1)
    assert str(refused.value).startswith("rules/tide.yaml:")
    assert reason in refused.value.reason


HEAD = GOOD[: GOOD.index("metric:")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("metric: level_m\nraise: {warning: {frozen: 1m}}", "is too short: level_m comes every 1m; write at least 2m"),
        ("metric: level_m\nraise: {warning: {frozen: 10m, for: 1m}}", "says already how long"),
        ("metric: level_m\nraise: {warning: {absent: 2m}}", "write at least 3m"),
        ("metric: level_m\nraise: {warning: {absent: 10m}}\nclear: {for: 1m}", "over as soon as something comes"),
        ("metric: level_m\nraise: {warning: {absent: 10m}, critical: {absent: 5m}}", "no worse than raise.warning"),
        ("metric: level_m\nraise: {warning: {outside: [2, 1]}}", "the first number must be the lower one"),
        ("metric: level_m\nraise: {warning: {outside: [-3, 5]}}", "can never hold: level_m lies in -3 to 5"),
        ("metric: level_m\nraise: {warning: {inside: [-9, 9]}}", "would always hold"),
        ("metric: level_m\nraise: {warning: {outside: [0, 1]}}\nclear: {inside: [0, 2]}", "it would chatter"),
        ("metric: level_m\nraise: {warning: {outside: [0, 1]}}\nclear: {below: 1}", "must be one of inside"),
        ("metric: level_m\nraise: {warning: {equals: 7}}", "can never hold"),
        ("metric: level_m\nraise: {warning: {changed_by: {within: 5m}}}", "exactly one of value, percent"),
        ("metric: level_m\nraise: {warning: {changed_by: {value: 9, within: 5m}}}", "can never hold"),
        ("metric: level_m\nraise: {warning: {changed_by: {value: 1, within: 1m}}}", "too short"),
        ("metric: level_m\nraise: {warning: {repeats: {times: 4, within: 5m, above: 1}}}", "can't begin 4 times"),
        ("metric: level_m\nraise: {warning: {repeats: {times: 2, within: 5m}}}", "exactly one of above, below"),
        ("metric: level_m\nraise: {warning: {at_least: {assets: 2, above: 1}}}", "write per: zone or per: sector"),
        ("metric: level_m\nper: zone\nraise: {warning: {frozen: 10m}}", "looks at one sensor"),
        ("metric: level_m\nraise: {warning: {all_of: [{metric: rain_mm_h, above: 1}]}}", "leave out the rule's own"),
        ("raise: {warning: {all_of: [{metric: rain, above: 1}]}}", "has no metric 'rain'"),
        ("raise: {warning: {any_of: []}}", "is empty"),
        ("raise: {warning: {above: 1}}", "needs a metric, or reports"),
        ("metric: level_m\nraise: {warning: {above: 1, frozen: 10m}}", "exactly one of above"),
        ("metric: level_m\nraise: {warning: {above: 1}, critical: {frozen: 10m}}", "mixes above and frozen"),
        ("metric: level_m\nraise: {warning: {changed_by: {value: 1, within: 5m}}}\nclear: {below: 1}", "only 'for'"),
        (
            "metric: weekly\nactive: {days: 'sat, sun, mon'}\nraise: {warning: {above: 1, for: 3d}}",
            "which lasts 3d: it can never be raised",
        ),
        ("metric: weekly\nlateness: 15d\nraise: {warning: {above: 1}}", "raises nothing"),
        (
            "per: zone\nreports: {category: crime}\nraise: {warning: {repeats: {times: 2, within: 5m}}}",
            "none of flooding",
        ),
        ("reports: {category: flooding}\nraise: {warning: {repeats: {times: 2, within: 5m}}}", "no asset: write per"),
        ("per: zone\nreports: {category: flooding}\nraise: {warning: {above: 5}}", "a report has no value"),
        ("metric: level_m\nmeasure: {count: 5m}\nraise: {warning: {below: 0}}", "a count is never negative"),
        ("metric: level_m\nraise: {warning: {frozen: 400d}}", "raise.warning.frozen 400d is too long"),
        ("metric: level_m\nraise: {warning: {absent: 400d}}", "raise.warning.absent 400d is too long"),
        ("metric: level_m\nraise: {warning: {changed_by: {value: 1, within: 9000d}}}", "within 9000d is too long"),
        ("metric: level_m\nraise: {warning: {repeats: {times: 2, within: 400d, above: 1}}}", "within 400d is too long"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_reason(body: str, reason: str) -> None:
    with pytest.raises(RuleError) as refused:
        parse_rules(HEAD + body + "\n", town(), Path("rules/tide.yaml"), ZONES)
    assert reason in refused.value.reason


def test_a_year_is_not_too_long() -> None:
    longest = GOOD.replace("for: 2m", "for: 366d").replace("metric: level_m", "metric: level_m\nmeasure: {mean: 366d}")
    (loaded,) = parse_rules(longest, town())
    assert loaded.rule.levels[0].hold_us == 366 * 86_400_000_000


@pytest.mark.parametrize(
    ("pattern", "fits"), [("PA-[0-9]", "PA-7"), ("[]a]", "]"), ("[!]a]", "b"), ("FL-[[]*", "FL-[1"), ("PA-]*", "PA-]")]
)
def test_a_pattern_that_some_name_fits_is_taken(pattern: str, fits: str) -> None:
    text = GOOD.replace("metric: level_m", f"metric: level_m\nwhere: {{assets: '{pattern}'}}")
    (loaded,) = parse_rules(text, town())
    assert loaded.rule.where.matches(fits, None)


def test_a_good_rule_is_read_whole_and_survives_the_database() -> None:
    (loaded,) = parse_rules(GOOD, town())
    rule = loaded.rule
    assert [(level.severity, level.limit, level.hold_us) for level in rule.levels] == [
        ("warning", 1.5, 120_000_000),
        ("critical", 1.6, 0),
    ]
    assert decode_rule(encode_rule(rule)) == rule
    assert loaded.source.startswith("rule: tide")


def test_no_for_can_be_seen_to_last_where_readings_come_too_rarely() -> None:
    catalogue = town()
    river = catalogue.sectors["river"]
    rare = msgspec.structs.replace(river.metrics["level_m"], cadence_s=600)
    sector = msgspec.structs.replace(river, metrics={**river.metrics, "level_m": rare})
    catalogue = Catalogue({**catalogue.sectors, "river": sector}, catalogue.city)
    with pytest.raises(RuleError, match="comes rarer than its max_age allows"):
        parse_rules(GOOD, catalogue, Path("rules/tide.yaml"), ZONES)


def test_two_rules_of_one_name_are_refused_with_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TIDE)
    (tmp_path / "b.yaml").write_text("# the same again\n" + TIDE)
    with pytest.raises(RuleError, match=r"b\.yaml:3: rule 'tide' stands already at .*a\.yaml:2"):
        load_rules(tmp_path, town())


def test_a_folder_that_is_none_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="is no folder"):
        load_rules(tmp_path / "missing", town())
    (tmp_path / "tide.yml").write_text(TIDE)
    with pytest.raises(RuleError, match=r"has no rule in any \*\.yaml file"):
        load_rules(tmp_path, town())
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
