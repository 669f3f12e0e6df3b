"""Every key that a rule file may have, declared once: the reader knows them from here, and so does the JSON Schema."""

from typing import Final

from alerts.hours import DAYS
from alerts.rules import KINDS, PERS, SEVERITIES

Fragment = dict[str, object]
"""A piece of JSON Schema."""

SHORT_LENGTH: Final = 24
RESPONSE_STEPS: Final = 5
MOST_TIMES: Final = 200
MOST_ASSETS: Final = 100_000
DURATION: Final = r"^\d+(\.\d+)?\s*(ms|s|m|h|d|w)$"
CLOCK: Final = r"^([01]?\d|2[0-4]):[0-5]\d-([01]?\d|2[0-4]):[0-5]\d$"


def _ref(name: str) -> Fragment:
    return {"$ref": f"#/$defs/{name}"}


def _list(item: Fragment, **limits: object) -> Fragment:
    return {"type": "array", "items": item, "minItems": 1, **limits}


NUMBER: Final[Fragment] = {"type": "number"}
TEXT: Final[Fragment] = {"type": "string", "minLength": 1}
BAND: Final[Fragment] = {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}
SOME: Final[Fragment] = {"oneOf": [TEXT, _list(TEXT)]}
DURATION_OR_ZERO: Final[Fragment] = {"anyOf": [_ref("duration"), {"enum": [0, "0", "0s"]}]}

SIMPLE: Final[dict[str, Fragment]] = {
    "above": NUMBER,
    "below": NUMBER,
    "outside": BAND,
    "inside": BAND,
    "equals": NUMBER,
}
"""What is said of one value alone."""

ASKED: Final[dict[str, Fragment]] = SIMPLE | {
    "changed_by": _ref("changed_by"),
    "frozen": _ref("duration"),
    "absent": _ref("duration"),
    "repeats": _ref("repeats"),
    "at_least": _ref("at_least"),
    "all_of": _list(_ref("part")),
    "any_of": _list(_ref("part")),
}
"""What a level, or clear, asks; one of them."""

CONDITION: Final[dict[str, Fragment]] = ASKED | {"for": _ref("duration")}
CHANGED_BY: Final[dict[str, Fragment]] = {
    "value": {"type": "number", "exclusiveMinimum": 0},
    "percent": {"type": "number", "exclusiveMinimum": 0},
    "within": _ref("duration"),
}
REPEATS: Final[dict[str, Fragment]] = {
    "times": {"type": "integer", "minimum": 1, "maximum": MOST_TIMES},
    "within": _ref("duration"),
} | SIMPLE
AT_LEAST: Final[dict[str, Fragment]] = {"assets": {"type": "integer", "minimum": 1, "maximum": MOST_ASSETS}} | SIMPLE
PART: Final[dict[str, Fragment]] = {"metric": TEXT} | SIMPLE
RAISE: Final[dict[str, Fragment]] = {severity: _ref("condition") for severity in SEVERITIES}
MEASURE: Final[dict[str, Fragment]] = {kind: _ref("duration") for kind in KINDS}
REPORTS: Final[dict[str, Fragment]] = {"category": SOME, "severity": SOME, "status": SOME}
WHERE: Final[dict[str, Fragment]] = {"zones": _list(TEXT), "assets": SOME}
ACTIVE: Final[dict[str, Fragment]] = {
    "days": {"type": "string", "pattern": rf"^({'|'.join(DAYS)})([-,]\s*({'|'.join(DAYS)}))*$"},
    "hours": {"type": "string", "pattern": CLOCK},
    "timezone": TEXT,
}

REQUIRED: Final = ("rule", "title", "short", "sector", "raise")
RULE: Final[dict[str, Fragment]] = {
    "rule": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "not": {"pattern": "^system-"}},
    "title": _ref("bilingual"),
    "short": _ref("short"),
    "sector": TEXT,
    "metric": TEXT,
    "reports": _ref("reports"),
    "per": {"enum": list(PERS)},
    "measure": {"oneOf": [{"const": "last"}, _ref("measure")]},
    "raise": _ref("raise"),
    "clear": _ref("clear"),
    "where": _ref("where"),
    "active": _ref("active"),
    "lateness": DURATION_OR_ZERO,
    "again_after": _ref("duration"),
    "consequence": _ref("bilingual"),
    "response": _list(_ref("bilingual"), maxItems=RESPONSE_STEPS),
    "respond_within": _ref("duration"),
    "team": TEXT,
}
