"""Membership in a consumer group: what the group decides, and whether anybody else can have owned it meanwhile."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import errors as remote
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState

from city.kafka.assignor import StickyAssignor
from city.kafka.client import Client
from city.kafka.records import TopicPartition

SESSION_TIMEOUT_MS: Final = 6_000
HEARTBEAT_MS: Final = 1_500
REBALANCE_TIMEOUT_MS: Final = 10_000
_LEAVE_S: Final = 3.0

log = structlog.get_logger(__name__)


class Decision(NamedTuple):
    """Partitions that the group gives to this member, and whether it was in every generation since the last decision.

    If it was, nobody else can have owned what it keeps.
    """

    partitions: frozenset[TopicPartition]
    without_gap: bool


class Membership:
    """Joins, stays and leaves; nothing is committed to the group."""

    def __init__(
        self,
        client: Client,
        group: str,
        topics: frozenset[str],
        assignor: StickyAssignor,
        on_decision: Callable[[], None],
    ) -> None:
        self._client = client
        self._group = group
        self._topics = topics
        self._assignor = assignor
        self._on_decision = on_decision
        self._coordinator: Any = None
        self._last: tuple[str, int] = ("", -1)
        self._given: deque[tuple[tuple[str, int], frozenset[TopicPartition]]] = deque(maxlen=1)

    def join(self) -> None:
        """Begin to join the group, in the background."""
        subscription = SubscriptionState()
        subscription.register_fetch_waiters(set())
        subscription.subscribe(set(self._topics), _Listener(self._note))
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

    def decision(self) -> Decision | None:
        """The newest decision that was not asked for yet; one that was replaced meanwhile is never told."""
        if not self._given:
            return None
        membership, partitions = self._given.popleft()
        member, generation = self._last
        self._last = membership
        self._assignor.own(membership[1], partitions)
        return Decision(partitions, membership == (member, generation + 1))

    def check(self) -> None:
        """Say what went wrong in the background; a coordinator that gave up is replaced."""
        try:
            self._coordinator.check_errors()
        except remote.KafkaError as error:
            log.warning("group coordination failed; joining again", group=self._group, error=str(error))
        if self._coordinator._coordination_task.done():
            self._client.cluster.remove_listener(self._coordinator._handle_metadata_update)
            self.join()

    async def leave(self) -> None:
        """Leave the group, within a few seconds even when the broker is away."""
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

    def _note(self, partitions: frozenset[TopicPartition]) -> None:
        membership = (str(self._coordinator.member_id), int(self._coordinator.generation))
        self._given.append((membership, partitions))
        self._on_decision()


class _Listener(ConsumerRebalanceListener):
    """Passes assignments on; a revocation needs no haste, because the database fences whoever was late to stop."""

    def __init__(self, note: Callable[[frozenset[TopicPartition]], None]) -> None:
        self._note = note

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Nothing: what is lost shows in the next assignment."""

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        self._note(frozenset(TopicPartition(tp.topic, tp.partition) for tp in assigned))
