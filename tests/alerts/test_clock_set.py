"""A worker whose wall clock is set, forwards or back, takes that neither for silence nor for life."""

import json

import pytest

from alerts.engine import ENGINE_VERSION, Engine
from alerts.feed import FEED_DEAD
from alerts.journal import Journal, Place, Position
from alerts.recovery import Recovered
from alerts.runner import SectorRunner
from city.clock import ManualClock
from city.decoding import Decoder
from city.kafka import Batch, Record
from city.timestamps import format_time
from city.zones import ZoneMap
from tests.alerts.conftest import City


class SetClock(ManualClock):
    """A clock whose wall time can be set while its monotonic time goes on."""

    wrong_us = 0

    def now_us(self) -> int:
        return super().now_us() + self.wrong_us


class Watched:
    """One runner on the test's database, fed with five gauges."""

    def __init__(self, city: City, runner: SectorRunner, clock: SetClock) -> None:
        self.city, self.runner, self.clock = city, runner, clock
        self._offset = 0

    async def hear(self) -> None:
        """A reading of each gauge, now by the true clock."""
        now = self.clock.now_us() - self.clock.wrong_us
        records = [Record(self._offset + i, now, None, self._reading(i, now)) for i in range(5)]
        self._offset += 5
        topic = "city.environment.events"
        await self.runner.take([Batch(topic, 0, self._offset - 5, self._offset, records, [], 0, 0, b"")], True)

    async def watch(self, seconds: int, *, heard: bool) -> None:
        """Tick once a second, with readings every ten seconds if they are `heard`."""
        for second in range(seconds):
            await self.clock.advance(1)
            if heard and second % 10 == 0:
                await self.hear()
            await self.runner.tick(True)

    async def told(self) -> list[str]:
        """What was said of the feed."""
        return [kind for kind, rule, _ in await self.city.history() if rule == FEED_DEAD]

    @staticmethod
    def _reading(number: int, now: int) -> bytes:
        event = {
            "specversion": "1.0",
            "id": "1",
            "source": "//test",
            "type": "city.environment.reading.v1",
            "subject": f"FL-{number}",
            "time": format_time(now),
            "data": {"measurements": {"flood_cm": 1}},
        }
        return json.dumps(event).encode()


@pytest.fixture
async def watched(city: City) -> Watched:
    clock = SetClock()
    journal = await Journal.take(city.pool, "environment", "one")
    engine = Engine("environment", city.catalogue)
    place = Place(0, ENGINE_VERSION, city.catalogue.version, "cluster", 0, {0: Position(0)})
    decoder = Decoder(city.catalogue, ZoneMap.load(city.settings.city))
    runner = SectorRunner(Recovered(engine, journal, place, {0: 0}, "fresh"), decoder, clock)
    await runner.begin(True)
    return Watched(city, runner, clock)


@pytest.mark.parametrize("step_s", [60, 86_400, -60, -86_400])
async def test_a_living_feed_lives_on_when_the_clock_is_set(watched: Watched, step_s: int) -> None:
    await watched.watch(35, heard=True)
    watched.clock.wrong_us = step_s * 1_000_000
    await watched.watch(60, heard=True)
    assert await watched.told() == []


@pytest.mark.parametrize("step_s", [60, 86_400, -60, -86_400])
async def test_a_feed_that_dies_after_the_clock_was_set_is_told_within_its_time(watched: Watched, step_s: int) -> None:
    await watched.watch(35, heard=True)
    watched.clock.wrong_us = step_s * 1_000_000
    await watched.watch(100, heard=False)
    assert await watched.told() == ["raised"]
    await watched.watch(5, heard=True)
    assert await watched.told() == ["raised", "cleared"]


@pytest.mark.parametrize("step_s", [3600, -3600])
async def test_a_dead_feed_stays_dead_while_the_clock_is_set(watched: Watched, step_s: int) -> None:
    await watched.watch(35, heard=True)
    await watched.watch(100, heard=False)
    watched.clock.wrong_us = step_s * 1_000_000
    await watched.watch(60, heard=False)
    assert await watched.told() == ["raised"]
    await watched.watch(5, heard=True)
    assert await watched.told() == ["raised", "cleared"]
