"""`citywatch demo --check`: does a demo really show live readings and an alert? Asked as a screen would, unattended."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from citywatch.embedded.process import dies_with_parent
from citywatch.supervisor import ending
from citywatch.supervisor.letting_in import own_screen
from citywatch.supervisor.state import DemoState
from citywatch.supervisor.steps import Steps
from citywatch.supervisor.watch import Seen, watch

START_SECONDS: Final = 120.0
LIVE_SECONDS: Final = 60.0
RAISED_SECONDS: Final = 60.0
CLEARED_SECONDS: Final = 240.0
GREETING: Final = ("Everything runs since", "Logs: ")
"""How the first and the last line of the demo's greeting begin."""
BEFORE: Final = "alerts are open that were raised before this check; it waits for a new one"
HINT: Final = (
    "the demo that runs may have told its story already: `make demo-stop`, then `make demo-check` starts one of its own"
)


@dataclass
class Sightings:
    """What was seen, and when, in seconds since the watch began (at `began`, seconds since the epoch).

    `open` are alerts raised before that: they prove nothing about this run.
    """

    began: float = 0.0
    live: float | None = None
    open: set[str] = field(default_factory=set)
    raised: dict[str, float] = field(default_factory=dict)
    cleared: dict[str, float] = field(default_factory=dict)

    def take(self, seen: Seen, at: float) -> str | None:
        """Note one thing; the line to print when it is news."""
        if seen.kind == "live":
            if self.live is not None:
                return None
            self.live = at
            return f"live readings: {seen.text}"
        if seen.kind in ("open", "raised"):
            if seen.raised_at < self.began:
                self.open.add(seen.alert)
                return None
            self.raised.setdefault(seen.alert, at)  # also in the snapshot after a lost connection
        elif seen.kind == "cleared":
            self.cleared[seen.alert] = at
        return f"alert {seen.kind}: {seen.text}"

    def cleared_one(self) -> bool:
        """Whether an alert raised since was seen cleared too."""
        return bool(self.raised.keys() & self.cleared.keys())


async def check(state: DemoState, port: int, arguments: list[str], *, until_cleared: bool) -> int:
    """Watch the demo that runs, else one of the check's own, and print what is seen with times; the exit code.

    The check's own begins with empty books, so that it depends on no earlier run, and is stopped and forgotten at the
    end; where it fails its folder stays, for its logs. A demo that ran already goes on.
    """
    _, running = state.running()
    steps = Steps()
    process = None
    own = state.check
    if not running:
        if own.directory.exists():
            ending.forget(own)
        words = ["demo", "--port", str(port), "--directory", str(own.directory), *arguments]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "citywatch", *words),
            start_new_session=True,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=dies_with_parent(signal.SIGTERM),
        )
    relay = asyncio.create_task(_relay(process, steps))
    try:
        ended = asyncio.create_task(_ended_early(process))
        watching = asyncio.create_task(
            _watch(state if running else own, running or port, steps, until_cleared=until_cleared)
        )
        done, _ = await asyncio.wait({ended, watching}, return_when=asyncio.FIRST_COMPLETED)
        for task in {ended, watching} - done:
            task.cancel()
        problem = done.pop().result()
    finally:
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()
        await relay
    if not problem and not running:
        ending.forget(own)
    if problem:
        problem += f"; {HINT}" if running else f"; logs: {own.logs}"
    steps.say(f"check failed: {problem}" if problem else "check passed")
    return 1 if problem else 0


async def _relay(process: asyncio.subprocess.Process | None, steps: Steps) -> None:
    """Print the demo's own lines, whole ones, between those of the check; but not how to get in: it is gone soon."""
    greets = False
    if process is not None and process.stdout is not None:
        async for line in process.stdout:
            text = line.decode(errors="replace").rstrip()
            if not greets:
                steps.say(text)
            if text.startswith(GREETING):
                greets = text.startswith(GREETING[0])


async def _ended_early(process: asyncio.subprocess.Process | None) -> str:
    if process is None:
        await asyncio.Event().wait()
        return ""
    return f"the demo ended with exit code {await process.wait()}"


async def _watch(state: DemoState, port: int, steps: Steps, *, until_cleared: bool) -> str:
    """Watch until all was seen; empty, or what was missing in its time."""
    sightings = Sightings(time.time())
    stages: list[tuple[str, float, Callable[[], bool]]] = [
        ("live readings", START_SECONDS + LIVE_SECONDS, lambda: sightings.live is not None),
        ("a new alert", RAISED_SECONDS, lambda: bool(sightings.raised)),
    ]
    if until_cleared:
        stages.append(("that alert cleared", CLEARED_SECONDS, sightings.cleared_one))
    told = False
    cookie = own_screen(state, port, lambda: state.shared().get("CITYWATCH_DATABASE_DSN"))
    async with contextlib.aclosing(watch(port, cookie)) as seen:
        for name, seconds, is_seen in stages:
            started = time.monotonic()
            try:
                async with asyncio.timeout(seconds):
                    while not is_seen():
                        news = sightings.take(await anext(seen), steps.seconds)
                        if news:
                            steps.say(f"{steps.seconds:8.1f} s  {news}")
                        if sightings.open and not told:
                            told = True
                            steps.say(f"{steps.seconds:8.1f} s  {BEFORE}")
            except TimeoutError:
                return f"{name} within {seconds:.0f} s was not seen"
            steps.say(f"            ({name}: after {time.monotonic() - started:.1f} s)")
    return ""
