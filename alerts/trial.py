"""One rule tried on what is stored, in a process of its own, so that whoever asks goes on: `python -m alerts.trial`.

An order comes as one line of JSON on standard input; words on the progress, and at last the result, go out as lines of
JSON. The process ends with whoever asked: as standard input closes it takes its question back from the database, and
where its words go nowhere it ends amid its work. It lets others go first, has a bound on its memory, and only reads.
"""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Final, Literal

import asyncpg
import msgspec

from alerts.backtest import backtest
from alerts.episodes import AtOnce, Episodes, at_once, by_severity
from alerts.rules import Rule, Severity
from alerts.tally import Outcome
from city.database import STORE_ERRORS, open_pool
from city.sectors import Catalogue
from city.settings import Settings
from city.timestamps import format_time

NICENESS: Final = 10
MEMORY: Final = 1 << 30
"""Bytes of data; a rule that raises millions of alerts is to fail, not the machine."""
TELL_S: Final = 0.2
MOST_ALERTS: Final = 500
MOST_STEPS: Final = 240
MOST_LINE: Final = 1 << 22
"""Bytes of the longest line, a result with all its alerts."""

Trouble = Literal["unavailable", "too_much"]


class Order(msgspec.Struct, frozen=True):
    """What to try, on which city's database, from `since` to before `until` (µs), beside which version in force."""

    dsn: str
    city: str
    rule: Rule
    present: Rule | None
    since: int
    until: int


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """Which share of the time is judged, of both versions, and how many readings or reports were."""

    share: float
    readings: int


class Done(msgspec.Struct, frozen=True, tag="done"):
    """A Result, as it is to be passed on, and how many readings or reports were judged in all."""

    result: msgspec.Raw
    readings: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It came to nothing. `unavailable`: the database; `too_much`: more than fits into the memory it may have."""

    why: Trouble
    detail: str


Word = Progress | Done | Failed


class Told(msgspec.Struct, frozen=True):
    """One alert that would have been; times RFC 3339."""

    group: str
    severity: Severity
    raised_at: str
    cleared_at: str | None
    lasted_s: float


class Tried(msgspec.Struct, frozen=True):
    """What one version would have done; `alerts` has the first MOST_ALERTS of them."""

    version: int | None
    readings: int
    figures: Outcome
    severities: dict[Severity, int]
    at_once: AtOnce
    alerts: list[Told]


class Result(msgspec.Struct, frozen=True):
    """The rule tried, and the version in force beside it."""

    proposed: Tried
    present: Tried | None


class Trial:
    """One order; `tell` hears how far it is."""

    def __init__(self, order: Order) -> None:
        self._order = order
        held = order.present
        self._same = held is not None and msgspec.structs.replace(order.rule, version=held.version) == held
        self._passes = 1 if held is None or self._same else 2
        self._passed = 0
        self.readings = 0
        self._told = 0.0

    async def result(self) -> Result:
        """Raises the database's errors, MemoryError."""
        order = self._order
        catalogue = Catalogue.load(Path(order.city))
        settings = Settings(database_dsn=order.dsn)
        async with await open_pool(settings, application="citywatch-backtest", max_size=1) as pool:
            proposed = await self._tried(pool, catalogue, order.rule)
            present = None
            if order.present is not None:
                present = proposed if self._same else await self._tried(pool, catalogue, order.present)
        if order.present is None or present is None:
            return Result(proposed, None)
        return Result(proposed, msgspec.structs.replace(present, version=order.present.version))

    async def _tried(self, pool: asyncpg.Pool, catalogue: Catalogue, rule: Rule) -> Tried:
        since, until, before = self._order.since, self._order.until, self.readings

        def tell(readings: int, reached: int) -> None:
            self.readings = before + readings
            self._tell(min(1.0, max(0.0, (reached - since) / (until - since))))

        kept = Episodes(rule.rule)
        found = await backtest(pool, catalogue, [rule], since, until, tell, kept.note)
        self._passed += 1
        self._tell(0.0)
        episodes = kept.all()
        told = [
            Told(
                one.group,
                one.severity,
                format_time(one.raised_at),
                None if one.cleared_at is None else format_time(one.cleared_at),
                (max(until if one.cleared_at is None else one.cleared_at, one.raised_at) - one.raised_at) / 1e6,
            )
            for one in episodes[:MOST_ALERTS]
        ]
        return Tried(
            None,
            self.readings - before,
            found[rule.rule],
            by_severity(episodes),
            at_once(episodes, since, until, MOST_STEPS),
            told,
        )

    def _tell(self, share: float) -> None:
        if time.monotonic() - self._told < TELL_S:
            return
        self._told = time.monotonic()
        say(Progress((self._passed + share) / self._passes, self.readings))


def say(word: Word) -> None:
    """One line out; where nobody listens any more there is nothing left to do."""
    try:
        sys.stdout.buffer.write(msgspec.json.encode(word) + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os._exit(1)


async def serve() -> None:
    """Judge the order that comes in; give it up as standard input ends."""
    reader = asyncio.StreamReader(limit=MOST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    line = await reader.readline()
    if not line:
        return
    work = asyncio.create_task(_judge(msgspec.json.decode(line, type=Order)))
    left = asyncio.create_task(reader.read())
    await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
    for task in (work, left):
        if not task.done():
            task.cancel()
    await asyncio.wait({work, left})
    if not work.cancelled():
        say(work.result())


async def _judge(order: Order) -> Word:
    try:
        trial = Trial(order)
        found = await trial.result()
        return Done(msgspec.Raw(msgspec.json.encode(found)), trial.readings)
    except MemoryError:
        return Failed("too_much", "it takes more memory than a back-test may have")
    except STORE_ERRORS as error:
        return Failed("unavailable", f"{type(error).__name__}: {error}")


def _bound() -> None:
    """Others go first, and memory has an end."""
    import resource

    os.nice(NICENESS)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bound = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))


if __name__ == "__main__":
    _bound()
    asyncio.run(serve())
