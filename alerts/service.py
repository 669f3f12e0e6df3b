"""The alert service: the worker of its sectors, and beside it what one service at a time does, each under a lease."""

import asyncio
import gc
import os
import socket
from typing import Final

import asyncpg
import structlog

from alerts.alarms import HealthGauges
from alerts.grouping import Incidents
from alerts.hiding import Hiding
from alerts.losses import Losses
from alerts.patience import SAY_EVERY, passes, pause_s
from alerts.record_times import RecordTimes
from alerts.relay import Relay
from alerts.worker import Worker
from city import metrics
from city.clock import SystemClock
from city.database import STORE_ERRORS, open_pool
from city.decoding import Decoder
from city.sectors import Catalogue
from city.settings import Settings
from city.zones import ZoneMap

DRAIN_S: Final = 8.0

log = structlog.get_logger(__name__)


def collect_seldom() -> None:
    """Engine state is many long-lived objects without cycles: collecting them all would stall the worker."""
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Evaluate the sectors that the group gives to this worker until `stop` is set; then hand over at once.

    Waits for a broker and a database that are away. Raises what only a person can mend.
    """
    owner = settings.worker or f"{socket.gethostname()}-{os.getpid()}"
    catalogue, zones, clock = Catalogue.load(settings.city), ZoneMap.load(settings.city), SystemClock()
    metrics.serve_metrics(settings.metrics_port)
    collect_seldom()
    opened = await _open_pool(settings, stop)
    if opened is None:
        return
    async with opened as pool, asyncio.TaskGroup() as tasks:
        worker = Worker(settings, pool, Decoder(catalogue, zones), owner, clock)
        leading = [
            tasks.create_task(Relay(settings, pool, owner).lead(clock), name="alert-relay"),
            tasks.create_task(Losses(pool, catalogue, zones, owner).lead(clock), name="alert-losses"),
            tasks.create_task(Hiding(pool, owner).lead(clock), name="alert-hiding"),
            tasks.create_task(Incidents(pool, catalogue, zones, owner).lead(clock), name="alert-incidents"),
            tasks.create_task(HealthGauges(pool, owner).lead(clock), name="alarm-health"),
        ]
        if settings.broker == "kafka":
            times = RecordTimes(settings, pool, catalogue, zones, owner)
            leading.append(tasks.create_task(times.lead(clock), name="alert-record-times"))
        working = tasks.create_task(worker.run(stop), name="alert-worker")
        stopping = tasks.create_task(stop.wait(), name="stop")
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({working}, timeout=DRAIN_S)  # what waits for a database that is away is given up: it repeats
        for task in (working, stopping, *leading):
            task.cancel()


async def _open_pool(settings: Settings, stop: asyncio.Event) -> asyncpg.Pool | None:
    """The pool, as soon as the database answers; None when told to stop before."""
    attempt = 0
    while not stop.is_set():
        try:
            return await open_pool(settings, application="citywatch-alerts", max_size=12, command_timeout_s=20)
        except STORE_ERRORS as error:
            if not passes(error):
                raise
            if attempt % SAY_EVERY == 0:
                log.warning("waiting for the database", error=repr(error))
            await asyncio.sleep(pause_s(attempt))
            attempt += 1
    return None
