"""How far the rules have come, told every second: a wall must know an engine that is dead from one that has no cause.

What is told rests on nobody's clock: *everything that was in the log at that moment has been judged*. While a worker is
behind, that moment stands still, and moves on in steps as old ends of the log are reached.
"""

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Final, Protocol

import asyncpg

from alerts.journal import Journal
from city.kafka import Progress, TopicPartition, sector_of

BEAT: Final = "SELECT engine_beat($1, $2, $3)"

Parts = Mapping[TopicPartition, Progress]


class Reached:
    """One sector: `through` is the monotonic second of which everything is judged, None before the first."""

    def __init__(self) -> None:
        self.through: float | None = None
        self._mark: tuple[float, dict[TopicPartition, int]] | None = None
        """An end of the log that is not reached yet, and when it was the end."""

    def move(self, parts: Parts) -> None:
        """Take where the partitions stand now; everything that was read of them has been judged."""
        heard = min((part.as_of for part in parts.values()), default=0.0)
        if self._mark is not None and _passed(parts, self._mark[1]):
            self.through, self._mark = self._mark[0], None
        if heard <= 0:  # the broker has not told of all of them
            return
        ends = {tp: part.end for tp, part in parts.items()}
        if _passed(parts, ends):
            self.through, self._mark = heard, None
        elif self._mark is None or self._mark[1].keys() != ends.keys():
            self._mark = heard, ends

    def age(self, now: float) -> float | None:
        """Seconds since `through`."""
        return None if self.through is None else max(0.0, now - self.through)


def _passed(parts: Parts, ends: Mapping[TopicPartition, int]) -> bool:
    return all(tp in parts and parts[tp].position >= end for tp, end in ends.items())


class Judging(Protocol):
    """What is told of a sector's runner."""

    @property
    def live(self) -> bool: ...

    journal: Journal
    reached: Reached

    def judged(self, partition: int) -> int | None: ...


async def beat(
    pool: asyncpg.Pool, runners: Mapping[str, Judging], partitions: Mapping[TopicPartition, Progress]
) -> None:
    """Say how far each sector has come; of one that still takes journalled steps again only that it is worked on.

    `partitions`: how far each is read; what was read and waits for other partitions is not judged.
    """
    if not runners:
        return
    parts: dict[str, dict[TopicPartition, Progress]] = defaultdict(dict)
    for tp, part in partitions.items():
        sector = sector_of(tp.topic) or ""
        judged = runners[sector].judged(tp.partition) if sector in runners else None
        parts[sector][tp] = part if judged is None else part._replace(position=min(part.position, judged))
    for sector, runner in runners.items():
        if runner.live:
            runner.reached.move(parts[sector])
    now = time.monotonic()
    epochs = [runner.journal.epoch for runner in runners.values()]
    await pool.execute(BEAT, list(runners), epochs, [runner.reached.age(now) for runner in runners.values()])
