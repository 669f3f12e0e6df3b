"""A start after a stop in the middle of a story: the city is calm until the alerts left open have cleared.

Otherwise the scenario would flood a street that is flooded already, and nobody would see an alert begin. Alerts of what
is not part of the simulated city, such as an example's gauge, are no part of the story: nothing there would clear them.
"""

import functools
import time
from datetime import UTC, datetime
from typing import Final

import asyncpg

from city.sectors import Catalogue
from city.settings import Settings
from city.zones import ZoneMap
from simulation.city import City
from simulation.scenario import SCENARIOS

SETTLE_SECONDS: Final = 110.0
"""Longer than a flooded street takes to clear; what lasts longer stays open while the story begins."""

LEFT_OPEN: Final = """SELECT count(*) FROM alert
    WHERE cleared_at IS NULL AND raised_at < $1 AND (asset IS NULL OR asset = ANY($2))"""


@functools.cache
def simulated_assets() -> list[str]:
    """The names of all instruments of the simulated city at its busiest."""
    where = Settings().city
    city = City(1, ZoneMap.load(where), Catalogue.load(where), SCENARIOS["calm"])
    return sorted({name for feed in city.feeds for name in feed.instruments.names})


class Settling:
    """Alerts raised before this object was made, and how long to wait for them."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._since = datetime.now(UTC)
        self._deadline = time.monotonic() + SETTLE_SECONDS

    async def left(self) -> int:
        """How many of them are still open. Raises what the database raises."""
        connection = await asyncpg.connect(self._dsn, timeout=5)
        try:
            return int(await connection.fetchval(LEFT_OPEN, self._since, simulated_assets()))
        finally:
            await connection.close()

    async def over(self) -> bool:
        """Whether none is left, or they had their time; a database that is away for a moment tells neither."""
        if time.monotonic() >= self._deadline:
            return True
        try:
            return not await self.left()
        except (OSError, asyncpg.PostgresError):
            return False
