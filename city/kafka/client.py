"""The connection to the brokers: aiokafka's client, without its habit of creating topics by asking for them."""

import asyncio
import logging
import random
from collections.abc import Collection
from typing import Any, Final

import structlog
from aiokafka import errors as remote
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.protocol.metadata import MetadataRequest

from city.kafka.errors import BrokerUnavailable
from city.settings import Settings

METADATA_MAX_AGE_MS: Final = 5_000
"""New partitions and topics are noticed within this time."""
_ANSWER_S: Final = 10.0
_BACKOFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)

log = structlog.get_logger(__name__)


def backoff(attempt: int) -> float:
    """Seconds to wait before try number `attempt` + 1: 0.1 rising to 2."""
    return _BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)]


class Client(AIOKafkaClient):
    """Asks for topics without creating them: a broker that auto-creates would give them any number of partitions."""

    def __init__(self, settings: Settings, name: str, request_timeout_ms: int = 40_000) -> None:
        """Not connected yet. The library's own log is silenced: what a person should know is said here, once."""
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        super().__init__(  # type: ignore[no-untyped-call]
            bootstrap_servers=settings.kafka_bootstrap,
            client_id=f"citywatch-{name}",
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            request_timeout_ms=request_timeout_ms,
            retry_backoff_ms=200,
        )
        self._settings = settings

    async def connect(self) -> None:
        """Return once a broker has answered; tries for ever with bounded backoff, and says so once."""
        attempt = 0
        bootstrap = self._settings.kafka_bootstrap
        while True:
            try:
                await self.bootstrap()
            except (remote.KafkaError, OSError) as error:
                if attempt == 0:
                    log.warning("broker does not answer; trying again", bootstrap=bootstrap, error=str(error))
                await asyncio.sleep(backoff(attempt))
                attempt += 1
            else:
                if attempt:
                    log.info("broker answers", bootstrap=bootstrap, attempts=attempt + 1)
                return

    async def ask(self, node: int | str, request: Any, *, group: int = 0, wait_s: float = 0.0) -> Any:
        """Send `request` and return the answer; one that doesn't come within `wait_s` + 10 s breaks the connection.

        Raises:
            BrokerUnavailable: no answer.
        """
        try:
            async with asyncio.timeout(wait_s + _ANSWER_S):
                return await self.send(node, request, group=group)
        except TimeoutError as error:
            connection = self._conns.pop((node, group), None)
            if connection is not None:
                connection.close()
            raise BrokerUnavailable(f"broker {node} did not answer within {wait_s + _ANSWER_S:.0f} s") from error
        except remote.KafkaError as error:
            raise BrokerUnavailable(f"broker {node}: {error!r}") from error

    async def ask_any(self, request: Any) -> Any:
        """The answer of any broker.

        Raises:
            BrokerUnavailable: none answered.
        """
        error = BrokerUnavailable("no broker is known")
        for broker in self.cluster.brokers():
            try:
                return await self.ask(broker.nodeId, request)
            except BrokerUnavailable as unavailable:
                error = unavailable
        raise error

    async def _metadata_update(self, cluster_metadata: ClusterMetadata, topics: Collection[str]) -> bool:
        """As the library's, but without leave to create topics."""
        request = MetadataRequest(list(topics) if topics else None, False)
        nodes: list[int | str] = [broker.nodeId for broker in self.cluster.brokers()]
        kept = ("bootstrap", 0)
        if kept in self._conns:
            nodes.append("bootstrap")
        random.shuffle(nodes)
        for node in nodes:
            connection = await self._get_conn(node)
            if connection is None:
                continue
            try:
                metadata = await connection.send(request)
            except (remote.KafkaError, TimeoutError):
                continue
            if not metadata.brokers:
                return False
            cluster_metadata.update_metadata(metadata)
            if kept in self._conns and self.cluster.brokers():
                self._conns.pop(kept).close()
            return True
        cluster_metadata.failed_update(None)
        return False
