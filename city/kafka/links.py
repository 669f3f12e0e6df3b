"""The connections that fetches go by, one to each broker: lost, back, and when to try again."""

import time
from typing import Final

import structlog

from city import metrics
from city.kafka.client import Client, backoff
from city.kafka.errors import BrokerUnavailable

CONNECTION: Final = 7
"""Fetches have a connection of their own: one that waits holds it, and nothing else may queue behind it."""
_LOST: Final = object()

log = structlog.get_logger(__name__)


class Links:
    """What is known of each broker by the fetches sent to it."""

    def __init__(self, client: Client, group: str) -> None:
        self._client = client
        self._group = group
        self._connections: dict[int, object] = {}
        self._failures: dict[int, int] = {}
        self._not_before: dict[int, float] = {}
        self._connected = metrics.BROKER_CONNECTED.labels(group)

    def wait(self, node: int) -> float:
        """Seconds until the next fetch may go to this broker; not above zero: now."""
        return self._not_before.get(node, 0.0) - time.monotonic()

    def rest(self, node: int, seconds: float) -> None:
        """Send it nothing for so long."""
        self._not_before[node] = time.monotonic() + seconds

    def lost(self, node: int, error: BrokerUnavailable) -> None:
        """It did not answer: said once, new metadata, and a pause that grows to 2 s."""
        failures = self._failures.get(node, 0)
        if failures == 0:
            log.warning("broker is away; trying again", group=self._group, broker=node, error=str(error))
        metrics.FETCH_ERRORS.labels(self._group, "unavailable").inc()
        self._connected.set(0)
        self._failures[node] = failures + 1
        self.rest(node, backoff(failures))
        self._connections[node] = _LOST
        self._client.force_metadata_update()

    def answered(self, node: int) -> bool:
        """It answered; whether its connection was lost since the answer before, so that its logs may be others."""
        before = self._connections.get(node)
        now = self._client._conns.get((node, CONNECTION))
        self._connections[node] = now
        if self._failures.pop(node, 0):
            log.info("broker is back", group=self._group, broker=node)
        self._connected.set(1)
        return before is not None and before is not now
