"""Watches the embedded servers, which beat no pulse: asks them something small, and whether they are stopped."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

import asyncpg
import psutil

from citywatch.embedded.process import end_processes, is_stopped
from citywatch.supervisor.attention import GIVE_UP_AFTER, Attention, Verdict

LOOK_EVERY: Final = 1.0
ASK_EVERY: Final = 3.0
ANSWER_SECONDS: Final = 10.0
KILL_SECONDS: Final = 5.0

API_VERSIONS: Final = bytes.fromhex("0000000a 0012 0000 00000001 ffff")
"""Kafka's first question: which versions of which requests do you speak?"""


class ServerWatch:
    """Says when a server gives no answer. In the end one that is stopped is let go on, as its memory may be all there
    is; one that hangs is killed, and whoever keeps it starts it again."""

    def __init__(
        self,
        name: str,
        pid: Callable[[], int | None],
        answers: Callable[[], Awaitable[bool]],
        tell: Callable[[str], None],
        patience: float = GIVE_UP_AFTER,
    ) -> None:
        self._name = name
        self._pid = pid
        self._answers = answers
        self._tell = tell
        self._patience = patience
        self._answered = False

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ask(), name=f"ask {self._name}")
            group.create_task(self._look(), name=f"watch {self._name}")

    async def _ask(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    self._answered |= await self._answers()
            await asyncio.sleep(ASK_EVERY)

    async def _look(self) -> None:
        seen, watched = Attention(self._patience), None
        looked = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            now = time.monotonic()
            process = self._process()
            if process != watched:
                seen, watched = Attention(self._patience), process
            if process is not None:
                verdict = seen.tick(now - looked, beats=self._answered, stopped=is_stopped(process))
                self._answered = False
                if verdict is Verdict.given_up:
                    await self._give_up(process, seen)
                    seen.silent_s = 0.0
                elif verdict is not Verdict.nothing:
                    self._tell(self._said(verdict, seen))
            looked = now

    async def _give_up(self, process: psutil.Process, seen: Attention) -> None:
        if is_stopped(process):
            self._tell(f"{self._name} was stopped for {seen.silent_s:.0f} s and is told to go on (SIGCONT)")
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
            return
        self._tell(f"{self._name} gave no answer for {seen.silent_s:.0f} s and is killed")
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [process, *process.children(recursive=True)]
            await asyncio.to_thread(end_processes, family, signal.SIGKILL, KILL_SECONDS)

    def _said(self, verdict: Verdict, seen: Attention) -> str:
        return {
            Verdict.stopped: f"{self._name} is stopped (by SIGSTOP): after {seen.patience:.0f} s it is told to go on",
            Verdict.silent: f"{self._name} has not answered for {seen.silent_s:.0f} s: "
            f"after {seen.patience:.0f} s it is killed and starts again",
        }.get(verdict, f"{self._name} goes on")

    def _process(self) -> psutil.Process | None:
        pid = self._pid()
        try:
            return None if pid is None else psutil.Process(pid)
        except psutil.NoSuchProcess:
            return None


@contextlib.asynccontextmanager
async def watched(watches: Sequence[ServerWatch]) -> AsyncIterator[None]:
    """They watch as long as this lasts."""
    tasks = [asyncio.create_task(watch.run()) for watch in watches]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def postgres_answers(dsn: str) -> bool:
    """Whether a PostgreSQL says anything to a new session, be it a refusal."""
    try:
        connection = await asyncpg.connect(dsn)
    except asyncpg.PostgresError:
        return True
    except (OSError, asyncpg.InterfaceError):
        return False
    await connection.close()
    return True


async def broker_answers(bootstrap: str) -> bool:
    """Whether a broker answers Kafka's first question; that its port takes connections says the kernel alone."""
    host, _, port = bootstrap.rpartition(":")
    try:
        reader, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    try:
        writer.write(API_VERSIONS)
        await reader.readexactly(4)
    except (OSError, asyncio.IncompleteReadError):
        return False
    else:
        return True
    finally:
        writer.close()
