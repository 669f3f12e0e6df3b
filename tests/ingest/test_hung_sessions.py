"""Sessions of the database that stop answering: the worker opens others, takes its partitions anew and goes on."""

import os
import signal
import time

from tests.ingest.conftest import City, event, now_us

SESSIONS = """
SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'citywatch-ingest:%'
"""


async def test_stopped_sessions_are_given_up_and_nothing_is_lost(city: City) -> None:
    now = now_us()
    values = [event(f"VVK-{i:03}", now + i, {"speed_kmh": 30}) for i in range(200)]
    async with city.worker():
        await city.publish(values[:100])
        await city.until_total(100)
        stopped = [row["pid"] for row in await city.pool.fetch(SESSIONS)]
        assert stopped
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            await city.publish(values[100:])
            books = await city.until_total(200)
            took = time.monotonic() - started
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
    assert (books["stored"], books["duplicate"]) == (200, 0)
    assert await city.pool.fetchval("SELECT count(*) FROM reading") == 200
    assert took < 30, "a command's eight seconds, and what a loaded machine adds"
