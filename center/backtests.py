"""Back-tests that people asked for: a few at once, each in a process of its own, so that the center's loop goes on.

They belong to this center and end with it. What they found is kept in memory for an hour, of the newest few.
"""

import asyncio
import sys
import uuid
from collections.abc import Iterable
from typing import Final, Literal

import asyncpg
import msgspec
import structlog

from access import audit
from alerts.rules import Rule
from alerts.trial import MOST_LINE, Done, Failed, Order, Progress, Word
from city.actor import Actor
from city.clock import Clock
from city.settings import Settings
from city.timestamps import format_time

MOST_RUNNING: Final = 2
MOST_KEPT: Final = 20
KEPT_S: Final = 3600.0
LONGEST_S: Final = 900.0
"""How long one may take."""
GRACE_S: Final = 1.0
"""What a process has to take its question back from the database before it is killed."""
SWEEP_S: Final = 60.0

State = Literal["running", "done", "failed"]
_WORD: Final = msgspec.json.Decoder(Word)
_SENTENCES: Final = {
    "too_long": f"It was given up after {LONGEST_S / 60:g} minutes; choose a shorter time.",
    "too_much": "It took more memory than a back-test may have; choose a shorter time, or a rule that raises less.",
    "unavailable": "The database did not answer; try again in a moment.",
    "died": "Its process ended without a word; see the center's log.",
}

log = structlog.get_logger(__name__)


class TooMany(Exception):
    """As many run as may."""


class NotRunning(Exception):
    """The center is starting or stopping."""


class Asked(msgspec.Struct, frozen=True):
    """What somebody wants tried: the rule beside its version in force, from `since` to before `until` (µs)."""

    rule: Rule
    present: Rule | None
    since: int
    until: int


class Backtest:
    """One of them, and what is known of it."""

    def __init__(self, asked: Asked, by: str, started_us: int) -> None:
        self.id = uuid.uuid4()
        self.asked = asked
        self.by = by
        self.started_us = started_us
        self.ended_us: int | None = None
        self.ended_s = 0.0
        self.state: State = "running"
        self.progress = 0.0
        self.readings = 0
        self.result: msgspec.Raw | None = None
        self.why: str | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def sentence(self) -> str | None:
        """Why it came to nothing."""
        return None if self.why is None else _SENTENCES[self.why]


class _Fruitless(Exception):
    """Told by a key of _SENTENCES."""


class Backtests:
    """Starts, keeps and ends them; `run` owns their tasks."""

    def __init__(self, settings: Settings, pool: asyncpg.Pool, clock: Clock) -> None:
        self._settings = settings
        self._pool = pool
        self._clock = clock
        self.reading = asyncio.Semaphore(1)
        """Reading a rule's text takes a tenth of a second at worst: in a thread, one at a time."""
        self._group: asyncio.TaskGroup | None = None
        self._running = 0
        self._known: dict[uuid.UUID, Backtest] = {}

    async def run(self) -> None:
        """Lets back-tests run until cancelled; then each process is ended."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                while True:
                    await self._clock.sleep(SWEEP_S)
                    self._sweep()
            finally:
                self._group = None

    async def start(self, asked: Asked, actor: Actor) -> Backtest:
        """A new one, with its row of the audit trail. Raises TooMany, NotRunning, the database's errors."""
        if self._group is None:
            raise NotRunning
        if self._running >= MOST_RUNNING:
            raise TooMany
        self._running += 1
        begun = False
        try:
            one = Backtest(asked, actor.name, self._clock.now_us())
            async with self._pool.acquire() as connection, connection.transaction():
                await audit.append(connection, actor, "rules.backtest", f"rule {asked.rule.rule}", None, _summary(one))
            if self._group is None:  # by now
                raise NotRunning
            one.task = self._group.create_task(self._carry(one), name=f"backtest-{one.id}")
            one.task.add_done_callback(lambda _: self._ended(one))
            begun = True
        finally:
            if not begun:
                self._running -= 1
        self._known[one.id] = one
        self._sweep()
        return one

    def all(self) -> Iterable[Backtest]:
        """The newest first."""
        self._sweep()
        return reversed(self._known.values())

    def get(self, wanted: uuid.UUID) -> Backtest | None:
        """The one of this id, if it is still known."""
        self._sweep()
        return self._known.get(wanted)

    async def end(self, one: Backtest) -> None:
        """Forgets it, and ends it first if it runs; its place is free as this returns."""
        self._known.pop(one.id, None)
        if one.task is not None and not one.task.done():
            one.task.cancel()
            await asyncio.wait({one.task})

    async def _carry(self, one: Backtest) -> None:
        try:
            async with asyncio.timeout(LONGEST_S):
                one.result = await self._judge(one)
            one.state, one.progress = "done", 1.0
        except TimeoutError:
            one.state, one.why = "failed", "too_long"
        except _Fruitless as fruitless:
            one.state, one.why = "failed", str(fruitless)
        except (OSError, ValueError, msgspec.DecodeError) as error:
            log.warning("backtest_failed", backtest=str(one.id), error=f"{type(error).__name__}: {error}")
            one.state, one.why = "failed", "died"

    def _ended(self, one: Backtest) -> None:
        """Also of one that was cancelled before it began."""
        one.ended_us, one.ended_s = self._clock.now_us(), self._clock.monotonic()
        self._running -= 1

    async def _judge(self, one: Backtest) -> msgspec.Raw:
        """What its process found."""
        asked = one.asked
        order = Order(
            self._settings.database_dsn,
            str(self._settings.city.absolute()),
            asked.rule,
            asked.present,
            asked.since,
            asked.until,
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "alerts.trial",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MOST_LINE,
            start_new_session=True,  # Ctrl-C at the center's terminal is for the center
        )
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(msgspec.json.encode(order) + b"\n")
            async for line in process.stdout:
                match _WORD.decode(line):
                    case Progress(share, readings):
                        one.progress, one.readings = max(one.progress, min(share, 1.0)), readings
                    case Done(result, readings):
                        one.readings = readings
                        return result
                    case Failed(why, detail):
                        log.warning("backtest_failed", backtest=str(one.id), error=detail)
                        raise _Fruitless(why)
            log.warning("backtest_failed", backtest=str(one.id), status=await process.wait())
            raise _Fruitless("died")
        finally:
            await _end(process)

    def _sweep(self) -> None:
        """Forgets what ended too long ago, and the oldest of too many that ended."""
        now = self._clock.monotonic()
        ended = [one for one in self._known.values() if one.ended_us is not None]
        for number, one in enumerate(reversed(ended)):
            if number >= MOST_KEPT or now - one.ended_s > KEPT_S:
                del self._known[one.id]


async def _end(process: asyncio.subprocess.Process) -> None:
    """It is gone as this returns, also if whoever waits is cancelled once more."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(GRACE_S):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            process.kill()
    await process.communicate()


def _summary(one: Backtest) -> dict[str, object]:
    asked = one.asked
    return {
        "id": str(one.id),
        "sector": asked.rule.sector,
        "zones": asked.rule.where.zones,
        "from": format_time(asked.since),
        "to": format_time(asked.until),
        "rule": asked.rule,
    }
