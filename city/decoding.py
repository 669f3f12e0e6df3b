"""Bytes of a record to a reading, a report, a refusal, or nothing: pure, total, and the same for every reader.

The ordinary event (structured mode, nothing unusual) takes a typed fast path; whatever that path can't vouch for is
read again strictly, and only the strict path refuses. Both give the same answer wherever the fast one gives any.
"""

import math
import re
from collections.abc import Callable
from typing import Any, Final, Literal
from unicodedata import is_normalized, normalize

import msgspec

from city import envelope
from city.envelope import MAX_TEXT, Envelope, Headers, RefusedError, is_storable, kind_of, show
from city.events import FUTURE_TOLERANCE_US, MAX_EVENT_BYTES, Location, Reading, Refusal, Report
from city.sectors import Catalogue, Sector
from city.timestamps import format_time, parse_time
from city.zones import ZoneMap

Decoded = Reading | Report | Refusal | None

SEVERITIES: Final = ("info", "warning", "critical", "emergency")
STATUSES: Final = ("open", "closed")
MAX_SUBJECT: Final = 200
MAX_TITLE: Final = 300
PLAIN_HEADERS: Final[frozenset[tuple[tuple[str, bytes], ...]]] = frozenset(
    {
        (),
        (("content-type", b"application/cloudevents+json"),),
        (("content-type", b"application/cloudevents+json; charset=utf-8"),),
        (("content-type", b"application/cloudevents+json; charset=UTF-8"),),
    }
)
"""Headers that change nothing of a structured event."""

_TYPE: Final = re.compile(r"city\.([a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*)\.v(\d{1,4})", re.ASCII)
_PLACES_CACHED: Final = 50_000


class PlainData(msgspec.Struct, gc=False):
    """The data object of an ordinary reading."""

    measurements: dict[str, float]
    zone: str | None = None
    location: tuple[float, float] | None = None


