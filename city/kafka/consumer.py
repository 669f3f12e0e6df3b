"""A member of a consumer group whose offsets live in our database: it is told where to start and never commits."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Final, Self

import structlog
from aiokafka import errors as remote
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState

from city import metrics
from city.kafka.assignor import PartitionAssignor, StickyAssignor
from city.kafka.client import Client
from city.kafka.fetcher import Fetcher, PartitionState, Progress
from city.kafka.log import LogReader
from city.kafka.records import Batch, Record, Refused, TopicPartition
from city.settings import Settings

SESSION_TIMEOUT_MS: Final = 6_000
HEARTBEAT_MS: Final = 1_500
REBALANCE_TIMEOUT_MS: Final = 10_000
_GONE_AGAIN_S: Final = 5.0
_TAKE_AGAIN_S: Final = 1.0
_LEAVE_S: Final = 3.0

OnAssigned = Callable[[list[TopicPartition]], Awaitable[dict[TopicPartition, int]]]
OnRevoked = Callable[[list[TopicPartition]], Awaitable[None]]

log = structlog.get_logger(__name__)


class GroupConsumer:
    """Reads the partitions that the group gives to this member, read committed, every offset accounted for.

    Both callbacks run inside `getmany`, never beside it. `on_assigned` gets the partitions that are new to this member
    and returns where to start; it is called again for a partition whose log may be another one (connection lost,
    topic deleted, end before our position), so it must take ownership and verify the log's identity each time. What
    the member keeps through a rebalance is read on without a call. A partition that it leaves out of its answer is
    asked about again a second later. When a callback raises, `getmany` raises the same, and the next calls it again.

    Raises (getmany):
        OffsetGone: for one partition, which rests until `seek`; the others go on with the next call.
    """

    def __init__(
        self,
        settings: Settings,
        group: str,
        topics: Iterable[str],
        *,
        on_assigned: OnAssigned,
        on_revoked: OnRevoked | None = None,
        assignor: StickyAssignor | None = None,
    ) -> None:
        self._settings = settings
        self._group = group
        self._topics = frozenset(topics)
        self._assignor = assignor or PartitionAssignor()
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._client = Client(settings, group)
        self._activity = asyncio.Event()
        self._fetcher = Fetcher(self._client, group, settings.fetch_max_wait_ms, self._activity.set)
        self._listener = _Listener(self)
        self._coordinator: Any = None
        self._coordinator_failures = 0
        self._fetching: asyncio.Task[None] | None = None
        self._membership: tuple[str, int] = ("", -1)
        self._given: deque[tuple[tuple[str, int], frozenset[TopicPartition]]] = deque(maxlen=1)
        self._to_revoke: set[TopicPartition] = set()
        self._to_take: set[TopicPartition] = set()
        self._not_before: dict[TopicPartition, float] = {}
        self._turn = 0
        self.log = LogReader(self._client)

    async def __aenter__(self) -> Self:
        """Connect (however long that takes) and begin to join the group."""
        try:
            await self._client.connect()
            await self._client.set_topics(sorted(self._topics))
            self._join()
            self._fetching = asyncio.create_task(self._fetcher.run(), name=f"fetch-{self._group}")
        except BaseException:
            await self._client.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave the group and disconnect, within a few seconds even when the broker is away."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
            self._fetching = None
        await self._leave()
        await self._client.close()
        metrics.ASSIGNED_PARTITIONS.labels(self._group).set(0)

    @property
    def assignment(self) -> set[TopicPartition]:
        """Partitions that this member reads now."""
        return set(self._fetcher.partitions)

    def progress(self) -> dict[TopicPartition, Progress]:
        """How far each assigned partition is read, and where it ended at its last fetch."""
        return {tp: Progress(state.position, state.end, state.as_of) for tp, state in self._fetcher.partitions.items()}

    def seek(self, tp: TopicPartition, offset: int) -> None:
        """Read on at `offset`; what was fetched of the partition is dropped. A partition not assigned is ignored."""
        state = self._fetcher.partitions.get(tp)
        if state is not None:
            state.move(offset)
            self._fetcher.gone_at.pop(tp, None)
            self._fetcher.wake()

    def pause(self, *partitions: TopicPartition) -> None:
        """Neither fetch nor deliver these until `resume`."""
        self._set_paused(partitions, True)

    def resume(self, *partitions: TopicPartition) -> None:
        self._set_paused(partitions, False)

    def _set_paused(self, partitions: Iterable[TopicPartition], paused: bool) -> None:
        for tp in partitions:
            if tp in self._fetcher.partitions:
                self._fetcher.partitions[tp].paused = paused
        self._fetcher.wake()

    def retake(self, *partitions: TopicPartition) -> None:
        """Have `on_assigned` called again for these (all, when none is named) by the next `getmany`.

        For a worker that finds its ownership gone in the database while the group still counts on it.
        """
        self._to_take |= (set(partitions) or self.assignment) & self.assignment
        self._activity.set()

    async def getmany(self, max_records: int, timeout: float) -> list[Batch]:  # noqa: ASYNC109
        """At most `max_records` records, in at most one batch a partition; empty after `timeout` seconds without any.

        A batch may hold no record at all when only markers or holes were passed. Positions move with what is returned.
        """
        deadline = time.monotonic() + timeout
        while True:
            self._activity.clear()
            self._check()
            await self._settle()
            self._raise_gone()
            batches = self._take(max_records)
            left = deadline - time.monotonic()
            if batches or left <= 0:
                return batches
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, _TAKE_AGAIN_S)):
                    await self._activity.wait()

    def _take(self, limit: int) -> list[Batch]:
        """Slices of what is buffered; a partition with an inflated batch open comes first, the others in turn."""
        states = [state for state in self._fetcher.partitions.values() if state.chunks and not state.paused]
        if not states:
            return []
        self._turn += 1
        at = self._turn % len(states)
        states = states[at:] + states[:at]
        states.sort(key=lambda state: not state.chunks[0][0].is_open)
        batches = []
        for state in states:
            if limit <= 0:
                break
            batch = self._slice(state, limit)
            if batch is not None:
                limit -= len(batch.records)
                batches.append(batch)
        self._fetcher.wake()
        return batches

    def _slice(self, state: PartitionState, limit: int) -> Batch | None:
        first = state.position
        records: list[Record] = []
        refused: list[Refused] = []
        last_hash = b""
        while state.chunks and len(records) < limit:
            chunk, size = state.chunks[0]
            more, broken = chunk.take(limit - len(records))
            records += more
            refused += broken
            if chunk.position > state.position:
                last_hash = chunk.last_hash
            state.position = max(state.position, chunk.position)
            if chunk.exhausted:
                state.chunks.popleft()
                state.buffered -= size
        if not state.chunks and state.reach is None:
            state.reach = state.position
        if state.position == first:
            return None
        read = len(records) + sum(part.next_offset - part.first_offset for part in refused)
        topic, partition = state.tp
        metrics.FETCHED_RECORDS.labels(self._group, topic).inc(len(records))
        metrics.LAG.labels(self._group, topic, partition).set(max(0, state.end - state.position))
        for part in refused:
            metrics.REFUSED_BATCHES.labels(self._group, part.reason).inc()
        no_record = state.position - first - read
        return Batch(topic, partition, first, state.position, records, refused, no_record, state.end, last_hash)

    async def _settle(self) -> None:
        """Bring what the group decided, and every doubt about a log, to the callbacks."""
        if self._given:
            membership, partitions = self._given.popleft()
            owned = self.assignment - self._to_take
            kept = owned & partitions if self._was_there_throughout(membership) else set()
            self._membership = membership
            self._assignor.own(membership[1], partitions)
            self._to_revoke |= self.assignment - kept
            self._to_take = (self._to_take & partitions) | (partitions - kept)
            metrics.REBALANCES.labels(self._group).inc()
            metrics.ASSIGNED_PARTITIONS.labels(self._group).set(len(partitions))
        if self._to_revoke:
            for tp in self._to_revoke:
                self._fetcher.partitions.pop(tp, None)
                self._fetcher.gone_at.pop(tp, None)
                with contextlib.suppress(KeyError):  # nothing was read of it
                    metrics.LAG.remove(self._group, tp.topic, str(tp.partition))
            revoked = sorted(self._to_revoke)
            if self._on_revoked is not None:
                await self._on_revoked(revoked)
            self._to_revoke.difference_update(revoked)
        self._to_take |= self._fetcher.doubtful & self.assignment
        now = time.monotonic()
        if take := sorted(tp for tp in self._to_take if self._not_before.get(tp, 0.0) <= now):
            await self._take_ownership(take)

    async def _take_ownership(self, partitions: list[TopicPartition]) -> None:
        self._fetcher.doubtful.difference_update(partitions)
        starts = await self._on_assigned(partitions)
        self._not_before.clear()
        for tp in partitions:
            self._fetcher.gone_at.pop(tp, None)
            before = self._fetcher.partitions.pop(tp, None)
            if tp not in starts:
                self._not_before[tp] = time.monotonic() + _TAKE_AGAIN_S
                continue
            self._to_take.discard(tp)
            state = self._fetcher.partitions[tp] = PartitionState(tp, starts[tp])
            if before is not None:
                state.paused = before.paused
                if 0 <= before.end < starts[tp]:  # the same doubt would come at once
                    state.not_before = time.monotonic() + _TAKE_AGAIN_S
        self._fetcher.wake()

    def _was_there_throughout(self, membership: tuple[str, int]) -> bool:
        """Whether no generation passed without this member: then nobody else can have owned what it keeps."""
        member, generation = self._membership
        return membership == (member, generation + 1)

    def _raise_gone(self) -> None:
        now = time.monotonic()
        while self._fetcher.gone:
            error = self._fetcher.gone.popleft()
            if error.tp in self._fetcher.gone_at and error.tp in self._fetcher.partitions:
                raise error
        for tp, since in self._fetcher.gone_at.items():
            if now - since > _GONE_AGAIN_S:  # nobody sought: ask the broker again
                del self._fetcher.gone_at[tp]
                self._fetcher.wake()
                break

    def _join(self) -> None:
        subscription = SubscriptionState()
        subscription.register_fetch_waiters(set())
        subscription.subscribe(set(self._topics), self._listener)
        self._coordinator = GroupCoordinator(
            self._client,
            subscription,
            group_id=self._group,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            max_poll_interval_ms=2**31 - 1,  # a worker that waits for its database is alive; the database fences it
            retry_backoff_ms=200,
            enable_auto_commit=False,
            assignors=(self._assignor,),
        )

    async def _leave(self) -> None:
        coordinator, self._coordinator = self._coordinator, None
        if coordinator is None:
            return
        with contextlib.suppress(TimeoutError, remote.KafkaError):
            async with asyncio.timeout(_LEAVE_S):
                await coordinator.close()
        for task in (coordinator._coordination_task, coordinator._heartbeat_task, coordinator._commit_refresh_task):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def _check(self) -> None:
        """Say what went wrong in the background; a coordinator that gave up is replaced at the next call."""
        if self._fetching is not None and self._fetching.done():
            self._fetching.result()
        try:
            self._coordinator.check_errors()
        except remote.KafkaError as error:
            log.warning("group coordination failed; joining again", group=self._group, error=str(error))
        if self._coordinator._coordination_task.done():
            self._client.cluster.remove_listener(self._coordinator._handle_metadata_update)
            self._join()

    def given(self, partitions: Iterable[Any]) -> None:
        """Called by the listener when the group has assigned; the next `getmany` acts on it."""
        membership = (str(self._coordinator.member_id), int(self._coordinator.generation))
        self._given.append((membership, frozenset(TopicPartition(tp.topic, tp.partition) for tp in partitions)))
        self._activity.set()


class _Listener(ConsumerRebalanceListener):
    """Passes assignments on; a revocation needs no haste, because the database fences whoever was late to stop."""

    def __init__(self, consumer: GroupConsumer) -> None:
        self._consumer = consumer

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Nothing: what is lost shows in the next assignment."""

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        self._consumer.given(assigned)
