"""What is taken, what is refused with which reason, and that nothing whatever makes the decoder raise."""

import json
import unicodedata
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city.decoding import Decoder
from city.events import MAX_EVENT_BYTES, REASONS, Reading, Refusal, Report
from city.sectors import Catalogue
from city.settings import Settings
from city.timestamps import parse_time
from city.zones import ZoneMap

NOW_TEXT = "2026-11-22T07:00:00.123Z"
NOW = parse_time(NOW_TEXT)
PLACE = [106.695, 10.776]
CATALOGUE = Catalogue.load(Settings().city)
ZONES = ZoneMap.load(Settings().city)
DECODER = Decoder(CATALOGUE, ZONES)
ZONE = sorted(ZONES.zones)[0]
ABSENT = object()


def ordinary(**changes: Any) -> dict[str, Any]:
    """An ordinary reading; `changes` replace members, data__x members of data, ABSENT removes."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": "0195f1c2",
        "source": "//giaothong.hcmc.example/detectors",
        "type": "city.traffic.reading.v1",
        "subject": "VVK-0012",
        "time": NOW_TEXT,
        "data": {"location": PLACE, "measurements": {"speed_kmh": 32.5, "flow_vph": 900}},
    }
    for name, value in changes.items():
        inner = name.removeprefix("data__")
        target = event["data"] if name != inner else event
        if value is ABSENT:
            target.pop(inner, None)
        else:
            target[inner] = value
    return event


def report(**changes: Any) -> dict[str, Any]:
    data = {
        "category": CATALOGUE.sectors["traffic"].reports[0],
        "severity": "warning",
        "title": "Kẹt xe",
        "description": "Hai làn",
        "status": "open",
        "location": PLACE,
    }
    return ordinary(type="city.traffic.report.v1", data={**data, **changes})


def decode(
    event: Any, headers: tuple[tuple[str, bytes], ...] = (), sector: str | None = "traffic"
) -> Reading | Report | Refusal | None:
    value = event if isinstance(event, bytes | None) else json.dumps(event, ensure_ascii=False).encode()
    return DECODER.decode(value, headers, sector=sector, record_time_us=NOW)


def refused(event: Any, headers: tuple[tuple[str, bytes], ...] = (), sector: str | None = "traffic") -> Refusal:
    found = decode(event, headers, sector)
    assert isinstance(found, Refusal), found
    return found


def test_an_ordinary_reading() -> None:
    zone, approximate = ZONES.locate(*PLACE) or ("", False)
    assert decode(ordinary()) == Reading(
        "traffic", "VVK-0012", NOW, {"speed_kmh": 32.5, "flow_vph": 900.0}, zone, approximate, (106.695, 10.776)
    )


def test_a_given_zone_wins_over_the_point() -> None:
    found = decode(ordinary(data__zone=ZONE))
    assert isinstance(found, Reading)
    assert (found.zone, found.zone_approximate) == (ZONE, False)


@pytest.mark.parametrize("nothing", [None, b""])
def test_a_tombstone_is_no_record(nothing: bytes | None) -> None:
    assert decode(nothing) is None
    assert decode(nothing, (("ce_specversion", b"1.0"),)) is None


def test_a_report_with_its_defaults() -> None:
    event = report()
    found = decode(event)
    assert isinstance(found, Report)
    assert (found.source, found.subject, found.title, found.status) == (event["source"], "VVK-0012", "Kẹt xe", "open")
    del event["data"]["description"], event["data"]["status"]
    brief = decode(event)
    assert isinstance(brief, Report)
    assert (brief.description, brief.status) == ("", "open")


def test_text_comes_in_as_nfc() -> None:
    name, title = "Cầu Nhị Thiên Đường", "Ngập đường"
    event = report(title=unicodedata.normalize("NFD", title))
    event["subject"] = unicodedata.normalize("NFD", name)
    event["source"] = unicodedata.normalize("NFD", "//sở.gtvt")
    found = decode(event)
    assert isinstance(found, Report)
    assert (found.subject, found.title, found.source) == (name, title, "//sở.gtvt")
    reading = decode(ordinary(subject=unicodedata.normalize("NFD", name)))
    assert isinstance(reading, Reading)
    assert reading.asset == name


@pytest.mark.parametrize("prefix", ["ce_", "ce-"])
def test_binary_mode(prefix: str) -> None:
    attributes = {n: v for n, v in ordinary().items() if n != "data"}
    headers = tuple((prefix + name, str(value).encode()) for name, value in attributes.items())
    data = json.dumps(ordinary()["data"]).encode()
    assert decode(data, (*headers, ("content-type", b"application/json; charset=utf-8"))) == decode(ordinary())
    assert refused(data, (*headers, ("content-type", b"text/plain"))).reason == "bad_envelope"
    assert refused(data, headers[1:]).reason == "bad_envelope"
    assert refused(data, (*headers[:-1], (prefix + "time", b"\xff"))).reason == "bad_envelope"


def test_structured_mode_by_its_header_and_others_of_the_family_refused() -> None:
    for content_type in (b"application/cloudevents+json", b"Application/CloudEvents+JSON; charset=UTF-8"):
        assert decode(ordinary(), (("Content-Type", content_type),)) == decode(ordinary())
    assert refused(ordinary(), (("content-type", b"application/cloudevents+avro"),)).reason == "bad_envelope"
    assert refused([ordinary()], (("content-type", b"application/cloudevents-batch+json"),)).reason == "bad_envelope"


def test_unknown_attributes_and_members_are_ignored() -> None:
    event = ordinary(traceparent="00-0af7", partitionkey="x", datacontenttype="application/json", data__quality="good")
    assert decode(event) == decode(ordinary())


BAD: list[tuple[str, Any, str]] = [
    ("not_json", b"{", "JSON object"),
    ("not_json", b"\xff\xfe", "UTF-8"),
    ("not_json", b"   ", "JSON"),
    ("not_json", b"[" * 30_000, "nested"),
    ("not_json", b'{"a":' * 9_000, "nested"),
    ("not_json", b'{"data": NaN}', "NaN"),
    ("not_json", b'{"data": -Infinity}', "Infinity"),
    ("not_json", b'{"time": 1, "time": 2}', "twice"),
    ("not_json", json.dumps(ordinary()).encode().replace(b'"flow_vph"', b'"speed_kmh"'), "speed_kmh"),
    ("not_json", json.dumps(ordinary()).encode().replace(b"32.5", b"3" * 5000), "digits"),
    ("too_large", b" " * (MAX_EVENT_BYTES + 1), str(MAX_EVENT_BYTES + 1)),
    ("too_large", json.dumps(ordinary(id="x" * 1_000_000)).encode(), "bytes"),
    ("bad_envelope", b"[]", "array"),
    ("bad_envelope", b"null", "null"),
    ("bad_envelope", ordinary(specversion="0.3"), "0.3"),
    ("bad_envelope", ordinary(specversion=ABSENT), "specversion"),
    ("bad_envelope", ordinary(id=ABSENT), "id"),
    ("bad_envelope", ordinary(id=""), "id"),
    ("bad_envelope", ordinary(id=7), "id"),
    ("bad_envelope", ordinary(source=None), "source"),
    ("bad_envelope", ordinary(type=ABSENT), "type"),
    ("bad_envelope", ordinary(data=ABSENT), "data"),
    ("bad_envelope", ordinary(data=[1]), "array"),
    ("bad_envelope", ordinary(data=ABSENT, data_base64="e30="), "data_base64"),
    ("bad_envelope", ordinary(datacontenttype="text/xml"), "text/xml"),
    ("unknown_type", ordinary(type="traffic"), "traffic"),
    ("unknown_type", ordinary(type="city.traffic.picture.v1"), "picture"),
    ("unknown_type", ordinary(type="city.traffic.reading.v2"), "v2"),
    ("unknown_sector", ordinary(type="city.weather.reading.v1"), "weather"),
    ("wrong_topic", ordinary(type="city.health.reading.v1"), "city.health.events"),
    ("bad_subject", ordinary(subject=ABSENT), "missing"),
    ("bad_subject", ordinary(subject="  "), "asset"),
    ("bad_subject", ordinary(subject=12), "12"),
    ("bad_subject", ordinary(subject="a\u0000b"), r"\x00"),
    ("bad_subject", ordinary(subject="x" * 201), "200"),
    ("bad_time", ordinary(time=ABSENT), "missing"),
    ("bad_time", ordinary(time=1763794800), "1763794800"),
    ("bad_time", ordinary(time="2026-11-22T07:00:00"), "offset"),
    ("bad_time", ordinary(time="2026-06-30T23:59:60Z"), "leap"),
    ("bad_time", ordinary(time="2026-02-30T00:00:00Z"), "calendar"),
    ("future_time", ordinary(time="2026-11-22T07:05:00.124Z"), "clock"),
    ("future_time", ordinary(time="2026-11-22T07:00:00-07:00"), "offset"),
    ("no_measurements", ordinary(data__measurements=ABSENT), "missing"),
    ("no_measurements", ordinary(data__measurements={}), "empty"),
    ("no_measurements", ordinary(data__measurements=[1, 2]), "array"),
    ("no_measurements", ordinary(data__measurements=[]), "empty"),
    ("unknown_metric", ordinary(data__measurements={"speed": 1}), "speed"),
    ("not_a_number", ordinary(data__measurements={"speed_kmh": "32"}), "'32'"),
    ("not_a_number", ordinary(data__measurements={"speed_kmh": True}), "true"),
    ("not_a_number", ordinary(data__measurements={"speed_kmh": None}), "null"),
    ("not_a_number", ordinary(data__measurements={"speed_kmh": {}}), "object"),
    ("not_a_number", json.dumps(ordinary()).encode().replace(b"32.5", b"1e999"), "double"),
    ("not_a_number", json.dumps(ordinary()).encode().replace(b"32.5", b"9" * 400), "double"),
    ("not_a_number", ordinary(data__location=["106.7", 10.7]), "location[0]"),
    ("implausible", ordinary(data__measurements={"speed_kmh": -1}), "-1 km/h"),
    ("implausible", ordinary(data__measurements={"flow_vph": 1, "speed_kmh": 1e300}), "speed_kmh"),
    ("unknown_zone", ordinary(data__zone="99999"), "99999"),
    ("unknown_zone", ordinary(data__zone=26740), "26740"),
    ("outside_city", ordinary(data__location=[105.85, 21.03]), "21.03"),
    ("outside_city", ordinary(data__location=[10.776, 106.695]), "degrees"),
    ("outside_city", ordinary(data__location=[1e300, -1e300]), "degrees"),
    ("outside_city", ordinary(data__location=[106.7]), "array of 1"),
    ("outside_city", ordinary(data__location="here"), "here"),
    ("bad_report", report(category="party"), "category"),
    ("bad_report", report(severity="fatal"), "severity"),
    ("bad_report", report(severity=None), "missing"),
    ("bad_report", report(title=""), "title"),
    ("bad_report", report(title="x" * 301), "300"),
    ("bad_report", report(description="a\u0000"), "description"),
    ("bad_report", report(description=7), "7"),
    ("bad_report", report(status="half"), "status"),
    ("bad_envelope", {**report(), "source": "a\u0000b"}, "source"),
]


@pytest.mark.parametrize(
    ("reason", "event", "word"), BAD, ids=[f"{i}-{reason}" for i, (reason, _, _) in enumerate(BAD)]
)
def test_refusals_name_the_reason_the_field_and_the_fix(reason: str, event: Any, word: str) -> None:
    refusal = refused(event)
    assert refusal.reason == reason
    assert word in refusal.detail
    assert ";" in refusal.detail or "at most" in refusal.detail, "says what to do"


def test_every_reason_of_the_decoder_is_tried_here() -> None:
    judged_elsewhere = {"late", "too_many_series", "bad_batch", "unstorable", "not_allowed"}
    assert {reason for reason, _, _ in BAD} == REASONS - judged_elsewhere


def test_lone_surrogates_never_get_through() -> None:
    raw = json.dumps(ordinary()).encode().replace(b"VVK-0012", rb"VVK-\ud800")
    assert refused(raw).reason == "bad_subject"
    titled = json.dumps(report()).encode().replace(rb"K\u1eb9t xe", rb"\udfff")
    assert refused(titled).reason == "bad_report"


def test_the_door_has_no_topic() -> None:
    assert isinstance(decode(ordinary(type="city.traffic.reading.v1"), sector=None), Reading)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = ["specversion", "id", "source", "type", "subject", "time", "data", "data__measurements", "data__location",
           "data__zone", "datacontenttype", "data_base64", "data__title", "data__category"]  # fmt: skip
HEADERS = st.lists(
    st.tuples(st.sampled_from(["content-type", "ce_specversion", "ce_type", "ce-id", "x"]), st.binary(max_size=12))
)


def never_raises(value: bytes, headers: tuple[tuple[str, bytes], ...], sector: str | None) -> None:
    found = DECODER.decode(value, headers, sector=sector, record_time_us=NOW)
    if isinstance(found, Refusal):
        assert found.reason in REASONS
        assert "\x00" not in found.detail
        found.detail.encode()
    elif found is None:
        assert not value
    else:
        msgspec.json.encode(found)
        assert found.time <= NOW + 300_000_000


@settings(max_examples=400)
@given(st.binary(max_size=300), HEADERS, st.sampled_from(["traffic", None]))
def test_any_bytes(value: bytes, headers: list[tuple[str, bytes]], sector: str | None) -> None:
    never_raises(value, tuple(headers), sector)


@settings(max_examples=600)
@given(st.lists(st.tuples(st.sampled_from(MEMBERS), JSON), max_size=3), st.booleans())
def test_any_event_with_members_changed(changes: list[tuple[str, Any]], as_report: bool) -> None:
    event = report() if as_report else ordinary()
    for name, value in changes:
        inner = name.removeprefix("data__")
        target = event.get("data") if name != inner else event
        if isinstance(target, dict):
            target[inner] = value
    never_raises(json.dumps(event).encode(), (), "traffic")


@settings(max_examples=400)
@given(st.integers(0, 400), st.binary(max_size=6), st.integers(0, 4))
def test_any_event_with_bytes_changed(at: int, inserted: bytes, removed: int) -> None:
    raw = json.dumps(ordinary()).encode()
    never_raises(raw[:at] + inserted + raw[at + removed :], (), "traffic")


class Strict(Decoder):
    """Without the fast path."""

    def _ordinary(self, value: bytes, topic: str | None, record_time_us: int) -> Reading | None:
        return None


STRICT = Strict(CATALOGUE, ZONES)


@settings(max_examples=600)
@given(
    st.lists(
        st.tuples(st.sampled_from(MEMBERS), JSON | st.sampled_from([NOW_TEXT, "VVK-1", "1.0", ZONE, PLACE])), max_size=2
    ),
    st.booleans(),
)
def test_the_fast_path_gives_the_strict_one_s_answer(changes: list[tuple[str, Any]], doubled: bool) -> None:
    event = ordinary(data__zone=ZONE)
    for name, value in changes:
        inner = name.removeprefix("data__")
        target = event.get("data") if name != inner else event
        if isinstance(target, dict):
            target[inner] = value
    raw = json.dumps(event).encode()
    if doubled:
        raw = raw[:-1] + b', "id": "0195f1c2"}'
    both = [d.decode(raw, (), sector="traffic", record_time_us=NOW) for d in (DECODER, STRICT)]
    assert both[0] == both[1]


MARKS = "a" + "\u0301" * 8_000 + "\u0316" * 8_000
"""Normalising this takes seconds: every mark is sorted past thousands of others."""


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (ordinary(subject=MARKS), "bad_subject"),
        (ordinary(data__zone=MARKS), "unknown_zone"),
        (report(title=MARKS[:300]), "bad_report"),
        (report(description=MARKS), "bad_report"),
        (report() | {"source": MARKS[:1000]}, "bad_envelope"),
        (report() | {"source": "界" * 400}, "bad_envelope"),
        (ordinary(time="2026-11-22T07:00:00." + "1" * 60_000 + "Z"), "bad_time"),
        (b"[" * 60_000, "not_json"),
        (b"[]" * 30_000, "not_json"),
        (b'"\\"' * 20_000 + b"[" * 40, "not_json"),
    ],
)
def test_what_would_be_slow_or_unkeepable_is_refused(event: Any, reason: str) -> None:
    assert refused(event).reason == reason


def test_brackets_within_a_text_are_no_nesting() -> None:
    found = decode(report(description='[{"' * 40))
    assert isinstance(found, Report)
    assert found.description == '[{"' * 40


def test_a_report_without_composed_letters_is_composed() -> None:
    found = decode(report(description=unicodedata.normalize("NFD", "Ngập sâu ở đường Nguyễn Hữu Cảnh. " * 20)))
    assert isinstance(found, Report)
    assert found.description == "Ngập sâu ở đường Nguyễn Hữu Cảnh. " * 20
