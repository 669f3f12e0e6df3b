"""The parts of one center, put together: what they share, and the tasks that keep them current."""

import asyncio
from datetime import timedelta
from typing import Self

import asyncpg
from starlette.requests import HTTPConnection

from access import directory, oidc, unlocking
from access.directory import Directory
from access.policy import Role
from access.provider import Client
from center.backtests import Backtests
from center.beats import Beats
from center.book import AlertBook
from center.citystate import CityState
from center.door import Door
from center.engine import EngineWatch
from center.follower import Follower
from center.hub import Hub
from center.latest import LatestValues
from center.limiting import Limiter
from center.live import LiveTail
from center.panels import Panels
from center.screens import Screens
from center.sign_in import SignIn, is_private
from center.socket import Socket
from center.watch import Watch
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
        self.directory = Directory(pool, clock, idle=timedelta(minutes=settings.session_idle_minutes))
        self.sign_in = SignIn(settings, self.directory)
        self.watch = Watch(self.directory, clock)
        self.limiter = Limiter()
        self.provider = _provider(settings, catalogue, clock)
        self.book = AlertBook()
        self.latest = LatestValues()
        names: dict[str, object] = {"name": catalogue.city.name, "timezone": catalogue.city.timezone}
        self.state = CityState(catalogue, zones, self.book, self.latest, names)
        self.hub = Hub(self.book, self.latest, self.state)
        self.screens = Screens()
        self.engine = EngineWatch(catalogue.sectors, clock)
        hints = {directory.CHANNEL: lambda _: self.directory.hint(), unlocking.CHANNEL: self.limiter.unlocked}
        self.follower = Follower(settings.database_dsn, pool, self.hub, clock, hints)
        self.live = LiveTail(settings, pool, self.latest, clock)
        self.panels = Panels(
            self.hub,
            self.follower.loaded,
            self.engine,
            self.state,
            self.latest,
            catalogue,
            zones,
            pool,
            clock,
            simulated=settings.simulated,
        )
        self.backtests = Backtests(settings, pool, clock)
        self.door = Door(settings, catalogue, zones, pool, clock)
        self.socket = Socket(
            self.hub,
            pool,
            self.screens,
            clock,
            self.follower.loaded,
            self.sign_in,
            self.watch,
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
            group.create_task(self.directory.run(), name="directory")
            group.create_task(self.watch.run(), name="watch")
            group.create_task(self.follower.run(), name="follower")
            group.create_task(self.live.run(), name="live-tail")
            group.create_task(self.engine.run(self.pool), name="engine-watch")
            group.create_task(self.panels.run(), name="panels")
            group.create_task(self.door.run(), name="door")
            group.create_task(self.backtests.run(), name="backtests")
            beats = Beats(self.hub, self.screens, self.follower, self.engine, self.clock)
            group.create_task(beats.run(), name="beats")

    def ways_in(self, connection: HTTPConnection) -> dict[str, object]:
        """How whoever sends this could sign in."""
        return {
            "required": self.sign_in.required,
            "local": True,
            "private": is_private(connection),
            "oidc": None if self.provider is None else {"title": self.settings.oidc_title},
        }

    async def close(self) -> None:
        """Ends every connection to the database."""
        self.pool.terminate()


def _provider(settings: Settings, catalogue: Catalogue, clock: Clock) -> oidc.SignIn | None:
    """The identity provider of the settings, if there is one. Raises ValueError for a role that there is not."""
    if not settings.oidc_issuer:
        return None
    pairs = [pair.rpartition("=") for pair in settings.oidc_roles.split(",") if pair.strip()]
    address = settings.public_url.rstrip("/") or f"http://127.0.0.1:{settings.center_port}"
    client = Client(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        redirect_uri=f"{address}/api/v1/oidc/callback",
        title=settings.oidc_title,
        role_claim=settings.oidc_role_claim,
        sectors_claim=settings.oidc_sectors_claim,
        roles={group.strip(): Role(role.strip()) for group, _, role in pairs},
    )
    return oidc.SignIn(client, frozenset(catalogue.sectors), clock=clock)
