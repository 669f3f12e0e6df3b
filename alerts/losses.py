"""The system alert of lost records: what retention took, or a log that is gone, before ingest had read it.

One alert a topic. It stands beside the engine, which reads on from what is left: the cause is in the books of ingest,
where the loss stays until an operator accepts it (`citywatch ledger --accept-expired`, `--accept-lost`), and the books
are what is watched. More lost than was told escalates the alert: whoever has seen it is asked to see it again.
"""

from typing import Final

import asyncpg
import structlog

from alerts import beside
from alerts.store import CHANNEL
from alerts.system import RECORDS_LOST
from alerts.transitions import Kind
from city.clock import Clock
from city.kafka import sector_of
from city.lease import Lease
from city.sectors import Catalogue
from city.zones import ZoneMap

LEASE: Final = "alert-losses"
LOOK_S: Final = 2.0
TELL_AGAIN_US: Final = 60_000_000
"""Records that go on being lost are told no more often than that."""

STANDING: Final = """
SELECT lost.topic, lost.records, open.id::text AS id, open.value
  FROM (SELECT topic, sum(records)::bigint AS records FROM open_loss GROUP BY topic) AS lost
  FULL JOIN (SELECT id, group_key, (body ->> 'value')::float8 AS value, (body ->> 'last_data_at')::timestamptz AS told
               FROM alert WHERE rule = $1 AND cleared_at IS NULL) AS open
    ON open.group_key = lost.topic
 WHERE lost.topic IS NULL OR open.id IS NULL OR (lost.records <> open.value AND open.told <= from_us($2))
"""
RAISE: Final = """
SELECT alert_raise(from_us($1), $2::text::jsonb) AS seq, pg_notify($4, '')
 WHERE EXISTS (SELECT FROM open_loss WHERE topic = $3)
"""
TELL: Final = """
SELECT alert_move($1::text::uuid, $2, from_us($3), NULL, $4::text::jsonb) AS seq, pg_notify($6, '')
 WHERE EXISTS (SELECT FROM alert WHERE id = $1::text::uuid AND cleared_at IS NULL AND (body ->> 'value')::float8 = $5)
"""
CLEAR: Final = """
SELECT alert_move($1::text::uuid, 'cleared', from_us($2), NULL, '{}') AS seq, pg_notify($3, '')
 WHERE NOT EXISTS (SELECT FROM open_loss, alert WHERE id = $1::text::uuid AND topic = group_key)
"""

log = structlog.get_logger(__name__)


class Losses:
    """Opens and clears these alerts while it holds the lease.

    Each step is one statement that looks at the books again; two holders never open two alerts, and what is accepted
    in the very moment of opening is cleared by the next look.
    """

    def __init__(self, pool: asyncpg.Pool, catalogue: Catalogue, zones: ZoneMap, owner: str) -> None:
        self._pool = pool
        self._catalogue = catalogue
        self._zones = zones
        self._lease = Lease(pool, LEASE, owner)

    async def lead(self, clock: Clock) -> None:
        """Look at the books every two seconds whenever the lease is held, until cancelled."""
        await self._lease.lead(lambda: self._follow(clock), clock)

    async def _follow(self, clock: Clock) -> None:
        while True:
            await self.look(clock.now_us())
            await clock.sleep(LOOK_S)

    async def look(self, now_us: int) -> None:
        """Open an alert for every topic with a loss that nobody accepted, tell what was lost since (once a minute),
        clear those whose loss was accepted."""
        for row in await self._pool.fetch(STANDING, RECORDS_LOST, now_us - TELL_AGAIN_US):
            if row["topic"] is None:
                if await self._pool.fetchval(CLEAR, row["id"], now_us, CHANNEL) is not None:
                    log.info("the loss was accepted", alert=row["id"])
            else:
                await self._tell(row, now_us)

    async def _tell(self, row: asyncpg.Record, now_us: int) -> None:
        topic, records = row["topic"], row["records"]
        sector = self._catalogue.sectors.get(sector_of(topic) or "")
        if sector is None:  # a sector that the catalogue no longer has; the books still tell
            return
        opening = row["id"] is None
        kind: Kind = "raised" if opening else "escalated" if records > row["value"] else "eased"
        body = beside.body(kind, RECORDS_LOST, topic, sector, self._zones, now_us, float(records))
        if opening:
            seq = await self._pool.fetchval(RAISE, now_us, body, topic, CHANNEL)
        else:
            seq = await self._pool.fetchval(TELL, row["id"], kind, now_us, body, row["value"], CHANNEL)
        if seq is not None:
            beside.count(kind, RECORDS_LOST, sector)
            log.error("records were lost", topic=topic, records=records)
