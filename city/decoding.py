"""Bytes of a record to a reading, a report, a refusal, or nothing: pure, total, and the same for every reader.

The ordinary event (structured mode, nothing unusual) takes a typed fast path; whatever that path can't vouch for is
read again strictly, and only the strict path refuses. Both give the same answer wherever the fast one gives any.
"""

import re
from collections.abc import Callable
from typing import Final, Literal
from unicodedata import is_normalized

import msgspec

from city import envelope, fields
from city.envelope import MAX_TEXT, Envelope, Headers, RefusedError, show
from city.events import FUTURE_TOLERANCE_US, MAX_EVENT_BYTES, Location, Reading, Refusal, Report
from city.sectors import Catalogue, Sector
from city.timestamps import parse_time
from city.zones import ZoneMap

Decoded = Reading | Report | Refusal | None

SEVERITIES: Final = ("info", "warning", "critical", "emergency")
STATUSES: Final = ("open", "closed")
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
            or not (0 < len(subject) <= fields.MAX_SUBJECT and subject.isprintable() and is_normalized("NFC", subject))
            or subject != subject.strip()
        ):
            return None
        return Reading(sector.name, subject, time, data.measurements, zone, approximate, data.location)

    def _strictly(self, event: Envelope, topic: str | None, record_time_us: int) -> Reading | Report:
        sector, kind = self._sector_and_kind(event.type, topic)
        subject = fields.subject(event.subject)
        time = fields.time(event.time, record_time_us)
        given_zone, location = fields.zone(event.data.get("zone")), fields.location(event.data.get("location"))
        zone, approximate = self.place(given_zone, location)
        if kind == "reading":
            numbers = fields.measurements(event.data.get("measurements"), sector)
            return Reading(sector.name, subject, time, numbers, zone, approximate, location)
        return Report(
            sector.name,
            fields.source(event.source),
            subject,
            time,
            fields.choice(event.data, "category", sector.reports),
            fields.choice(event.data, "severity", SEVERITIES),
            fields.report_text(event.data, "title", MAX_TITLE, required=True),
            fields.report_text(event.data, "description", MAX_EVENT_BYTES, required=False),
            fields.choice(event.data, "status", STATUSES, default="open"),
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
