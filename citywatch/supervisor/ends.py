"""How far the embedded broker's logs go, looked at every second: what dies with it unread is then known as a number.

Ingest sees the same while it reads, and the HTTP door knows what was acknowledged to it. This is for what others
publish, above all while ingest is away. What they publish between the last look and the broker's death nobody knows.
"""

import asyncio
import contextlib
from typing import Final

import asyncpg

from city.database import STORE_ERRORS
from city.kafka import BrokerUnavailable, open_log_reader, topic_for
from city.sectors import Catalogue
from city.settings import Settings
from ingest.ends import KnownEnds

LOOK_S: Final = 1.0
"""How long one look may take."""


class LogEnds:
    """The ends of the sector topics as they were seen last, by cluster; kept until the database has them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = [topic_for(sector) for sector in Catalogue.load(settings.city).sectors]
        self._known = KnownEnds()

    async def look(self) -> None:
        """Ask the broker; one that doesn't answer in time leaves what is known."""
        try:
            async with asyncio.timeout(LOOK_S), open_log_reader(self._settings, self._topics) as reader:
                cluster = await reader.cluster_id()
                ends = await reader.ends(self._topics)
                if cluster != await reader.cluster_id():
                    return
        except (BrokerUnavailable, TimeoutError, OSError):
            return
        self._known.note({(cluster, tp): end for tp, end in ends.items()})

    async def tell(self) -> None:
        """Write down what is known; a database that is away is told the next time."""
        with contextlib.suppress(*STORE_ERRORS):
            connection = await asyncpg.connect(self._settings.database_dsn, timeout=5)
            try:
                await self._known.tell(connection)
            finally:
                await connection.close()
