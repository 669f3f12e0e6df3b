"""What a producer asks every new connection before it sends anything over it: which cluster is this, which topics?

The library sends by what it knew before the connection was lost. A broker that came back empty may take records for
topics that it doesn't have: the embedded one acknowledges them, numbers them from 0, and numbers from 0 again once the
topics are created, so that the first are lost and the next collide with them. A connection leads to one broker
process for as long as it lives, so asking once is enough.
"""

import asyncio
from collections.abc import Callable, Coroutine
from types import MethodType
from typing import Any, Final
from weakref import WeakKeyDictionary

import structlog
from aiokafka import errors as remote
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.protocol.metadata import MetadataRequest

ANSWER_S: Final = 5.0

log = structlog.get_logger(__name__)


class Handshake:
    """Stands before the connections of one client of the library; `cluster` is the one that was last asked."""

    def __init__(self, client: AIOKafkaClient) -> None:
        self.cluster = ""
        self._client = client
        self._connect: Callable[..., Coroutine[Any, Any, Any]] = client._get_conn
        self._asked: WeakKeyDictionary[Any, asyncio.Task[bool]] = WeakKeyDictionary()
        setattr(client, "_get_conn", MethodType(_through(self), client))  # noqa: B010

    async def connection(self, node: int | str, group: int) -> Any:
        """The connection to a node, or None: not now, what was to be sent rests on what another broker said."""
        connection = await self._connect(node, group=group)
        if connection is None or node == "bootstrap":
            return connection
        task = self._asked.get(connection)
        if task is None:
            task = self._asked[connection] = asyncio.create_task(self._ask(connection))
        elif task.done() and not task.cancelled():
            return connection if connection.connected() else None
        return connection if await asyncio.shield(task) else None

    async def _ask(self, connection: Any) -> bool:
        """Learn cluster and topics from this connection; whether they are as they were known to be."""
        topics = sorted(self._client._topics)
        before = {topic: self._client.cluster.partitions_for_topic(topic) for topic in topics}
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await connection.send(MetadataRequest(topics, False))
        except (remote.KafkaError, TimeoutError):
            connection.close()
            return False
        if not answer.brokers:
            connection.close()
            return False
        cluster, self.cluster = self.cluster, str(answer.cluster_id or "")
        self._client.cluster.update_metadata(answer)
        same = cluster in ("", self.cluster) and all(
            self._client.cluster.partitions_for_topic(topic) == before[topic] for topic in topics if before[topic]
        )
        if not same:
            log.warning("another broker, or other topics; nothing is sent by what was known", cluster=self.cluster)
        return same


def _through(handshake: Handshake) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def connection(
        _: AIOKafkaClient, node: int | str, *, group: int = ConnectionGroup.DEFAULT, no_hint: bool = False
    ) -> Any:
        return await handshake.connection(node, group)

    return connection
