"""Fetches ahead for the assigned partitions, one request at a time to each broker, within a bound of memory."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

from city.kafka.byid import Fetch
from city.kafka.client import Client
from city.kafka.errors import BrokerUnavailable
from city.kafka.intake import Intake
from city.kafka.links import CONNECTION, Links
from city.kafka.log import READ_COMMITTED, fetched_parts
from city.kafka.partition import PartitionState
from city.kafka.records import TopicPartition
from city.settings import Settings

FETCH_BYTES: Final = 4 * 1024 * 1024
"""Of one response, all partitions together; a single larger record batch still comes."""
BUFFER_BYTES: Final = 16 * 1024 * 1024
"""Of fetched and not yet taken responses; nothing more is fetched above it."""
PARTITION_BUFFER: Final = 2 * 1024 * 1024
MOST_PATIENCE_MS: Final = 500
"""The embedded broker hands out only what it finds within the wait, one partition after the other, so a reader that is
behind and gets nothing of a partition asks for that one first, and waits longer each time, up to this."""
STARVED_S: Final = 0.25
"""A partition that brought nothing for so long, though there is something, is no matter of whose turn it was."""
_FULL_PAUSE_S: Final = 0.05


class Fetcher:
    """Fills the buffers of `partitions`; the consumer takes from them and calls `wake` when it has."""

    def __init__(self, client: Client, group: str, settings: Settings, on_ready: Callable[[], None]) -> None:
        self._client = client
        self._group = group
        self._max_wait_ms = settings.fetch_max_wait_ms
        self._patience_ms: dict[int, int] = {}
        self._on_ready = on_ready
        self._wake = asyncio.Event()
        self._links = Links(client, group)
        self.intake = Intake(client, group, settings, on_ready)
        self.partitions = self.intake.partitions

    def wake(self) -> None:
        """Look again at what there is to fetch."""
        self._wake.set()

    async def run(self) -> None:
        """Fetch until cancelled."""
        under_way: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                self._wake.clear()
                pause = 1.0
                for node, states in self._wanted().items():
                    if node in under_way:
                        continue
                    wait = self._links.wait(node)
                    if wait > 0:
                        pause = min(pause, wait)
                        continue
                    under_way[node] = asyncio.create_task(self._fetch(node, states))
                pause = min(pause, self._soonest())
                woken = asyncio.create_task(self._wake.wait())
                try:
                    await asyncio.wait([woken, *under_way.values()], timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    woken.cancel()
                for node in [node for node, task in under_way.items() if task.done()]:
                    under_way.pop(node).result()
        finally:
            for task in under_way.values():
                task.cancel()
            await asyncio.gather(*under_way.values(), return_exceptions=True)

    def _fetchable(self) -> Iterable[PartitionState]:
        now = time.monotonic()
        for state in self.partitions.values():
            if not (state.paused or self.intake.is_held(state.tp) or now < state.not_before):
                yield state

    def _soonest(self) -> float:
        """Seconds until a partition that waits for its backoff may be fetched."""
        now = time.monotonic()
        waits = [state.not_before - now for state in self.partitions.values() if state.not_before > now]
        return max(0.001, min(waits, default=1.0))

    def _wanted(self) -> dict[int, list[PartitionState]]:
        """Partitions to fetch now by the broker that leads them."""
        wanted: dict[int, list[PartitionState]] = {}
        if sum(state.buffered for state in self.partitions.values()) >= BUFFER_BYTES:
            return wanted
        for state in self._fetchable():
            if state.reach is None or state.buffered >= PARTITION_BUFFER:
                continue
            leader = self._client.cluster.leader_for_partition(state.tp)
            if leader is None or leader == -1:
                self.intake.away(state, "no leader")
                continue
            wanted.setdefault(leader, []).append(state)
        return wanted

    async def _fetch(self, node: int, states: list[PartitionState]) -> None:
        """One request and what becomes of its answer. Errors end in a backoff and a log line, never in an exception."""
        full = any(
            state.reach is None or state.buffered >= PARTITION_BUFFER
            for state in self._fetchable()
            if self._client.cluster.leader_for_partition(state.tp) == node
        )
        wait_ms = max(1 if full else self._max_wait_ms, self._patience_ms.get(node, 0))
        topics: dict[str, list[tuple[int, int, int]]] = {}
        ids: dict[str, bytes] = {}
        versions: dict[TopicPartition, object] = {}
        most = FETCH_BYTES
        for state in sorted(states, key=lambda state: state.served):
            assert state.reach is not None
            topics.setdefault(state.tp.topic, []).append((state.tp.partition, state.reach, state.fetch_bytes))
            most = max(most, state.fetch_bytes)
            versions[state.tp] = state.version
            if state.topic_id is not None:
                ids[state.tp.topic] = state.topic_id
        request = Fetch(wait_ms, most, READ_COMMITTED, list(topics.items()), ids)
        try:
            answer = await self._client.ask(node, request, group=CONNECTION, wait_s=wait_ms / 1000)
        except BrokerUnavailable as error:
            self._links.lost(node, error)
            return
        if self._links.answered(node):
            self.intake.doubt(
                state
                for state in self.partitions.values()
                if self._client.cluster.leader_for_partition(state.tp) == node or state in states
            )
            return
        got = starved = False
        now = time.monotonic()
        for tp, part in fetched_parts(answer, {id_: topic for topic, id_ in ids.items()}):
            state_now = self.partitions.get(tp)
            if state_now is None or state_now.version is not versions.get(tp):
                continue
            if part.data or state_now.reach is None or part.end <= state_now.reach:
                state_now.served = now
            starved |= now - state_now.served > STARVED_S
            got |= await self.intake.receive(state_now, part)
        starved |= not got and any(state.reach is not None and state.end > state.reach for state in states)
        self._patience_ms[node] = min(wait_ms * 2 + 10, MOST_PATIENCE_MS) if starved else 0
        self._on_ready()
        if full and not got:
            self._links.rest(node, _FULL_PAUSE_S)
