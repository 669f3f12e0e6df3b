"""Handing out what was fetched: every partition has its turn, within a bound of records and of inflated bytes."""

from collections.abc import Callable, Iterable
from typing import Final

from city import metrics
from city.kafka.partition import PartitionState
from city.kafka.records import Batch

_ROOM_BYTES: Final = 8 * 1024 * 1024
"""How many bytes of batches, inflated, are opened for one call; the last may go beyond."""


class Turns:
    """Which partition comes first moves on with each call; `on_room` is called when buffers may have room again."""

    def __init__(self, group: str, on_room: Callable[[], None]) -> None:
        self._group = group
        self._on_room = on_room
        self._turn = 0

    def take(self, partitions: Iterable[PartitionState], limit: int) -> list[Batch]:
        """Slices of what is buffered; a partition with an inflated batch open comes first, the others in turn."""
        states = [state for state in partitions if state.chunks and not state.paused]
        if not states:
            return []
        self._turn += 1
        at = self._turn % len(states)
        states = states[at:] + states[:at]
        states.sort(key=lambda state: not state.chunks[0][0].is_open)
        batches, room = [], _ROOM_BYTES
        for state in states:
            if limit <= 0 or room <= 0:
                break
            batch = self._slice(state, limit, room)
            room -= state.spent
            if batch is not None:
                limit -= len(batch.records)
                batches.append(batch)
        self._on_room()
        return batches

    def _slice(self, state: PartitionState, limit: int, room: int) -> Batch | None:
        batch = state.take(limit, room)
        if batch is not None:
            topic, partition = state.tp
            metrics.FETCHED_RECORDS.labels(self._group, topic).inc(len(batch.records))
            metrics.LAG.labels(self._group, topic, partition).set(max(0, state.end - state.position))
            for part in batch.refused:
                metrics.REFUSED_BATCHES.labels(self._group, part.reason).inc()
        return batch
