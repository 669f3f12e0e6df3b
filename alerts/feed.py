"""What is watched of a whole sector, by built-in rules: that its feed lives, that its clocks are right, that it fits.

- *feed dead*: all instruments of a kind (assets that measure the same) silent for three cadences, as the worker's ticks
  tell, counted only while every partition is read to its end and only since this worker watches. One alert a sector,
  however many assets fall silent: a warning while other kinds are heard, critical when none is.
- *wrong clock*: an asset whose readings have for a minute (or three cadences) been older than their max_age by a steady
  amount, or a minute of readings refused because they come from the future. A backfill or the burst after an
  outage is no wrong clock: there the age changes faster than time passes.
- *series limit*: more series than the catalogue allows; those beyond are not evaluated, and that is said.
"""

from collections.abc import Collection
from typing import Final

import msgspec

from alerts.series import Instruments

FEED_DEAD: Final = "system-feed-dead"
WRONG_CLOCK: Final = "system-wrong-clock"
SERIES_LIMIT: Final = "system-series-limit"
SYSTEM_RULES: Final = (FEED_DEAD, WRONG_CLOCK, SERIES_LIMIT)

SILENT_CADENCES: Final = 3
LEAST_SILENCE_US: Final = 15_000_000
FEW_ASSETS: Final = 3
"""Fewer than these falling silent are silent sensors, not a dead feed."""
SLOW_US: Final = 600_000_000
"""A cadence beyond this says nothing about whether a sector is heard."""
STEADY_US: Final = 60_000_000
FUTURE_QUIET_US: Final = 300_000_000
FUTURE_REFUSALS: Final = 3

ALIVE, PARTLY, DEAD = 0, 1, 2


class Feed(msgspec.Struct):
    """State of one sector's feed. `level` is ALIVE, PARTLY or DEAD, as was last told.

    Times in µs: `dead_since`, `watched_since` and `future_heard` are tick times, the others record times.
    """

    level: int = ALIVE
    dead_since: int = 0
    watched_since: int = 0
    wrong: dict[str, int] = {}
    wrong_since: int = 0
    future_since: int = 0
    future_last: int = 0
    future_count: int = 0
    future_heard: int = 0
    full_since: int = 0

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


def pulse_us(kind: Instruments) -> int:
    """How long this kind may be silent."""
    return max(SILENT_CADENCES * kind.cadence_us, LEAST_SILENCE_US)


def judge_silence(
    kinds: Collection[Instruments], feed: Feed, now: int, at_end: bool
) -> tuple[int, int, Instruments | None]:
    """Judge every kind at tick time `now`: how dead the sector's feed is, since when, and the largest dead kind.

    Nothing dies unless `at_end`, nor while readings are refused for coming from the future: those instruments speak,
    only their clocks are wrong. A kind that was heard since it died lives again.
    """
    listening = at_end and now - feed.future_heard >= STEADY_US
    for kind in kinds:
        if kind.dead and kind.heard >= kind.dead:
            kind.dead, kind.since = 0, kind.heard
        died = max(kind.heard, feed.watched_since) + pulse_us(kind)
        if listening and not kind.dead and now >= died:
            kind.dead = died
    dead = [kind for kind in kinds if kind.dead]
    many = [kind for kind in dead if kind.assets >= FEW_ASSETS]
    fast = [kind for kind in kinds if kind.cadence_us <= SLOW_US] or list(kinds)
    silent = bool(fast) and all(kind.dead for kind in fast)
    if not silent and not many:
        return ALIVE, 0, None
    told = dead if silent else many
    return DEAD if silent else PARTLY, min(k.dead for k in told), max(told, key=lambda k: (k.assets, k.metric))


def steady(since: int, first_age: int, record_time: int, age: int, cadence_us: int) -> bool | None:
    """Whether a run of stale readings is a wrong clock: True yes, False no (age changes too fast), None too early."""
    elapsed = record_time - since
    if elapsed < 0 or abs(age - first_age) > elapsed // 2 + STEADY_US // 6:
        return False
    return True if elapsed >= max(STEADY_US, SILENT_CADENCES * cadence_us) else None
