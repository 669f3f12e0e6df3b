"""A member of a consumer group whose offsets live in our database: it is told where to start and never commits."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Final, NamedTuple, Self

from city import metrics
from city.kafka.assignor import PartitionAssignor, StickyAssignor
from city.kafka.client import Client
from city.kafka.fetcher import Fetcher
from city.kafka.log import LogReader
from city.kafka.membership import Membership
from city.kafka.partition import PartitionState, Progress
from city.kafka.records import Batch, TopicPartition
from city.kafka.turns import Turns
from city.settings import Settings

_GONE_AGAIN_S: Final = 5.0
_TAKE_AGAIN_S: Final = (1.0, 2.0, 5.0, 10.0)
"""Pauses before a partition that could not be taken is asked about again."""

OnAssigned = Callable[[list[TopicPartition]], Awaitable[dict[TopicPartition, int]]]
OnRevoked = Callable[[list[TopicPartition]], Awaitable[None]]


class _Waiting(NamedTuple):
    """A partition that could not be taken so many times, and the monotonic second of the next try."""

    tries: int
    until: float


class GroupConsumer:
    """Reads the partitions that the group gives to this member, read committed, every offset accounted for.

    Both callbacks run inside `getmany`, never beside it. `on_assigned` gets the partitions that are new to this member
    and returns where to start; it is called again for a partition whose log may be another one (connection lost,
    topic deleted, end before our position), so it must take ownership and verify the log's identity each time. What
    the member keeps through a rebalance is read on without a call. A partition that it leaves out of its answer (one
    without a leader) holds up no other: it is asked about again, a second later at first, then every ten seconds. When
    a callback raises, `getmany` raises the same, and the next calls it again.

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
        self._group = group
        self._topics = frozenset(topics)
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._client = Client(settings, group)
        self._activity = asyncio.Event()
        self._fetcher = Fetcher(self._client, group, settings, self._activity.set)
        self._intake = self._fetcher.intake
        self._membership = Membership(
            self._client, group, self._topics, assignor or PartitionAssignor(), self._activity.set
        )
        self._by_id = settings.broker == "kafka"
        self._fetching: asyncio.Task[None] | None = None
        self._to_revoke: set[TopicPartition] = set()
        self._to_take: set[TopicPartition] = set()
        self._waiting: dict[TopicPartition, _Waiting] = {}
        self._turns = Turns(group, self._fetcher.wake)
        self.log = LogReader(self._client)

    async def __aenter__(self) -> Self:
        """Connect (however long that takes) and begin to join the group."""
        try:
            await self._client.connect()
            await self._client.set_topics(sorted(self._topics))
            self._membership.join()
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
        await self._membership.leave()
        await self._client.close()
        metrics.ASSIGNED_PARTITIONS.labels(self._group).set(0)

    @property
    def assignment(self) -> set[TopicPartition]:
        """Partitions that this member reads now."""
        return set(self._intake.partitions)

    def progress(self) -> dict[TopicPartition, Progress]:
        """How far each assigned partition is read, and where it ended at its last fetch."""
        return {tp: state.progress for tp, state in self._intake.partitions.items()}

    def known_ends(self) -> dict[TopicPartition, int]:
        """How far the log of each assigned partition was seen to go while it was read, whatever stands there now."""
        return {tp: state.known_end for tp, state in self._intake.partitions.items()}

    def seek(self, tp: TopicPartition, offset: int) -> None:
        """Read on at `offset`; what was fetched of the partition is dropped. A partition not assigned is ignored."""
        state = self._intake.partitions.get(tp)
        if state is not None:
            state.move(offset)
            self._intake.gone_at.pop(tp, None)
            self._fetcher.wake()

    def pause(self, *partitions: TopicPartition) -> None:
        """Neither fetch nor deliver these until `resume`."""
        self._set_paused(partitions, True)

    def resume(self, *partitions: TopicPartition) -> None:
        self._set_paused(partitions, False)

    def _set_paused(self, partitions: Iterable[TopicPartition], paused: bool) -> None:
        for tp in partitions:
            if tp in self._intake.partitions:
                self._intake.partitions[tp].paused = paused
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
            batches = self._turns.take(self._intake.partitions.values(), max_records)
            left = deadline - time.monotonic()
            if batches or left <= 0:
                return batches
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, _TAKE_AGAIN_S[0])):
                    await self._activity.wait()

    async def _settle(self) -> None:
        """Bring what the group decided, and every doubt about a log, to the callbacks."""
        decision = self._membership.decision()
        if decision is not None:
            given = decision.partitions
            kept = (self.assignment - self._to_take) & given if decision.without_gap else set()
            self._to_revoke |= self.assignment - kept
            self._to_take = (self._to_take & given) | (given - kept)
            self._waiting = {tp: waiting for tp, waiting in self._waiting.items() if tp in given}
            metrics.REBALANCES.labels(self._group).inc()
            metrics.ASSIGNED_PARTITIONS.labels(self._group).set(len(given))
        if self._to_revoke:
            await self._revoke(sorted(self._to_revoke))
        self._to_take |= {tp for tp in self._intake.doubtful & self.assignment if not self._has_more(tp)}
        now = time.monotonic()
        if take := sorted(tp for tp in self._to_take if tp not in self._waiting or self._waiting[tp].until <= now):
            await self._take_ownership(take)
        away = sum(1 for state in self._intake.partitions.values() if state.failures)
        metrics.PARTITIONS_AWAY.labels(self._group).set(away + len(self._waiting))

    def _has_more(self, tp: TopicPartition) -> bool:
        """Whether there is something to hand out of the log that was read until now; whatever is there now waits."""
        state = self._intake.partitions[tp]
        return bool(state.chunks) and not state.paused

    async def _revoke(self, partitions: list[TopicPartition]) -> None:
        for tp in partitions:
            self._intake.partitions.pop(tp, None)
            self._intake.gone_at.pop(tp, None)
            with contextlib.suppress(KeyError):  # nothing was read of it
                metrics.LAG.remove(self._group, tp.topic, str(tp.partition))
        if self._on_revoked is not None:
            await self._on_revoked(partitions)
        self._to_revoke.difference_update(partitions)

    async def _take_ownership(self, partitions: list[TopicPartition]) -> None:
        """Have the callback take these. The topics' ids are asked for before it verifies their logs, never after."""
        self._intake.doubtful.difference_update(partitions)
        ids = await self.log.topic_ids({tp.topic for tp in partitions}) if self._by_id else {}
        starts = await self._on_assigned(partitions)
        for tp in partitions:
            self._intake.gone_at.pop(tp, None)
            before = self._intake.partitions.pop(tp, None)
            if tp not in starts:
                tries = self._waiting[tp].tries if tp in self._waiting else 0
                pause = _TAKE_AGAIN_S[min(tries, len(_TAKE_AGAIN_S) - 1)]
                self._waiting[tp] = _Waiting(tries + 1, time.monotonic() + pause)
                continue
            self._to_take.discard(tp)
            self._waiting.pop(tp, None)
            state = self._intake.partitions[tp] = PartitionState(tp, starts[tp], ids.get(tp.topic))
            if before is not None:
                state.paused = before.paused
                if 0 <= before.end < starts[tp]:  # the same doubt would come at once
                    state.rest(_TAKE_AGAIN_S[0])
        self._fetcher.wake()

    def _raise_gone(self) -> None:
        now = time.monotonic()
        while self._intake.gone:
            error = self._intake.gone.popleft()
            if error.tp in self._intake.gone_at and error.tp in self._intake.partitions:
                raise error
        for tp, since in self._intake.gone_at.items():
            if now - since > _GONE_AGAIN_S:  # nobody sought: ask the broker again
                del self._intake.gone_at[tp]
                self._fetcher.wake()
                break

    def _check(self) -> None:
        """Raise what ended the fetching, and see that the membership goes on."""
        if self._fetching is not None and self._fetching.done():
            self._fetching.result()
        self._membership.check()
