"""History for outsiders: every transition, in the order of seq, on the topic city.alerts. At least once."""

import asyncio
from collections.abc import Awaitable
from typing import Final

import asyncpg
import msgspec
import structlog

from alerts.store import HistoryRow, history_since, newest_seq
from city import metrics
from city.clock import Clock
from city.kafka import ALERTS, KafkaError, Producer, Sent
from city.lease import Lease
from city.settings import Settings

LEASE: Final = "alert-relay"
BATCH: Final = 500
POLL_S: Final = 0.25
DONE: Final = "SELECT seq FROM alert_relay"
ADVANCE: Final = "UPDATE alert_relay SET seq = $1 WHERE seq < $1"

log = structlog.get_logger(__name__)


def event(row: HistoryRow) -> bytes:
    """One transition as a CloudEvent in structured mode; its id is the seq."""
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": str(row.seq),
            "source": "//citywatch/alerts",
            "type": f"city.alert.{row.kind}.v1",
            "subject": row.alert_id,
            "time": row.at,
            "datacontenttype": "application/json",
            "data": {"seq": row.seq, "kind": row.kind, "alert": msgspec.Raw(row.body.encode())},
        }
    )


class Relay:
    """Copies while it holds the lease; a new holder goes on after the last transition that was acknowledged."""

    def __init__(self, settings: Settings, pool: asyncpg.Pool, owner: str) -> None:
        self._settings = settings
        self._pool = pool
        self._lease = Lease(pool, LEASE, owner)

    async def lead(self, clock: Clock) -> None:
        """Copy whenever the lease is held, until cancelled."""
        await self._lease.lead(lambda: self._follow(clock), clock)

    async def _follow(self, clock: Clock) -> None:
        async with Producer(self._settings, linger_ms=0) as producer:
            while True:
                done = int(await self._pool.fetchval(DONE))
                rows = await history_since(self._pool, done, BATCH)
                if rows and not await self._copy(producer, rows):
                    await clock.sleep(1.0)
                if len(rows) < BATCH:
                    metrics.RELAY_LAG.set(await newest_seq(self._pool) - (rows[-1].seq if rows else done))
                    await clock.sleep(POLL_S)

    async def _copy(self, producer: Producer, rows: list[HistoryRow]) -> bool:
        """Send in order, wait for every acknowledgement, then note how far it went; False if the broker failed."""
        try:
            sent: list[Awaitable[Sent]] = [
                await producer.send(ALERTS, event(row), key=row.alert_id.encode(), partition=0) for row in rows
            ]
            await asyncio.gather(*sent)
        except KafkaError as error:
            log.warning("relay waits for the broker", error=str(error))
            return False
        async with self._pool.acquire() as connection, connection.transaction():
            await self._lease.fence(connection)
            await connection.execute(ADVANCE, rows[-1].seq)
        metrics.RELAYED.inc(len(rows))
        return True
