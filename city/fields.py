"""The fields of an event, each read strictly: a value out, or RefusedError with field, value and fix. Pure."""

import math
from typing import Any, Final
from unicodedata import combining, normalize

from city.envelope import RefusedError, is_storable, kind_of, show
from city.events import FUTURE_TOLERANCE_US, Location
from city.sectors import Sector
from city.timestamps import format_time, parse_time

MAX_SUBJECT: Final = 200
MAX_ZONE: Final = 100
MAX_SOURCE_BYTES: Final = 1024
"""A report is found by source and subject; an index entry has room for this."""
_MOST_MARKS: Final = 30
"""Combining marks in a row, by the Stream-Safe Text Format of UAX #15: normalising longer runs is quadratic."""


def composed(text: str, field: str, reason: str) -> str:
    """The text in NFC. Raises RefusedError where a character of a long text has more marks than any script needs."""
    if text.isascii():
        return text
    if len(text) <= MAX_SUBJECT:
        return normalize("NFC", text)
    marks = 0
    for character in text:
        marks = marks + 1 if combining(character) else 0
        if marks > _MOST_MARKS:
            sentence = f"{field} has more than {_MOST_MARKS} combining marks in a row; send readable text"
            raise RefusedError(reason, sentence)
    return normalize("NFC", text)


def source(given: str) -> str:
    """The source of a report, as its identity keeps it."""
    if not is_storable(given):
        raise RefusedError("bad_envelope", f"source is {show(given)}; send a text without control characters")
    text = composed(given, "source", "bad_envelope")
    if len(text.encode()) > MAX_SOURCE_BYTES:
        sentence = f"source has {len(text.encode())} bytes; a report's has at most {MAX_SOURCE_BYTES}"
        raise RefusedError("bad_envelope", sentence)
    return text


def subject(given: object) -> str:
    """The asset, or the report: 1 to 200 printable characters in NFC."""
    if not isinstance(given, str) or not given.strip():
        shown = "is missing" if given is None else f"is {kind_of(given)}"
        raise RefusedError("bad_subject", f"subject {shown}; send the asset's name")
    subject = composed(given, "subject", "bad_subject").strip() if len(given) <= 4 * MAX_SUBJECT else given
    if len(subject) > MAX_SUBJECT or not subject.isprintable():
        raise RefusedError("bad_subject", f"subject is {show(given)}; send 1 to {MAX_SUBJECT} printable characters")
    return subject


def time(given: object, record_time_us: int) -> int:
    """Microseconds since the epoch, at most five minutes after the record's own time."""
    if not isinstance(given, str):
        shown = "is missing" if given is None else f"is {kind_of(given)}"
        raise RefusedError("bad_time", f"time {shown}; send RFC 3339 such as 2026-11-22T07:00:00.123Z")
    try:
        time = parse_time(given)
    except ValueError as error:
        raise RefusedError("bad_time", f"time {show(given)} {error}") from None
    ahead = time - record_time_us
    if ahead > FUTURE_TOLERANCE_US:
        raise RefusedError(
            "future_time",
            f"time {show(given)} is {ahead // 1_000_000} s after the record's own ({format_time(record_time_us)}); "
            f"set the clock or the offset (at most {FUTURE_TOLERANCE_US // 1_000_000} s ahead)",
        )
    return time


def zone(given: object) -> str | None:
    """A zone's code as given, or None."""
    if given is None:
        return None
    if not isinstance(given, str):
        raise RefusedError(
            "unknown_zone", f"data.zone is {kind_of(given)}; send a zone's code as a text or leave it out"
        )
    if len(given) > MAX_ZONE:
        raise RefusedError("unknown_zone", f"data.zone has {len(given)} characters; send a zone's code or leave it out")
    return composed(given, "data.zone", "unknown_zone")


def location(given: object) -> Location | None:
    """(longitude, latitude) in degrees, or None."""
    if given is None:
        return None
    if not isinstance(given, list) or len(given) != 2:
        raise RefusedError("outside_city", f"data.location is {kind_of(given)}; send [longitude, latitude] in degrees")
    return _number(given[0], "data.location[0]"), _number(given[1], "data.location[1]")


def measurements(given: object, sector: Sector) -> dict[str, float]:
    """Every number by metric name, each within its metric's plausible range."""
    if not isinstance(given, dict) or not given:
        shown = "is missing" if given is None else f"is {kind_of(given)}" if given else "is empty"
        raise RefusedError("no_measurements", f"data.measurements {shown}; send an object of numbers by metric name")
    numbers: dict[str, float] = {}
    for name, value in given.items():
        metric = sector.metrics.get(name)
        if metric is None:
            raise RefusedError(
                "unknown_metric",
                f"data.measurements names {show(name)}, which the catalogue has not for {sector.name}; "
                "extend the catalogue and replay, or correct the name",
            )
        number = _number(value, f"data.measurements.{name}")
        if not metric.low <= number <= metric.high:
            raise RefusedError(
                "implausible",
                f"data.measurements.{name} is {number:.9g} {metric.unit}, outside "
                f"{metric.low:.9g} to {metric.high:.9g}; check the sensor and the unit",
            )
        numbers[name] = number
    return numbers


def _number(given: Any, field: str) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise RefusedError("not_a_number", f"{field} is {kind_of(given)}; send a JSON number, or leave it out")
    try:
        number = float(given)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise RefusedError("not_a_number", f"{field} is too large for a double; send a number below 1.7e308")
    return number


def choice(data: dict[str, Any], field: str, known: "list[str] | tuple[str, ...]", default: str | None = None) -> str:
    """One of the known words."""
    given = data.get(field, default)
    if isinstance(given, str) and given in known:
        return given
    shown = "is missing" if given is None else f"is {kind_of(given)}"
    raise RefusedError(
        "bad_report", f"data.{field} {shown}; send one of {', '.join(known) or '(the catalogue has none)'}"
    )


def report_text(data: dict[str, Any], field: str, longest: int, *, required: bool) -> str:
    """A text of at most `longest` characters; empty where it may be left out."""
    given = data.get(field)
    if given is None and not required:
        return ""
    if not isinstance(given, str) or len(given) > longest or not is_storable(given) or (required and not given.strip()):
        shown = "is missing" if given is None else f"is {kind_of(given)}"
        raise RefusedError("bad_report", f"data.{field} {shown}; send a text of at most {longest} characters")
    return composed(given, f"data.{field}", "bad_report")
