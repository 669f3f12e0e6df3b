"""Publishing: to a real broker, keyed by asset, at most at the rate, and as lines."""

import asyncio
import json

from city.clock import ManualClock
from city.kafka import TopicPartition, ensure_topics, open_log_reader, topic_for
from city.settings import Settings
from simulation import publisher
from simulation.event import Event
from tests.conftest import BROKER
from tests.simulation.watched import CATALOGUE, city


class Kept:
    """A sink that keeps what it got, and when."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.events: list[tuple[float, Event]] = []

    async def send(self, event: Event) -> None:
        self.events.append((self.clock.monotonic(), event))

    async def finish(self) -> None:
        return


async def test_live_publishes_at_most_the_rate_and_ends_after_its_duration() -> None:
    clock = ManualClock()
    sink = Kept(clock)
    told: list[int] = []
    running = asyncio.create_task(
        publisher.live(city("calm", rate=40, tick_s=0.2), sink, clock, rate=40, duration=30, progress=told.append)
    )
    while not running.done():
        await clock.advance(0.1)
    assert await running == len(sink.events) == told[-1]
    assert len(sink.events) > 600
    for second in range(30):
        assert sum(second <= at < second + 1 for at, _ in sink.events) <= 40 * 2
    assert all(event.time <= 30_000_000 + 1_795_331_220_000_000 for _, event in sink.events)


async def test_a_city_that_was_held_up_leaves_out_what_nobody_needs_any_more() -> None:
    clock = ManualClock()
    sink = Kept(clock)
    running = asyncio.create_task(publisher.live(city("calm", tick_s=0.2), sink, clock, rate=40, duration=400))
    await clock.advance(1)
    clock._now_us += 300_000_000  # the machine slept
    while not running.done():
        await clock.advance(0.1)
    await running
    gap = [event for _, event in sink.events if 5e6 < event.time - 1_795_331_220_000_000 < 299e6]
    assert not gap


async def test_events_arrive_in_their_sectors_topics_with_the_asset_as_key(fresh_broker: str) -> None:
    kind = "kafka" if BROKER == "kafka" else "embedded"
    settings = Settings(kafka_bootstrap=fresh_broker, broker=kind, _env_file=None)
    await ensure_topics(settings, CATALOGUE)
    sent = await publisher.run(settings, scenario="welcome", seed=1, rate=200, duration=3)
    assert sent > 200
    arrived = 0
    async with open_log_reader(settings, [topic_for(name) for name in CATALOGUE.sectors]) as log:
        for name, sector in CATALOGUE.sectors.items():
            for partition in range(6 if kind == "kafka" else 2 if sector.deep else 1):
                arrived += await log.end_offset(TopicPartition(topic_for(name), partition))
    assert arrived == sent


async def test_lines_are_events() -> None:
    written: list[str] = []
    clock = ManualClock()
    running = asyncio.create_task(
        publisher.live(city("calm", rate=20), publisher.LineSink(written.append), clock, rate=20, duration=5)
    )
    while not running.done():
        await clock.advance(0.1)
    assert await running == len(written)
    assert {json.loads(line)["specversion"] for line in written} == {"1.0"}
    assert all(line.endswith("\n") for line in written)
