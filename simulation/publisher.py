"""The simulated city on the wall clock: its events go to Kafka, or to stdout, as they happen."""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from city.clock import Clock, SystemClock
from city.kafka import KafkaError, Producer, Sent, topic_for
from city.metrics import SIMULATED_EVENTS, serve_metrics
from city.sectors import Catalogue
from city.settings import Settings
from city.zones import ZoneMap
from simulation.city import City
from simulation.event import Event
from simulation.scenario import SCENARIOS, Scenario

TICK_S: Final = 0.2
MOST_WAITING: Final = 5_000
"""Events sent and not yet acknowledged; beyond them the city waits."""
MOST_BEHIND_US: Final = 30_000_000
"""A city that could not publish for longer leaves out what it missed: live screens have no use for it."""

log = structlog.get_logger(__name__)

Progress = Callable[[int], None]


class Sink(Protocol):
    """Where events go."""

    async def send(self, event: Event) -> None:
        """Take one event; waits while too many are on their way."""
        ...

    async def finish(self) -> None:
        """Return when all that was taken has arrived or was given up."""
        ...


class KafkaSink:
    """Each event to its sector's topic, keyed by its asset. What the broker does not take is logged and counted."""

    def __init__(self, producer: Producer, most_waiting: int = MOST_WAITING) -> None:
        self._producer = producer
        self._room = asyncio.Semaphore(most_waiting)
        self.failed = 0

    async def send(self, event: Event) -> None:
        await self._room.acquire()
        try:
            sent = await self._producer.send(topic_for(event.sector), event.encode(), key=event.asset.encode())
        except KafkaError as error:
            self._room.release()
            self._note(error)
        else:
            sent.add_done_callback(self._arrived)
            SIMULATED_EVENTS.labels(event.sector).inc()

    async def finish(self) -> None:
        await self._producer.flush()

    def _arrived(self, sent: "asyncio.Future[Sent]") -> None:
        self._room.release()
        error = None if sent.cancelled() else sent.exception()
        if error is not None:
            self._note(error)

    def _note(self, error: BaseException) -> None:
        self.failed += 1
        if self.failed & (self.failed - 1) == 0:  # the 1st, 2nd, 4th, 8th …
            log.warning("the broker did not take an event", failed=self.failed, error=str(error))


class LineSink:
    """Each event as one line of JSON."""

    def __init__(self, write: Callable[[str], object] = sys.stdout.write) -> None:
        self._write = write

    async def send(self, event: Event) -> None:
        self._write(event.encode().decode() + "\n")

    async def finish(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()


async def run(
    settings: Settings,
    *,
    scenario: str,
    seed: int,
    rate: float,
    duration: float | None = None,
    progress: Progress = lambda _: None,
) -> int:
    """Publish to Kafka until cancelled or for `duration` seconds; the number of events.

    Raises LookupError (no such scenario), CatalogueError, ZoneError.
    """
    catalogue, zones = Catalogue.load(settings.city), ZoneMap.load(settings.city)
    city = City(seed, zones, catalogue, scenario_named(scenario), rate=rate, tick_s=TICK_S)
    serve_metrics(settings.metrics_port)
    async with Producer(settings) as producer:
        sink = KafkaSink(producer)
        log.info("the simulated city is awake", scenario=scenario, seed=seed, rate=rate, assets=city.assets)
        try:
            return await live(city, sink, SystemClock(), rate=rate, duration=duration, progress=progress)
        finally:
            await sink.finish()


async def print_lines(
    settings: Settings, *, scenario: str, seed: int, rate: float, duration: float | None = None
) -> int:
    """As `run`, but one line of JSON an event on stdout; needs no broker."""
    catalogue, zones = Catalogue.load(settings.city), ZoneMap.load(settings.city)
    city = City(seed, zones, catalogue, scenario_named(scenario), rate=rate, tick_s=TICK_S)
    sink = LineSink()
    try:
        return await live(city, sink, SystemClock(), rate=rate, duration=duration)
    finally:
        await sink.finish()


async def live(
    city: City,
    sink: Sink,
    clock: Clock,
    *,
    rate: float,
    duration: float | None = None,
    progress: Progress = lambda _: None,
) -> int:
    """Step the city by the clock and hand on what it says, at most `rate` events in any second."""
    start = reached = clock.now_us()
    end = None if duration is None else start + round(duration * 1e6)
    city.step(start)
    sent = 0
    free_at = clock.monotonic()
    while end is None or reached < end:
        await clock.sleep(TICK_S)
        now = clock.now_us() if end is None else min(clock.now_us(), end)
        if now - reached > MOST_BEHIND_US:
            left_out = len(city.step(now - round(TICK_S * 1e6)))
            log.warning("fell behind the clock; events left out", events=left_out, seconds=(now - reached) // 1_000_000)
        reached = max(reached, now)
        for event in city.step(reached):
            free_at = max(free_at, clock.monotonic() - 1.0) + 1 / rate
            if free_at > clock.monotonic():
                await clock.sleep(free_at - clock.monotonic())
            await sink.send(event)
            sent += 1
        progress(sent)
    return sent


def scenario_named(name: str) -> Scenario:
    """The scenario. Raises LookupError with the names that there are."""
    try:
        return SCENARIOS[name]
    except KeyError:
        raise LookupError(f"there is no scenario {name!r}; there are: {', '.join(SCENARIOS)}") from None