class PlainEvent(msgspec.Struct, gc=False):
    """An ordinary reading in structured mode: these members, each once, and no others (see `is_plain`)."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    subject: str
    time: str
    data: PlainData
    datacontenttype: Literal["application/json"] | None = None


_QUOTES: Final = 2 * 7 + 2 * 6 + 2  # seven names, six texts, "measurements"
plain: Final[Callable[[bytes], PlainEvent]] = msgspec.json.Decoder(PlainEvent).decode
"""Typed decoding of an ordinary event; raises msgspec.MsgspecError, UnicodeDecodeError or RecursionError for others."""


def is_plain(value: bytes, event: PlainEvent) -> bool:
    """Whether the event says nothing but what its struct holds: no member repeated, unknown or null, no escaped quote.

    Counting quotation marks proves it: everything present accounts for its own, so any surplus is something else.
    """
    data = event.data
    quotes = _QUOTES + 2 * len(data.measurements)
    if data.location is not None:
        quotes += 2
    if data.zone is not None:
        quotes += 4
    if event.datacontenttype is not None:
        quotes += 4
    return (
        value.count(b'"') == quotes
        and len(value) <= MAX_EVENT_BYTES
        and 0 < len(event.id) <= MAX_TEXT
        and 0 < len(event.source) <= MAX_TEXT
    )


class Decoder:
    """Decodes against one catalogue and one map. Never raises, whatever the bytes; keeps bounded caches only."""

    def __init__(self, catalogue: Catalogue, zones: ZoneMap) -> None:
        self.catalogue = catalogue
        self.zones = zones
        self._places: dict[tuple[str | None, Location | None], tuple[str | None, bool]] = {}
        self._readings = {f"city.{name}.reading.v1": sector for name, sector in catalogue.sectors.items()}

    def decode(self, value: bytes | None, headers: Headers, *, sector: str | None, record_time_us: int) -> Decoded:
        """What the record says; None when it says nothing (a tombstone).

        `sector` is that of the topic, None at the HTTP door; `record_time_us` is what "in the future" is judged by.
        """
        if not value:
            return None
        if headers == () or tuple(headers) in PLAIN_HEADERS:
            reading = self._ordinary(value, sector, record_time_us)
            if reading is not None:
                return reading
        try:
            return self._strictly(envelope.read(value, headers), sector, record_time_us)
        except RefusedError as refused:
            return refused.refusal

    def place(self, zone: str | None, location: Location | None) -> tuple[str | None, bool]:
        """The zone of an asset and whether it is approximate. Raises RefusedError: `unknown_zone`, `outside_city`."""
        found = self._places.get((zone, location))
        if found is None:
            found = self._locate(zone, location)
            if len(self._places) >= _PLACES_CACHED:
                self._places.clear()
            self._places[zone, location] = found
        return found

    def _locate(self, zone: str | None, location: Location | None) -> tuple[str | None, bool]:
        if zone is not None and zone not in self.zones.zones:
            raise RefusedError(
                "unknown_zone", f"data.zone is {show(zone)}, which the map has not; send a zone's code or leave it out"
            )
        if location is None:
            return zone, False
        on_earth = abs(location[0]) <= 180 and abs(location[1]) <= 90
        nearest = self.zones.locate(*location) if on_earth else None
        if nearest is None:
            point = f"[{location[0]:.9g}, {location[1]:.9g}]"
            raise RefusedError(
                "outside_city", f"data.location {point} is outside the city; send [longitude, latitude] in degrees"
            )
        return nearest if zone is None else (zone, False)

    def _ordinary(self, value: bytes, topic: str | None, record_time_us: int) -> Reading | None:
        """The reading of an ordinary event, or None when the strict path must look."""
        try:
            event = plain(value)
            sector = self._readings[event.type]
            metrics = sector.metrics
            for name, number in event.data.measurements.items():
                metric = metrics[name]
                if not metric.low <= number <= metric.high:
                    return None
            time = parse_time(event.time)
            zone, approximate = self.place(event.data.zone, event.data.location)
        except (msgspec.MsgspecError, ValueError, KeyError, RecursionError, RefusedError):
            return None
        subject, data = event.subject, event.data
        if (
            not is_plain(value, event)
            or not data.measurements
            or (topic is not None and sector.name != topic)
            or time > record_time_us + FUTURE_TOLERANCE_US
            or not (0 < len(subject) <= MAX_SUBJECT and subject.isprintable() and is_normalized("NFC", subject))
            or subject != subject.strip()
        ):
            return None
        return Reading(sector.name, subject, time, data.measurements, zone, approximate, data.location)

    def _strictly(self, event: Envelope, topic: str | None, record_time_us: int) -> Reading | Report:
        sector, kind = self._sector_and_kind(event.type, topic)
        subject = _subject(event.subject)
        time = _time(event.time, record_time_us)
        given_zone, location = _zone(event.data.get("zone")), _location(event.data.get("location"))
        zone, approximate = self.place(given_zone, location)
        if kind == "reading":
            numbers = _measurements(event.data.get("measurements"), sector)
            return Reading(sector.name, subject, time, numbers, zone, approximate, location)
        if not is_storable(event.source):
            raise RefusedError(
                "bad_envelope", f"source is {show(event.source)}; send a text without control characters"
            )
        return Report(
            sector.name,
            normalize("NFC", event.source),
            subject,
            time,
            _choice(event.data, "category", sector.reports),
            _choice(event.data, "severity", SEVERITIES),
            _report_text(event.data, "title", MAX_TITLE, required=True),
            _report_text(event.data, "description", MAX_EVENT_BYTES, required=False),
            _choice(event.data, "status", STATUSES, default="open"),
            zone,
            approximate,
            location,
        )

    def _sector_and_kind(self, type_: str, topic: str | None) -> tuple[Sector, str]:
        form = _TYPE.fullmatch(type_)
        if form is None:
            raise RefusedError(
                "unknown_type", f"type is {show(type_)}; send city.<sector>.reading.v1 or city.<sector>.report.v1"
            )
        name, kind, version = form.groups()
        sector = self.catalogue.sectors.get(name)
        if sector is None:
            known = ", ".join(sorted(self.catalogue.sectors))
            raise RefusedError("unknown_sector", f"type names the sector {show(name)}; the catalogue has {known}")
        if kind not in ("reading", "report") or version != "1":
            raise RefusedError("unknown_type", f"type is {show(type_)}; the kinds are reading.v1 and report.v1")
        if topic is not None and topic != name:
            raise RefusedError(
                "wrong_topic", f"type {show(type_)} came by city.{topic}.events; send it to city.{name}.events"
            )
        return sector, kind


def _subject(given: object) -> str:
    if not isinstance(given, str) or not given.strip():
        shown = "is missing" if given is None else f"is {kind_of(given)}"
        raise RefusedError("bad_subject", f"subject {shown}; send the asset's name")
    subject = normalize("NFC", given).strip()
    if len(subject) > MAX_SUBJECT or not subject.isprintable():
        raise RefusedError("bad_subject", f"subject is {show(given)}; send 1 to {MAX_SUBJECT} printable characters")
    return subject


def _time(given: object, record_time_us: int) -> int:
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


def _zone(given: object) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str):
        raise RefusedError(
            "unknown_zone", f"data.zone is {kind_of(given)}; send a zone's code as a text or leave it out"
        )
    return given if is_normalized("NFC", given) else normalize("NFC", given)


def _location(given: object) -> Location | None:
    if given is None:
        return None
    if not isinstance(given, list) or len(given) != 2:
        raise RefusedError("outside_city", f"data.location is {kind_of(given)}; send [longitude, latitude] in degrees")
    return _number(given[0], "data.location[0]"), _number(given[1], "data.location[1]")


def _measurements(given: object, sector: Sector) -> dict[str, float]:
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


def _choice(data: dict[str, Any], field: str, known: "list[str] | tuple[str, ...]", default: str | None = None) -> str:
    given = data.get(field, default)
    if isinstance(given, str) and given in known:
        return given
    shown = "is missing" if given is None else f"is {kind_of(given)}"
    raise RefusedError(
        "bad_report", f"data.{field} {shown}; send one of {', '.join(known) or '(the catalogue has none)'}"
    )


def _report_text(data: dict[str, Any], field: str, longest: int, *, required: bool) -> str:
    given = data.get(field)
    if given is None and not required:
        return ""
    if not isinstance(given, str) or len(given) > longest or not is_storable(given) or (required and not given.strip()):
        shown = "is missing" if given is None else f"is {kind_of(given)}"
        raise RefusedError("bad_report", f"data.{field} {shown}; send a text of at most {longest} characters")
    return normalize("NFC", given)
