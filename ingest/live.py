"""Newest values to `city.live`, a frame each 250 ms; screens are told soon, and the database knows anyway."""

import asyncio
from typing import Final

import msgspec
import structlog

from city import metrics
from city.kafka import LIVE, KafkaError, Producer
from city.settings import Settings
from ingest.latest import Latest

EVERY_S: Final = 0.25
PER_FRAME: Final = 5_000

log = structlog.get_logger(__name__)


async def send_frames(settings: Settings, latest: Latest, stop: asyncio.Event) -> None:
    """Send what changed as frames `[[series_id, time_µs, value], …]` until told to stop.

    Nothing waits for this: while the broker is slow, values are conflated in `latest`; what it refuses is dropped.
    """
    encode = msgspec.json.Encoder().encode
    async with Producer(settings, linger_ms=0) as producer:
        failing = False
        while not stop.is_set():
            await _pause(stop)
            values = latest.take_unsent()
            for start in range(0, len(values.series), PER_FRAME):
                part = slice(start, start + PER_FRAME)
                columns = values.series[part].tolist(), values.time[part].tolist(), values.value[part].tolist()
                frame = list(zip(*columns, strict=True))
                try:
                    await producer.publish(LIVE, encode(frame))
                except KafkaError as error:
                    metrics.LIVE_DROPPED.inc(len(frame))
                    if not failing:
                        log.warning("latest values not sent", error=str(error))
                    failing = True
                else:
                    metrics.LIVE_FRAMES.inc()
                    failing = False


async def _pause(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(EVERY_S):
            await stop.wait()
    except TimeoutError:
        return
