"""When a rule is active: days and hours on the city's walls, across daylight saving. Pure."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTE_US: Final = 60_000_000
DAY_MINUTES: Final = 24 * 60


class Hours(msgspec.Struct, frozen=True):
    """Days (0 = Monday) and minutes of the local day, `start` included, `end` not; hours that end no later than they
    start go on past midnight and belong to the day on which they start."""

    days: tuple[int, ...]
    start: int
    end: int
    timezone: str

    def holds(self, time_us: int) -> bool:
        """Whether the rule is active at this instant (µs)."""
        return _holds(self, time_us // MINUTE_US)

    @property
    def longest_us(self) -> int | None:
        """The longest while (µs) for which the rule is active without a break; None: always."""
        if (self.start, self.end) != (0, DAY_MINUTES):
            return ((self.end - self.start) % DAY_MINUTES) * MINUTE_US
        if len(self.days) == len(DAYS):
            return None
        run = longest = 0
        for day in range(2 * len(DAYS)):
            run = run + 1 if day % len(DAYS) in self.days else 0
            longest = max(longest, run)
        return longest * DAY_MINUTES * MINUTE_US

    def next_start(self, after_us: int) -> int:
        """The first instant (µs) from `after_us` on at which the rule is active."""
        if self.holds(after_us):
            return after_us
        zone = ZoneInfo(self.timezone)
        day = datetime.fromtimestamp(after_us / 1e6, zone).replace(hour=0, minute=0, second=0, microsecond=0)
        for ahead in range(-1, 9):
            local = day.replace(tzinfo=None) + timedelta(days=ahead, minutes=self.start)
            if local.weekday() not in self.days:
                continue
            begin = round(local.replace(tzinfo=zone).timestamp()) * 1_000_000
            while not self.holds(begin) and begin < after_us + 9 * DAY_MINUTES * MINUTE_US:
                begin += MINUTE_US  # the clocks were put forward over the hour at which it would begin
            if begin >= after_us:
                return begin
        raise ValueError(f"no day of {self.days} in the week after {after_us}")


@lru_cache(maxsize=4096)
def _holds(hours: Hours, minute: int) -> bool:
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)).astimezone(ZoneInfo(hours.timezone))
    today, now = local.weekday(), local.hour * 60 + local.minute
    if hours.start < hours.end:
        return today in hours.days and hours.start <= now < hours.end
    if now >= hours.start:
        return today in hours.days
    return now < hours.end and (today - 1) % 7 in hours.days
