"""`citywatch alerts`: the alert worker."""

import asyncio
import contextlib
import signal

from city.settings import Settings


def alerts() -> None:
    """Evaluate the rules over the sectors that Kafka gives to this worker, until SIGTERM or Ctrl-C.

    Settings come from the environment, such as CITYWATCH_DATABASE_DSN and CITYWATCH_KAFKA_BOOTSTRAP. Start as many
    workers as you like, up to one a sector; rules come from the database (`citywatch rules apply DIR`).
    """
    from alerts.worker import run

    async def until_signalled() -> None:
        stop = asyncio.Event()
        for signum in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signum, stop.set)
        await run(Settings(), stop)

    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.install()
    asyncio.run(until_signalled())
