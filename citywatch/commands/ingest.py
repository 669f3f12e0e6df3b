"""`citywatch ingest`: the ingest worker."""

import asyncio
import gc
import signal

import uvloop

from city.settings import Settings


def ingest() -> None:
    """Carry events from Kafka into the database, each once, until SIGTERM or Ctrl-C.

    Settings come from the environment, such as CITYWATCH_DATABASE_DSN and CITYWATCH_KAFKA_BOOTSTRAP. Start as many
    workers as you like, up to one a partition; they share the work.

    Example: CITYWATCH_METRICS_PORT=9101 citywatch ingest
    """
    uvloop.run(_until_signalled())


async def _until_signalled() -> None:
    from ingest.worker import run

    gc.freeze()  # what is loaded now stays; a batch makes no cycles, so seldom is often enough
    gc.set_threshold(50_000, 20, 20)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(Settings(), stop)
