"""What goes out by the clock: heartbeats, live frames, the city's state, and the look for stalled clients."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from center.engine import EngineWatch
from center.follower import Follower
from center.frames import HEARTBEAT_S
from center.hub import Hub
from center.screens import Screens
from city import metrics
from city.clock import Clock
from city.timestamps import format_time

LIVE_S: Final = 0.5
SWEEP_S: Final = 1.0

log = structlog.get_logger(__name__)


async def every(clock: Clock, seconds: float, act: Callable[[], None]) -> None:
    """Acts at once and then at every multiple of `seconds`; what was missed is not made up for."""
    due = clock.monotonic()
    while True:
        act()
        due = max(due + seconds, clock.monotonic())
        await clock.sleep(due - clock.monotonic())


class Beats:
    """The clockwork of one hub and its screens."""

    def __init__(self, hub: Hub, screens: Screens, follower: Follower, engine: EngineWatch, clock: Clock) -> None:
        self._hub = hub
        self._screens = screens
        self._follower = follower
        self._engine = engine
        self._clock = clock
        self._beating = False

    async def run(self) -> None:
        """Beats until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(every(self._clock, HEARTBEAT_S, self._heartbeat), name="heartbeat")
            group.create_task(every(self._clock, LIVE_S, self._hub.live.publish), name="live")
            group.create_task(every(self._clock, SWEEP_S, self._sweep), name="sweep")

    def _heartbeat(self) -> None:
        """Silence says that alerts may be missing: a screen that hears none for six seconds shows the link as lost."""
        beating = self._follower.through
        if self._beating and not beating:
            log.warning("heartbeat_withheld", alerts_through=self._hub.alerts.book.seq)
        self._beating = beating
        if beating:
            self._hub.beat(format_time(self._clock.now_us()), self._engine.through())

    def _sweep(self) -> None:
        now = self._clock.monotonic()
        for state, screens in self._screens.count(now).items():
            metrics.SCREENS.labels(state).set(screens)
        for client in self._hub.sweep(now):
            log.warning("client_stalled", client=client.name, address=client.address, held=client.wire.buffered())
