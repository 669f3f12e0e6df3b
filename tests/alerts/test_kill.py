"""Real processes killed or paused at the worst instants: every cause is one alert, and the numbers have no gap."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from city.settings import Settings
from tests.alerts.conftest import City


class Workers:
    """`citywatch alerts` processes of one test."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, failpoint: str = "") -> None:
        environment = {
            **os.environ,
            "CITYWATCH_DATABASE_DSN": self._settings.database_dsn,
            "CITYWATCH_KAFKA_BOOTSTRAP": self._settings.kafka_bootstrap,
            "CITYWATCH_BROKER": self._settings.broker,
            "CITYWATCH_WORKER": name,
            "CITYWATCH_FAILPOINT": failpoint,
        }
        with (self._folder / f"{name}.log").open("wb") as output:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "citywatch", "alerts"], env=environment, stdout=output, stderr=output
            )

    def send(self, name: str, signum: signal.Signals) -> None:
        self.processes[name].send_signal(signum)

    async def died(self, name: str, seconds: float = 40) -> int:
        """Wait until the process has ended; its exit code."""
        async with asyncio.timeout(seconds):
            while self.processes[name].poll() is None:
                await asyncio.sleep(0.05)
        return int(self.processes[name].returncode)

    def end(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture
def workers(settings: Settings, tmp_path: Path) -> Iterator[Workers]:
    running = Workers(settings, tmp_path)
    yield running
    running.end()


async def owner(city: City) -> str:
    return str(await city.pool.fetchval("SELECT owner FROM alert_owner WHERE sector = 'environment'"))


def causes(first: int, last: int) -> list[tuple[str, str]]:
    return sorted(("raised", f"F-{number}") for number in range(first, last))


@pytest.mark.parametrize(
    "failpoint", ["between_seq_and_commit:26", "after_commit:27", "during_takeover:5", "during_snapshot:6"]
)
async def test_killed_at_a_failpoint_every_cause_is_one_alert(city: City, workers: Workers, failpoint: str) -> None:
    workers.start("doomed", failpoint)
    sent = 0
    if "during" not in failpoint:
        await city.owned(seconds=60)
        async with asyncio.timeout(40):  # it commits what it reads at once: how many that are is the machine's affair
            while workers.processes["doomed"].poll() is None:
                await city.send(f"F-{sent}", flood_cm=20)
                sent += 1
                await asyncio.sleep(0.02)
    assert await workers.died("doomed") == -signal.SIGKILL
    workers.start("heir")
    if "during" in failpoint:
        await city.owned(seconds=60)
    for number in range(sent, sent + 20):
        await city.send(f"F-{number}", flood_cm=20)
    sent += 20
    await city.until(lambda seen: len(seen) >= sent, 60)
    await asyncio.sleep(0.5)
    assert sorted(await city.alarms()) == causes(0, sent)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
async def test_another_worker_takes_over_and_the_old_one_is_fenced(
    city: City, workers: Workers, signum: signal.Signals
) -> None:
    workers.start("one")
    await city.owned(seconds=60)
    workers.start("two")
    async with asyncio.timeout(60):
        while len(await city.pool.fetch("SELECT DISTINCT owner FROM alert_owner")) < 2:
            await asyncio.sleep(0.1)
    for number in range(10):
        await city.send(f"F-{number}", flood_cm=20)
    await city.until(lambda seen: len(seen) == 10)
    victim = await owner(city)
    workers.send(victim, signum)
    stopped = time.monotonic()
    for number in range(10, 20):
        await city.send(f"F-{number}", flood_cm=20)
    await city.until(lambda seen: len(seen) == 20, 30)
    took = time.monotonic() - stopped
    print(f"\ntakeover after {signum.name}: {took:.1f} s")
    assert took < 15
    if signum == signal.SIGSTOP:
        workers.send(victim, signal.SIGCONT)
        for number in range(20, 30):
            await city.send(f"F-{number}", flood_cm=20)
            await asyncio.sleep(0.3)
        await city.until(lambda seen: len(seen) >= 30, 30)
        assert sorted(await city.alarms()) == causes(0, 30)
    else:
        assert sorted(await city.alarms()) == causes(0, 20)


async def test_a_stop_is_in_order(city: City, workers: Workers) -> None:
    workers.start("one")
    await city.owned(seconds=60)
    workers.send("one", signal.SIGTERM)
    assert await workers.died("one", 15) == 0
