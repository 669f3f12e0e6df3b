"""The demo as a person runs it: from nothing to an alert, a kill, a stop, a second start, a renewed broker."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from citywatch.embedded.postgres import EmbeddedPostgres
from citywatch.embedded.process import free_port
from citywatch.supervisor.letting_in import claim, own_screen
from citywatch.supervisor.state import DemoState
from citywatch.supervisor.watch import Seen, watch

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("CITYWATCH_")}


class Demo:
    """A running `citywatch demo` and what it has printed."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, directory: Path) -> None:
        self.process, self.port, self.state = process, port, DemoState(directory)
        self.printed: list[str] = []
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.printed.append(line.decode().rstrip())

    async def says(self, pattern: str, seconds: float = 90) -> re.Match[str]:
        async with asyncio.timeout(seconds):
            while True:
                for line in self.printed:
                    if found := re.search(pattern, line):
                        return found
                assert self.process.returncode is None, self.printed
                await asyncio.sleep(0.05)

    def watch(self) -> AsyncGenerator[Seen]:
        """As the demo's own screen sees it."""
        return watch(
            self.port, own_screen(self.state, self.port, lambda: self.state.shared()["CITYWATCH_DATABASE_DSN"])
        )

    def service(self, name: str) -> psutil.Process:
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if child.cmdline()[-1:] == [name])


@contextlib.asynccontextmanager
async def demo(directory: Path, *arguments: str) -> AsyncIterator[Demo]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "citywatch", "demo", "--port", str(port), "--directory", str(directory), *arguments),
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    running = Demo(process, port, directory)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            await asyncio.wait_for(process.wait(), 60)
        await running.reader


async def example(name: str, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "examples" / name), *arguments, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


async def readings(directory: Path) -> int:
    connection = await asyncpg.connect(EmbeddedPostgres(directory / "postgres").dsn())
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM reading")
        return count
    finally:
        await connection.close()


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose Unix sockets have short enough names, so that the database's is where the data is."""
    with tempfile.TemporaryDirectory(prefix="cw-") as folder:
        yield Path(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="no embedded broker there")
async def test_the_demo_lives_through_a_kill_a_stop_a_second_start_and_a_renewal(short_path: Path) -> None:
    directory = short_path / "state"
    async with demo(directory, "--scenario", "calm", "--rate", "50") as first:
        await first.says(r"Everything runs since")
        assert not [line for line in first.printed if re.match(r"\d{4}-\d\d-\d\d", line)], "logs are in the files"
        link = (await first.says(rf"wall +http://127\.0\.0\.1:{first.port}/wall#link=([\w-]+)$"))[1]
        token = await asyncio.to_thread(claim, first.port, link)
        assert re.fullmatch(r"[\w-]{43}", token), "the printed link opens the wall"
        password = (await first.says(r"sign in as admin with (\S+)$"))[1]
        assert not any(password in log.read_text(errors="replace") for log in (directory / "logs").iterdir())
        bootstrap = (await first.says(r"Kafka +(127\.0\.0\.1:\d+)"))[1]

        refused = subprocess.run(
            [sys.executable, "-m", "citywatch", "demo", "--port", "1", "--directory", str(directory)],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert (refused.returncode, "already running" in refused.stderr) == (1, True)

        async def raised() -> None:
            async with contextlib.aclosing(first.watch()) as everything:
                async for seen in everything:
                    if seen.kind in ("raised", "open") and "Street flooding" in seen.text:
                        return

        screen = asyncio.create_task(raised())
        printed = await example("publish.py", "--bootstrap", bootstrap, "--asset", "FL-TEST", "--flood-cm", "55")
        assert re.search(r"offset \d+", printed)
        await asyncio.wait_for(screen, 15)

        first.service("ingest").kill()
        await first.says(r"ingest ended \(killed by SIGKILL\) and starts again in 1 s")
        async with asyncio.timeout(30):
            before = await readings(directory)
            while await readings(directory) == before:
                await asyncio.sleep(0.2)

        stopped = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "citywatch", "demo", "--stop", "--directory", str(directory)],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert stopped.stdout == "The demo has stopped.\n"
        assert await first.process.wait() == 0

    began = time.monotonic()
    async with demo(directory, "--scenario", "calm", "--rate", "200", "--broker-limit", "20") as second:
        await second.says(r"Everything runs since")
        await second.says(r"sign in as admin; password lost")
        assert (await second.says(r"/wall#link=([\w-]+)$"))[1] != link
        assert time.monotonic() - began < 60, "20 s on a machine that does nothing else"
        assert await readings(directory) >= before, "state is kept between starts"
        await second.says(r"the broker held \d+ MiB and was renewed as embedded-\w+ in [\d.]+ s: nothing was lost")
        after = await readings(directory)
        async with asyncio.timeout(60):
            while await readings(directory) == after:
                await asyncio.sleep(0.2)
    assert second.process.returncode == 0
    for leftover in psutil.process_iter(["cmdline"]):
        assert str(directory) not in " ".join(leftover.info["cmdline"] or []), leftover
