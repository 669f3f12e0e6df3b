"""Recorded events sent again: with their own times, moved to now at their own pace, or as a backfill that ends now."""

import enum
from collections.abc import Callable
from typing import Final

import msgspec

from city.clock import Clock
from simulation.publisher import Sink
from simulation.recording import Recording, Tally

PROGRESS_EVERY: Final = 500


class Times(enum.StrEnum):
    """What becomes of the recorded times."""

    RECORDED = "recorded"
    """Kept; needs a raw retention that long, and raises nothing older than its metric's max_age."""
    NOW = "now"
    """The first is now, the others come at their own distance: 1×."""
    BACKFILL = "backfill"
    """The last is now, all are sent at once."""


class Outcome(msgspec.Struct, frozen=True):
    """What a replay did; times are microseconds since the epoch, None where nothing was sent."""

    tally: Tally
    first: int | None
    last: int | None


async def replay(
    recording: Recording,
    sink: Sink,
    clock: Clock,
    *,
    times: Times = Times.RECORDED,
    progress: Callable[[Tally], None] = lambda _: None,
) -> Outcome:
    """Send every event of the recording. Raises MappingError where the file does not fit or ends early."""
    shift = 0
    if times is not Times.RECORDED:
        span = recording.span()
        if span is not None:
            shift = clock.now_us() - (span[0] if times is Times.NOW else span[1])
    tally = Tally()
    first: int | None = None
    last: int | None = None
    for event in recording.events(tally, shift):
        if times is Times.NOW and event.time > clock.now_us():
            progress(tally)
            await clock.sleep((event.time - clock.now_us()) / 1e6)
        await sink.send(event)
        first = event.time if first is None else min(first, event.time)
        last = event.time if last is None else max(last, event.time)
        if tally.events % PROGRESS_EVERY == 0:
            progress(tally)
            await clock.sleep(0)
    await sink.finish()
    progress(tally)
    return Outcome(tally, first, last)
