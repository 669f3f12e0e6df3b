"""The system alert of a topic that keeps its producers' times (CreateTime): one a sector, until the topic is mended.

Lateness, ages and wrong clocks are judged by a record's time, which must be the broker's. `citywatch migrate` refuses
another setting; a topic that was changed since is found here, whether anything is published to it or not. On Apache
Kafka only: the embedded broker has no times of its own.
"""

from collections.abc import Mapping
from typing import Final

import asyncpg
import structlog

from alerts import beside
from alerts.store import CHANNEL
from alerts.system import RECORD_TIMES
from city.clock import Clock
from city.kafka import BrokerUnavailable, TimestampType, open_log_reader, topic_for
from city.lease import Lease
from city.sectors import Catalogue
from city.settings import Settings
from city.zones import ZoneMap

LEASE: Final = "alert-record-times"
LOOK_S: Final = 5.0

OPEN: Final = "SELECT group_key, id::text AS id FROM alert WHERE rule = $1 AND cleared_at IS NULL"
RAISE: Final = "SELECT alert_raise(from_us($1), $2::text::jsonb) AS seq, pg_notify($3, '')"
CLEAR: Final = "SELECT alert_move($1::text::uuid, 'cleared', from_us($2), NULL, '{}') AS seq, pg_notify($3, '')"

log = structlog.get_logger(__name__)


class RecordTimes:
    """Opens and clears these alerts while it holds the lease."""

    def __init__(
        self, settings: Settings, pool: asyncpg.Pool, catalogue: Catalogue, zones: ZoneMap, owner: str
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._sectors = {topic_for(name): sector for name, sector in catalogue.sectors.items()}
        self._zones = zones
        self._lease = Lease(pool, LEASE, owner)

    async def lead(self, clock: Clock) -> None:
        """Look at the topics every few seconds whenever the lease is held, until cancelled."""
        await self._lease.lead(lambda: self._follow(clock), clock)

    async def _follow(self, clock: Clock) -> None:
        async with open_log_reader(self._settings) as reader:
            while True:
                try:
                    types = await reader.timestamp_types(self._sectors)
                except BrokerUnavailable as error:
                    log.info("the settings of the topics are not told now", reason=str(error))
                else:
                    await self.look(types, clock.now_us())
                await clock.sleep(LOOK_S)

    async def look(self, types: Mapping[str, TimestampType], now_us: int) -> None:
        """Open an alert for every topic with its producers' times, clear those of topics that have the broker's (or
        are gone); a topic that is not told of stays as it is."""
        standing = {row["group_key"]: row["id"] for row in await self._pool.fetch(OPEN, RECORD_TIMES)}
        for topic, sector in self._sectors.items():
            if types.get(topic) == "CreateTime" and topic not in standing:
                body = beside.body("raised", RECORD_TIMES, topic, sector, self._zones, now_us)
                if await self._pool.fetchval(RAISE, now_us, body, CHANNEL) is not None:
                    beside.count("raised", RECORD_TIMES, sector)
                    log.error("record times are the producers', not the broker's", topic=topic)
        for topic, alert in standing.items():
            mended = topic not in self._sectors or types.get(topic) in ("LogAppendTime", "none")
            if mended and await self._pool.fetchval(CLEAR, alert, now_us, CHANNEL) is not None:
                log.info("record times are the broker's again", topic=topic)
