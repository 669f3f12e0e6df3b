"""What is watched of a whole sector, by built-in rules: that its feed lives, that its clocks are right, that it fits.

- *feed dead*: every asset silent for three cadences, as the worker's ticks tell, counted only while every partition is
  read to its end and only since this worker watches; one alert a sector however many assets fall silent.
- *wrong clock*: an asset whose readings have for a minute (or three cadences) been older than their max_age by a steady
  amount, or a minute of readings refused because they come from the future. A backfill or the burst after an
  outage is no wrong clock: there the age changes faster than time passes.
- *series limit*: more series than the catalogue allows; those beyond are not evaluated, and that is said.
"""

from typing import Final

import msgspec

FEED_DEAD: Final = "system-feed-dead"
WRONG_CLOCK: Final = "system-wrong-clock"
SERIES_LIMIT: Final = "system-series-limit"
SYSTEM_RULES: Final = (FEED_DEAD, WRONG_CLOCK, SERIES_LIMIT)

NEVER: Final = 1 << 60
SILENT_CADENCES: Final = 3
LEAST_SILENCE_US: Final = 15_000_000
STEADY_US: Final = 60_000_000
FUTURE_QUIET_US: Final = 300_000_000
FUTURE_REFUSALS: Final = 3


class Feed(msgspec.Struct):
    """State of one sector's feed; times in µs. `arrived` and `watched_since` are tick times, the others record times.

    `cadence_us` is the shortest cadence of any asset heard since the feed last came to life.
    """

    cadence_us: int = NEVER
    arrived: int = 0
    watched_since: int = 0
    dead_since: int = 0
    wrong: dict[str, int] = {}
    wrong_since: int = 0
    future_since: int = 0
    future_last: int = 0
    future_count: int = 0
    full_since: int = 0

    @property
    def pulse_us(self) -> int:
        """How long the feed may be silent."""
        return max(SILENT_CADENCES * self.cadence_us, LEAST_SILENCE_US)

    def death(self, now: int) -> int | None:
        """The tick time at which silence became death, if it has by `now` and was not known before."""
        if self.dead_since or not self.arrived or self.cadence_us == NEVER:
            return None
        died = max(self.arrived, self.watched_since) + self.pulse_us
        return died if now >= died else None

    def refuse_future(self, record_time: int) -> bool:
        """Book a reading refused because it comes from the future; True when that has lasted."""
        if not self.future_since or record_time - self.future_last > FUTURE_QUIET_US:
            self.future_since, self.future_count = record_time, 0
        self.future_last = max(record_time, self.future_last)
        self.future_count += 1
        return self.future_count >= FUTURE_REFUSALS and record_time - self.future_since >= STEADY_US

    def future_over(self, record_time: int) -> bool:
        """Whether such refusals have ceased while the feed goes on."""
        return record_time - self.future_last > FUTURE_QUIET_US


def severity(rule: str) -> str:
    """Severity of a built-in rule: a dead feed is critical, the others are warnings."""
    return "critical" if rule == FEED_DEAD else "warning"


def steady(since: int, first_age: int, record_time: int, age: int, cadence_us: int) -> bool | None:
    """Whether a run of stale readings is a wrong clock: True yes, False no (age changes too fast), None too early."""
    elapsed = record_time - since
    if elapsed < 0 or abs(age - first_age) > elapsed // 2 + STEADY_US // 6:
        return False
    return True if elapsed >= max(STEADY_US, SILENT_CADENCES * cadence_us) else None
