"""One supervised process: started again when it ends by itself or hangs, with growing pauses; stopped with time to
drain."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import psutil

from citywatch import pulse
from citywatch.embedded.process import dies_with_parent, is_stopped
from citywatch.supervisor import attention
from citywatch.supervisor.attention import Attention, Verdict

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
HEALTHY_AFTER: Final = 60.0
PATIENCE: Final = 15.0
LOOK_EVERY: Final = 1.0


def next_pause(pause: float, lived: float) -> float:
    """Seconds before the next start: doubled each time, back to the first after a healthy life."""
    return FIRST_PAUSE if lived >= HEALTHY_AFTER else min(pause * 2, LONGEST_PAUSE)


class Child:
    """Keeps `python -m citywatch <arguments>` running between `start` and `stop`; its output goes to a log file.

    `patience`: seconds without a sign of life (see citywatch.pulse) after which it is killed and started again.
    """

    def __init__(
        self,
        name: str,
        arguments: list[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        tell: Callable[[str], None] = print,
        patience: float = attention.GIVE_UP_AFTER,
    ) -> None:
        self.name = name
        self.log = log
        self.restarts = 0
        self._command: list[str] = []
        self.next_runs(arguments)
        self._environment = os.environ | dict(environment)
        self._tell = tell
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._pulse: int | None = None
        self._patience = self.patience = patience
        self._given_up = False

    def next_runs(self, arguments: list[str]) -> None:
        """What it runs from its next start on."""
        self._command = [sys.executable, "-m", "citywatch", *arguments]

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the process and keep it running from now on."""
        if self._keeper is None:
            await self._spawn()
            self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def stop(self, patience: float = PATIENCE) -> None:
        """SIGTERM, `patience` seconds to drain, SIGKILL; returns when it is gone."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        if self._process is not None and self._process.returncode is None:
            await self._end(self._process, patience)
        self._feel_no_more()

    async def _end(self, process: asyncio.subprocess.Process, patience: float) -> None:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        try:
            await asyncio.wait_for(process.wait(), patience)
        except TimeoutError:
            self._tell(f"{self.name} did not end in {patience:.0f} s and was killed; log: {self.log}")
            process.kill()
            await process.wait()

    async def _spawn(self) -> None:
        self._feel_no_more()
        self._pulse, given = os.pipe()
        os.set_blocking(self._pulse, False)
        try:
            await self._execute(given)
        finally:
            os.close(given)

    async def _execute(self, given: int) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment | {pulse.PIPE: str(given)},
                pass_fds=(given,),
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGKILL),  # safe to kill, and a stopped one would not end else
            )

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while self._process is not None:
            began = time.monotonic()
            watching = asyncio.create_task(self._watch(self._process), name=f"watch {self.name}")
            try:
                code = await self._process.wait()
            finally:
                watching.cancel()
            lived = time.monotonic() - began
            self._adjust_patience(lived)
            pause = FIRST_PAUSE if lived >= HEALTHY_AFTER else pause
            self._tell(f"{self.name} ended ({ending(code)}) and starts again in {pause:.0f} s; log: {self.log}")
            await asyncio.sleep(pause)
            pause = next_pause(pause, lived)
            self.restarts += 1
            await self._spawn_again()

    def _adjust_patience(self, lived: float) -> None:
        """More after a life that ended by silence, as a step that is long by its nature must pass in the end."""
        if self._given_up:
            self._patience = attention.more_patience(self._patience)
        elif lived >= HEALTHY_AFTER:
            self._patience = self.patience
        self._given_up = False

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Says when it shows no sign of life, and kills it in the end: it is safe to kill, and begins anew."""
        try:
            program = psutil.Process(process.pid)
        except psutil.NoSuchProcess:
            return
        seen = Attention(self._patience)
        looked = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            now = time.monotonic()
            verdict = seen.tick(now - looked, beats=self._beats(), stopped=is_stopped(program))
            looked = now
            if verdict is not Verdict.nothing:
                self._tell(self._said(verdict, seen))
            if verdict is Verdict.given_up:
                self._given_up = True
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                return

    def _said(self, verdict: Verdict, seen: Attention) -> str:
        left = f"after {seen.patience:.0f} s without a sign of life it is killed and starts again"
        return {
            Verdict.stopped: f"{self.name} is stopped (by SIGSTOP, or a debugger): {left}",
            Verdict.silent: f"{self.name} has not answered for {seen.silent_s:.0f} s: {left}",
            Verdict.back: f"{self.name} goes on",
            Verdict.given_up: f"{self.name} gave no sign of life for {seen.silent_s:.0f} s and is killed",
        }[verdict]

    def _beats(self) -> bool:
        """Whether there was a sign of life since the last look."""
        try:
            return self._pulse is not None and bool(os.read(self._pulse, 65_536))
        except BlockingIOError:
            return False

    def _feel_no_more(self) -> None:
        if self._pulse is not None:
            os.close(self._pulse)
            self._pulse = None

    async def _spawn_again(self) -> None:
        """Start it, however often that fails: a full disk or process table passes."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._spawn()
            except OSError as error:
                self._tell(f"{self.name} can't be started ({error}) and is tried again in {pause:.0f} s")
                await asyncio.sleep(pause)
                pause = next_pause(pause, 0.0)
            else:
                return


async def run_once(arguments: list[str], environment: Mapping[str, str], log: Path) -> str:
    """Run `python -m citywatch <arguments>` to its end; empty when it succeeded, else its last words."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "citywatch", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | dict(environment),
        preexec_fn=dies_with_parent(signal.SIGKILL),
    )
    output, _ = await process.communicate()
    with log.open("ab") as file:
        file.write(output)
    if process.returncode == 0:
        return ""
    words = output.decode(errors="replace").strip().splitlines()
    return words[-1] if words else ending(process.returncode or 1)


def ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
