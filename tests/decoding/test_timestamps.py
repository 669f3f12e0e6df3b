"""Times are read exactly to the microsecond, and what is no time is explained."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.timestamps import format_time, from_datetime, parse_time, to_datetime

INSTANTS = st.datetimes(min_value=datetime(1901, 1, 1), max_value=datetime(2200, 1, 1))
OFFSETS = st.integers(min_value=-23 * 60 - 59, max_value=23 * 60 + 59)


@given(INSTANTS, OFFSETS)
def test_reads_what_python_writes_in_any_offset(at: datetime, offset: int) -> None:
    local = at.replace(tzinfo=timezone(timedelta(minutes=offset)))
    assert parse_time(local.isoformat()) == from_datetime(local)


@given(INSTANTS)
def test_comes_back_from_its_own_format(at: datetime) -> None:
    us = from_datetime(at.replace(tzinfo=UTC))
    assert parse_time(format_time(us)) == us
    assert to_datetime(us) == at.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-22T07:00:00Z", "2026-11-22T07:00:00.000000Z"),
        ("2026-11-22t07:00:00z", "2026-11-22T07:00:00Z"),
        ("2026-11-22 07:00:00Z", "2026-11-22T07:00:00Z"),
        ("2026-11-22T07:00:00+07:00", "2026-11-22T00:00:00Z"),
        ("2026-11-22T07:00:00-00:30", "2026-11-22T07:30:00Z"),
        ("2026-11-22T07:00:00.1Z", "2026-11-22T07:00:00.100Z"),
        ("2026-11-22T07:00:00.1234567899Z", "2026-11-22T07:00:00.123456Z"),
        ("2024-02-29T23:59:59Z", "2024-03-01T00:59:59+01:00"),
    ],
)
def test_one_instant_in_several_forms(text: str, same: str) -> None:
    assert parse_time(text) == parse_time(same) == parse_time(text)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("2026-11-22T07:00:00", "offset"),
        ("2026-11-22T07:00Z", "RFC 3339"),
        ("2026-06-30T23:59:60Z", "leap second"),
        ("2026-02-29T00:00:00Z", "calendar"),
        ("2026-11-22T24:00:00Z", "calendar"),
        ("2026-11-22T07:00:61Z", "calendar"),
        ("2026-11-22T07:00:00+24:00", "offset"),
        ("0001-01-01T00:00:00+01:00", "1900"),
        ("٢٠٢٦-11-22T07:00:00Z", "RFC 3339"),
        ("1763794800", "RFC 3339"),
        ("", "RFC 3339"),
    ],
)
def test_what_is_no_time_is_explained(text: str, word: str) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=word):
            parse_time(text)


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    try:
        parse_time(text)
    except ValueError:
        return
