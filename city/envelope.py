"""CloudEvents 1.0 in its structured and binary modes: bytes and headers to attributes and data, strictly."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from city.events import MAX_EVENT_BYTES, SPECVERSION, Refusal

Headers = Sequence[tuple[str, bytes]]

STRUCTURED: Final = "application/cloudevents+json"
_PREFIXES: Final = ("ce_", "ce-")
_DEEPEST: Final = 32
_SHOWN: Final = 80
_STRINGS: Final = re.compile(r'"(?:[^"\\]+|\\.)*+"?', re.DOTALL)
"""A JSON string, or the rest of the text where one never ends: linear in any text."""
_BRACKETS: Final = re.compile(r"[\[\]{}]")
MAX_TEXT: Final = 2048


class RefusedError(Exception):
    """The event can't be taken; `refusal` says why."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.refusal = Refusal(reason, detail)


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """The attributes that CityWatch reads, as sent (subject and time unchecked), and the data object."""

    source: str
    type: str
    subject: object
    time: object
    data: dict[str, Any]


def read(value: bytes, headers: Headers) -> Envelope:
    """Open an event. Raises RefusedError: `too_large`, `not_json` or `bad_envelope`."""
    if len(value) > MAX_EVENT_BYTES:
        raise RefusedError(
            "too_large",
            f"the event has {len(value)} bytes, more than {MAX_EVENT_BYTES}; send fewer measurements an event",
        )
    named = {name.lower(): content for name, content in headers}
    mode = _text(named.get("content-type", b""), "content-type").partition(";")[0].strip().lower()
    if mode.startswith("application/cloudevents"):
        if mode != STRUCTURED:
            raise RefusedError("bad_envelope", f"content-type is {show(mode)}; send one event a record as {STRUCTURED}")
        return _structured(value)
    prefix = next((p for p in _PREFIXES if p + "specversion" in named), None)
    return _structured(value) if prefix is None else _binary(value, named, prefix, mode)


def show(value: object) -> str:
    """A value as a sentence can hold it: short, printable, and never anything that UTF-8 or SQL text can't carry."""
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _structured(value: bytes) -> Envelope:
    event = _json(value)
    if not isinstance(event, dict):
        raise RefusedError(
            "bad_envelope", f"the event is {kind_of(event)}; send one JSON object with specversion, id, source, type"
        )
    if "data_base64" in event:
        raise RefusedError("bad_envelope", "the event carries data_base64; send data as a JSON object")
    content_type = event.get("datacontenttype")
    if content_type is not None and not (isinstance(content_type, str) and _is_json(content_type)):
        raise RefusedError("bad_envelope", f"datacontenttype is {show(content_type)}; send data as application/json")
    return _envelope(event, event.get("data"))


def _binary(value: bytes, named: dict[str, bytes], prefix: str, content_type: str) -> Envelope:
    if content_type and not _is_json(content_type):
        raise RefusedError("bad_envelope", f"content-type is {show(content_type)}; send data as application/json")
    attributes = {n.removeprefix(prefix): _text(content, n) for n, content in named.items() if n.startswith(prefix)}
    if prefix == "ce-":  # HTTP binding 3.1.3.2: percent-encoded
        attributes = {name: _percent_decoded(text, name) for name, text in attributes.items()}
    return _envelope(attributes, _json(value))


def _envelope(attributes: dict[str, Any], data: object) -> Envelope:
    for name in ("specversion", "id", "source", "type"):
        given = attributes.get(name)
        if name not in attributes:
            raise RefusedError(
                "bad_envelope", f"{name} is missing; CloudEvents 1.0 requires specversion, id, source and type"
            )
        if not isinstance(given, str) or not 0 < len(given) <= MAX_TEXT:
            raise RefusedError("bad_envelope", f"{name} is {show(given)}; send a text of 1 to {MAX_TEXT} characters")
    if attributes["specversion"] != SPECVERSION:
        raise RefusedError("bad_envelope", f"specversion is {show(attributes['specversion'])}; send {SPECVERSION!r}")
    if not isinstance(data, dict):
        given = "is missing" if data is None else f"is {kind_of(data)}"
        raise RefusedError("bad_envelope", f"data {given}; send an object with measurements, or a report's fields")
    return Envelope(attributes["source"], attributes["type"], attributes.get("subject"), attributes.get("time"), data)


def is_storable(text: str) -> bool:
    """Whether UTF-8 and a text column can hold it: no lone surrogate, no control character but line ends."""
    if text.isprintable():
        return True
    return all(
        char in "\n\r\t" or not (char < " " or "\x7f" <= char < "\xa0" or "\ud800" <= char <= "\udfff") for char in text
    )


def kind_of(value: object) -> str:
    """The JSON kind of a value, for a sentence."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    return show(value)


def _json(value: bytes) -> object:
    """Parse strictly. RFC 8259 leaves repeated names open; RFC 7493 forbids them, and so does this."""
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise RefusedError(
            "not_json", f"byte {error.start} is not UTF-8 ({error.reason}); send JSON encoded as UTF-8"
        ) from None
    try:
        _check_depth(text)
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise RefusedError("not_json", f"{error.msg} at character {error.pos}; send one JSON object") from None
    except (ValueError, RecursionError):  # an integer of thousands of digits
        raise RefusedError("not_json", "a number has thousands of digits; send a double") from None


def _check_depth(text: str) -> None:
    """Refuse absurd nesting before a recursive parser meets it."""
    if text.count("[") + text.count("{") <= _DEEPEST:
        return
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > _DEEPEST:
            raise RefusedError("not_json", f"the JSON is nested deeper than {_DEEPEST} levels; send flat measurements")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise RefusedError("not_json", f"the name {show(twice)} appears twice in one object; send each name once")
    return found


def _no_constant(name: str) -> float:
    raise RefusedError("not_json", f"{name} is no JSON number; leave the measurement out when there is none")


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise RefusedError("bad_envelope", f"header {show(name)} is not UTF-8; encode it so") from None


def _percent_decoded(text: str, name: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise RefusedError("bad_envelope", f"header ce-{name} is not percent-encoded UTF-8; encode it so") from None


def _is_json(content_type: str) -> bool:
    media = content_type.partition(";")[0].strip().lower()
    return media in ("application/json", "text/json") or media.endswith("+json")
