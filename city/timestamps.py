"""RFC 3339 instants to microseconds since 1970 and back, fast enough for every record."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)
_FORM: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII
)
_NO_OFFSET: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?", re.ASCII)
_CACHED: Final = 50_000
_SECOND: Final = len("2026-11-22T07:00:00")
_TAIL: Final = len(".123456789+07:00")
_LONGEST: Final = 64

_seconds: dict[str, int] = {}
_tails: dict[str, int] = {"Z": 0}


def parse_time(text: str) -> int:
    """Microseconds since the epoch of an RFC 3339 date-time; digits beyond the microsecond are cut.

    Raises ValueError with a sentence that says what is wrong and what to send instead. The second and what follows it
    are looked up apart, since a busy feed repeats both.
    """
    second = _seconds.get(text[:_SECOND])
    if second is not None:
        tail = text[_SECOND:]
        rest = _tails.get(tail)
        if rest is not None:
            return second + rest
        if tail[:1] == "." and tail[-1:] == "Z" and len(tail) <= _TAIL:
            try:
                return second + datetime.fromisoformat(text).microsecond
            except ValueError:  # the slow way says what is wrong
                return _parse(text)
    return _parse(text)


def format_time(us: int) -> str:
    """RFC 3339 in UTC with `Z` and six decimals."""
    return (_EPOCH + us * _US).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def to_datetime(us: int) -> datetime:
    """The aware UTC datetime of an instant."""
    return _EPOCH + us * _US


def from_datetime(at: datetime) -> int:
    """Microseconds since the epoch of an aware datetime."""
    return (at - _EPOCH) // _US


def _parse(text: str) -> int:
    if len(text) > _LONGEST:
        raise ValueError(f"has {len(text)} characters; send a time like 2026-11-22T07:00:00.123Z")
    form = _FORM.fullmatch(text)
    if form is None:
        if _NO_OFFSET.fullmatch(text):
            raise ValueError("has no seconds or no offset from UTC; append Z or an offset such as +07:00")
        raise ValueError("is no RFC 3339 date-time; send one like 2026-11-22T07:00:00.123Z")
    year, month, day, hour, minute, second = (int(form[i]) for i in range(1, 7))
    if second == 60:
        raise ValueError("is a leap second, which no reading can be ordered by; send second 59 or the next minute")
    if year < 1900:
        raise ValueError("is before the year 1900; send the time of the measurement")
    try:
        start = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"is no date of the calendar ({error}); send one like 2026-11-22T07:00:00Z") from None
    tail = int((form[7] or "")[:6].ljust(6, "0"))
    if form[9]:
        hours, minutes = int(form[10]), int(form[11])
        if hours > 23 or minutes > 59:
            raise ValueError("has an offset beyond 23:59; send one like +07:00")
        shift = (hours * 60 + minutes) * 60_000_000
        tail += -shift if form[9] == "+" else shift
    _remember(_seconds, text[:_SECOND], from_datetime(start))
    if len(text) <= _SECOND + _TAIL:
        _remember(_tails, text[_SECOND:], tail)
    return from_datetime(start) + tail


def _remember(cache: dict[str, int], text: str, us: int) -> None:
    if len(cache) >= _CACHED:
        cache.clear()
    cache[text] = us
