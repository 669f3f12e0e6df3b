"""Active hours are those on the wall, also where the clocks change."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from alerts.hours import Hours

EVERY_DAY = tuple(range(7))
NIGHT = Hours((4,), 22 * 60, 6 * 60, "Asia/Ho_Chi_Minh")
BERLIN = Hours(EVERY_DAY, 2 * 60 + 30, 4 * 60, "Europe/Berlin")


def us(text: str, zone: str = "Asia/Ho_Chi_Minh", fold: int = 0) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("text", "active"),
    [
        ("2026-11-27T21:59:59", False),  # a Friday
        ("2026-11-27T22:00:00", True),
        ("2026-11-28T05:59:59", True),  # belongs to the Friday
        ("2026-11-28T06:00:00", False),
        ("2026-11-28T22:00:00", False),
        ("2026-11-27T05:00:00", False),  # belongs to the Thursday
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(text: str, active: bool) -> None:
    assert NIGHT.holds(us(text)) is active


def test_the_next_start_is_the_first_active_instant() -> None:
    assert NIGHT.next_start(us("2026-11-28T06:00:00")) == us("2026-12-04T22:00:00")
    assert NIGHT.next_start(us("2026-11-28T05:00:00")) == us("2026-11-28T05:00:00")


def test_in_spring_the_hour_that_does_not_exist_is_left_out() -> None:
    # 29 March 2026: 02:00 becomes 03:00
    assert BERLIN.holds(us("2026-03-29T03:00:00", "Europe/Berlin"))
    assert not BERLIN.holds(us("2026-03-29T01:59:00", "Europe/Berlin"))
    start = BERLIN.next_start(us("2026-03-29T01:00:00", "Europe/Berlin"))
    assert BERLIN.holds(start)
    assert us("2026-03-29T03:00:00", "Europe/Berlin") <= start < us("2026-03-29T04:00:00", "Europe/Berlin")


def test_in_autumn_the_hour_that_comes_twice_counts_twice() -> None:
    # 25 October 2026: 03:00 becomes 02:00
    for fold in (0, 1):
        assert BERLIN.holds(us("2026-10-25T02:45:00", "Europe/Berlin", fold))
        assert not BERLIN.holds(us("2026-10-25T02:15:00", "Europe/Berlin", fold))
