"""The parts of one center, put together: what they share, and the tasks that keep them current."""

import asyncio
from typing import Self

import asyncpg

from center.beats import Beats
from center.book import AlertBook
from center.citystate import CityState
from center.door import Door
from center.follower import Follower
from center.hub import Hub
from center.latest import LatestValues
from center.live import LiveTail
from center.panels import Panels
from center.screens import Screens
from center.socket import Socket
from city.clock import Clock
from city.database import open_pool
from city.sectors import Catalogue
from city.settings import Settings
from city.zones import ZoneMap


class Center:
    """Everything behind the server; `run` owns its tasks, `close` its connections."""

    def __init__(
        self, settings: Settings, clock: Clock, catalogue: Catalogue, zones: ZoneMap, pool: asyncpg.Pool
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.catalogue = catalogue
        self.zones = zones
        self.pool = pool
        self.book = AlertBook()
        self.latest = LatestValues()
        names: dict[str, object] = {"name": catalogue.city.name, "timezone": catalogue.city.timezone}
        self.state = CityState(catalogue, zones, self.book, self.latest, names)
        self.hub = Hub(self.book, self.latest, self.state)
        self.screens = Screens()
        self.follower = Follower(settings.database_dsn, pool, self.hub, clock)
        self.live = LiveTail(settings, pool, self.latest, clock)
        self.panels = Panels(
            self.hub,
            self.state,
            self.latest,
            catalogue,
            zones,
            pool,
            clock,
            simulated=settings.simulated,
        )
        self.door = Door(settings, catalogue, zones, pool, clock)
        self.socket = Socket(
            self.hub,
            pool,
            self.screens,
            clock,
            self.follower.loaded,
            sectors=frozenset(catalogue.sectors),
            zones=frozenset(zones.zones),
        )

    @classmethod
    async def open(cls, settings: Settings, clock: Clock) -> Self:
        """Loads the city; opens a pool that connects when it is first used, so that a database may come later."""
        catalogue = Catalogue.load(settings.city)
        zones = ZoneMap.load(settings.city)
        pool = await open_pool(settings, application="center", min_size=0, max_size=8, command_timeout_s=10)
        return cls(settings, clock, catalogue, zones, pool)

    async def run(self) -> None:
        """Keeps everything current until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.follower.run(), name="follower")
            group.create_task(self.live.run(), name="live-tail")
            group.create_task(self.panels.run(), name="panels")
            group.create_task(self.door.run(), name="door")
            group.create_task(Beats(self.hub, self.screens, self.follower, self.clock).run(), name="beats")

    async def close(self) -> None:
        """Ends every connection to the database."""
        self.pool.terminate()
