"""The published JSON Schema takes what the reader takes: the same keys everywhere, and every rule that is shipped."""

import json
import re
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from alerts.rulefile import RuleError, parse_rules
from alerts.rules import decode_rule, encode_rule
from alerts.ruleschema import schema
from city.settings import DEFAULT_CITY
from tests.alerts.depth import EVERY_KIND, HEAD
from tests.alerts.town import town

PUBLISHED = Path(__file__).parents[2] / "docs" / "rule.schema.json"
VALIDATOR = jsonschema_rs.validator_for(schema())
RULE = HEAD.format(name="x") + "metric: level_m\n"
RAISE = "raise: {warning: {above: 1}}\n"

PLACES = {
    "": RULE + RAISE + "nonsense: 1\n",
    "raise": RULE + "raise: {nonsense: {above: 1}}\n",
    "condition": RULE + "raise: {warning: {nonsense: 1}}\n",
    "clear": RULE + RAISE + "clear: {nonsense: 1}\n",
    "changed_by": RULE + "raise: {warning: {changed_by: {within: 5m, value: 1, nonsense: 1}}}\n",
    "repeats": RULE + "raise: {warning: {repeats: {times: 2, within: 5m, nonsense: 1}}}\n",
    "at_least": RULE + "per: zone\nraise: {warning: {at_least: {assets: 2, nonsense: 1}}}\n",
    "part": HEAD.format(name="x") + "raise: {warning: {all_of: [{metric: level_m, nonsense: 1}]}}\n",
    "measure": RULE + RAISE + "measure: {nonsense: 5m}\n",
    "reports": HEAD.format(name="x") + RAISE + "reports: {category: flooding, nonsense: 1}\n",
    "where": RULE + RAISE + "where: {nonsense: 1}\n",
    "active": RULE + RAISE + "active: {nonsense: 1}\n",
    "bilingual": RULE.replace("vi: a", "vi: a, nonsense: 1", 1) + RAISE,
}


def test_what_is_published_is_what_the_code_declares() -> None:
    assert json.loads(PUBLISHED.read_text()) == schema(), "python -m alerts.ruleschema > docs/rule.schema.json"


@pytest.mark.parametrize("place", PLACES)
def test_the_reader_knows_the_keys_of_the_schema_and_no_other(place: str) -> None:
    with pytest.raises(RuleError, match="has no key 'nonsense'") as refused:
        parse_rules(PLACES[place], town())
    known = re.search(r"known: (.*)", refused.value.reason)
    assert known is not None
    declared = schema()
    mapping = declared["$defs"][place] if place else declared  # type: ignore[index]
    assert set(known[1].split(", ")) == set(mapping["properties"])
    assert not VALIDATOR.is_valid(yaml.safe_load(PLACES[place]))


def test_every_shipped_rule_is_valid() -> None:
    rules = [
        one for file in sorted((DEFAULT_CITY / "rules").glob("*.yaml")) for one in yaml.safe_load_all(file.read_text())
    ]
    assert len(rules) >= 12
    for one in rules:
        VALIDATOR.validate(one)


@pytest.mark.parametrize(
    "body",
    [
        "raise: {warning: {above: 1, for: 2m}}\nclear: {for: 5m}\nlateness: 0s\nagain_after: 1h",
        "measure: {mean: 15m}\nraise: {info: {outside: [0, 1]}}\nclear: {inside: [0.2, 0.8], for: 1m}",
        "per: zone\nraise: {warning: {at_least: {assets: 3, above: 1}}}\nwhere: {zones: ['1'], assets: [PA-*]}",
        "raise: {warning: {repeats: {times: 2, within: 1h, above: 1}}}",
        "raise: {warning: {above: 1}}\nactive: {days: 'mon-fri, sun', hours: 06:00-22:00}",
        "raise: {warning: {changed_by: {percent: 5, within: 1h}}}\nmeasure: last",
        "raise: {warning: {frozen: 1h}, critical: {frozen: 2h}}",
    ],
)
def test_reader_and_schema_agree_on_what_is_good(body: str) -> None:
    text = RULE + body + "\n"
    VALIDATOR.validate(yaml.safe_load(text))
    assert parse_rules(text, town())


@pytest.mark.parametrize(
    "body",
    [
        "raise: {}",
        "raise: {warning: {above: 1, below: 0}}",
        "raise: {warning: {for: 1m}}",
        "raise: {warning: {above: high}}",
        "raise: {warning: {above: 1}}\nper: street",
        "raise: {warning: {above: 1}}\nmeasure: {mean: 5m, max: 5m}",
        "raise: {warning: {above: 1, for: soon}}",
        "raise: {warning: {outside: [1]}}",
        "raise: {warning: {changed_by: {value: 1, percent: 1, within: 5m}}}",
        "raise: {warning: {above: 1}}\nactive: {days: noday}",
    ],
)
def test_reader_and_schema_agree_on_what_is_bad(body: str) -> None:
    text = RULE + body + "\n"
    assert not VALIDATOR.is_valid(yaml.safe_load(text))
    with pytest.raises(RuleError):
        parse_rules(text, town())


def test_every_kind_of_rule_survives_the_database() -> None:
    for one in EVERY_KIND:
        assert decode_rule(encode_rule(one)) == one
