"""The JSON Schema of rule files, for editors; made of the same declarations by which they are read.

python -m alerts.ruleschema > docs/rule.schema.json
"""

import json
import sys
from collections.abc import Collection, Mapping

from alerts import rulekeys as keys
from alerts.rulekeys import Fragment


def schema() -> Fragment:
    """JSON Schema (draft 2020-12) of one rule; what the catalogue knows (sectors, metrics, zones) it leaves open."""
    simple = tuple(keys.SIMPLE)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "CityWatch rule",
        **_mapping(keys.RULE, keys.REQUIRED),
        "$defs": {
            "duration": {"type": "string", "pattern": keys.DURATION},
            "bilingual": _bilingual(200),
            "short": _bilingual(keys.SHORT_LENGTH),
            "condition": _mapping(keys.CONDITION, one_of=tuple(keys.ASKED)),
            "clear": {**_mapping(keys.CONDITION), "minProperties": 1},
            "changed_by": _mapping(keys.CHANGED_BY, ("within",), one_of=("value", "percent")),
            "repeats": _mapping(keys.REPEATS, ("times", "within")),
            "at_least": _mapping(keys.AT_LEAST, ("assets",), one_of=simple),
            "part": _mapping(keys.PART, ("metric",), one_of=simple),
            "raise": {**_mapping(keys.RAISE), "minProperties": 1},
            "measure": {**_mapping(keys.MEASURE), "minProperties": 1, "maxProperties": 1},
            "reports": _mapping(keys.REPORTS, ("category",)),
            "where": {**_mapping(keys.WHERE), "minProperties": 1},
            "active": {**_mapping(keys.ACTIVE), "minProperties": 1},
        },
    }


def _mapping(known: Mapping[str, Fragment], required: Collection[str] = (), one_of: Collection[str] = ()) -> Fragment:
    """An object of these keys and no other; of `one_of` it has exactly one."""
    made: Fragment = {"type": "object", "properties": dict(known), "additionalProperties": False}
    if required:
        made["required"] = list(required)
    if one_of:
        made["oneOf"] = [{"required": [word]} for word in one_of]
    return made


def _bilingual(longest: int) -> Fragment:
    text = {"type": "string", "minLength": 1, "maxLength": longest}
    return _mapping({"vi": text, "en": text}, ("vi", "en"))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
