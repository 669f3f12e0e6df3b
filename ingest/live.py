"""What others are told over Kafka after a commit: newest values on `city.live`, dead letters on `city.deadletters`.

Screens and watchers hear it soon; the database knows anyway, so nothing ever waits for this.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec
import structlog

from city import metrics
from city.kafka import DEADLETTERS, LIVE, KafkaError, Producer
from city.settings import Settings
from ingest.latest import Latest, Values
from ingest.work import Part

EVERY_S: Final = 0.25
PER_FRAME: Final = 5_000
NOTICES: Final = 1_000
"""Dead letters that wait to be told of; beyond that the oldest are not."""

log = structlog.get_logger(__name__)


class Outlet:
    """Sends every 250 ms what was offered since; values are conflated meanwhile, what the broker refuses is dropped."""

    def __init__(self, latest: Latest) -> None:
        self._latest = latest
        self._notices: deque[bytes] = deque()
        self._failing: set[str] = set()

    def offer(self, new: Values, parts: Iterable[Part]) -> None:
        """Take what a committed work brought."""
        self._latest.offer(new.series, new.time, new.value)
        self._notices.extend(_ENCODER.encode(notice) for part in parts for notice in _notices(part))
        while len(self._notices) > NOTICES:
            self._notices.popleft()
            metrics.NOTICES_DROPPED.inc()

    async def run(self, settings: Settings, stop: asyncio.Event) -> None:
        """Send until told to stop. Either topic may be away: the other goes on, by a producer of its own."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_send_all(settings, stop, self._send_frames))
            tasks.create_task(_send_all(settings, stop, self._send_notices))

    async def _send_notices(self, producer: Producer) -> None:
        """Which dead letters there are."""
        while self._notices:
            if not await self._send(producer, DEADLETTERS, self._notices.popleft()):
                metrics.NOTICES_DROPPED.inc()

    async def _send_frames(self, producer: Producer) -> None:
        """Frames `[[series_id, time_µs, value], …]` of what changed."""
        values = self._latest.take_unsent()
        for start in range(0, len(values.series), PER_FRAME):
            part = slice(start, start + PER_FRAME)
            columns = values.series[part].tolist(), values.time[part].tolist(), values.value[part].tolist()
            frame = list(zip(*columns, strict=True))
            if await self._send(producer, LIVE, _ENCODER.encode(frame)):
                metrics.LIVE_FRAMES.inc()
            else:
                metrics.LIVE_DROPPED.inc(len(frame))

    async def _send(self, producer: Producer, topic: str, message: bytes) -> bool:
        try:
            await producer.publish(topic, message)
        except KafkaError as error:
            if topic not in self._failing:
                log.warning("not told", topic=topic, error=str(error))
            self._failing.add(topic)
            return False
        self._failing.discard(topic)
        return True


async def _send_all(settings: Settings, stop: asyncio.Event, send: Callable[[Producer], Awaitable[None]]) -> None:
    """What there is to send, every 250 ms, and once more at the end."""
    async with Producer(settings, linger_ms=0) as producer:
        while not stop.is_set():
            await _pause(stop)
            await send(producer)


async def _pause(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(EVERY_S):
            await stop.wait()
    except TimeoutError:
        return


def _notices(part: Part) -> Iterable[dict[str, str | int]]:
    for letter in part.letters:
        yield {
            "topic": part.batch.topic,
            "partition": part.batch.partition,
            "generation": part.owned.generation,
            "first_offset": letter.first_offset,
            "next_offset": letter.next_offset,
            "reason": letter.reason,
            "detail": letter.detail,
            "records": letter.records,
        }


_ENCODER: Final = msgspec.json.Encoder()
