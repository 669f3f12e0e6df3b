"""Journalled steps taken again, silently: the same records in the same ranges with the same ticks and rules."""

from collections import deque
from collections.abc import Mapping, Sequence

import msgspec
import structlog

from alerts.arrivals import in_order
from alerts.engine import Arrival, Engine, Tick
from alerts.journal import Entry, Position, Step
from alerts.rules import Rule

log = structlog.get_logger(__name__)


class Piece(msgspec.Struct):
    """Decoded records of one partition, offsets first … next - 1, and what identifies the log at its end."""

    partition: int
    first: int
    next: int
    last_hash: bytes
    arrivals: list[Arrival]


class Replay:
    """Feeds an engine, thawed from a snapshot, with what the journal says came after it."""

    def __init__(
        self,
        engine: Engine,
        entries: Sequence[Entry],
        positions: Mapping[int, Position],
        rules: Mapping[int, list[Rule]],
    ) -> None:
        self._engine = engine
        self._steps: deque[Step] = deque(step for entry in entries for step in entry.steps)
        self._rules = rules
        self._held: dict[int, deque[Arrival]] = {}
        self._reached = {partition: position.next for partition, position in positions.items()}
        self._hashes = {partition: position.last_hash for partition, position in positions.items()}
        self._taken = dict(self._reached)

    @property
    def done(self) -> bool:
        """Whether every journalled step has been taken again."""
        return not self._steps

    def expects(self, partition: int) -> int | None:
        """The offset that must come next of this partition; None if the journal did not know it."""
        return self._reached.get(partition)

    def feed(self, pieces: Sequence[Piece]) -> None:
        """Take what was read; steps whose ranges are complete are made."""
        for piece in pieces:
            self._held.setdefault(piece.partition, deque()).extend(piece.arrivals)
            self._reached[piece.partition] = piece.next
            self._hashes[piece.partition] = piece.last_hash
            self._taken.setdefault(piece.partition, piece.first)
        self.advance()

    def advance(self) -> None:
        """Make every step that is complete."""
        while self._steps and self._complete(self._steps[0]):
            self._make(self._steps.popleft())

    def left_over(self) -> list[Piece]:
        """What was read beyond the journal: the first live step. Only when done."""
        return [
            Piece(partition, taken, self._reached[partition], self._hashes[partition], list(self._held[partition]))
            for partition, taken in sorted(self._taken.items())
            if self._reached[partition] > taken
        ]

    def _complete(self, step: Step) -> bool:
        return all(self._reached.get(part.partition, 0) >= part.next for part in step.ranges)

    def _make(self, step: Step) -> None:
        if step.kind == "rules":
            self._engine.apply(self._rules[step.revision], step.time)
        elif step.kind == "resume":
            self._engine.resume(step.time)
        parts: list[list[Arrival]] = []
        for part in step.ranges:
            held = self._held.setdefault(part.partition, deque())
            parts.append([])
            while held and held[0].offset < part.next:
                parts[-1].append(held.popleft())
            self._taken[part.partition] = part.next
        if step.kind == "records":
            self._engine.step(in_order(parts), Tick(step.time, step.at_end))
