"""Dead letters of the HTTP door on their way to the database: bounded, counted, and kept while it is away."""

import asyncio
from collections import deque
from typing import Final

import asyncpg
import structlog

from city.clock import Clock
from city.database import STORE_ERRORS, load_sql, refuses_rows
from ingest.flood import FloodGate

INSERT: Final = load_sql("center", "insert_http_letter.sql")
MOST: Final = 1_000
"""Letters that wait with their bytes; beyond that they are counted like those of a flood."""
EVERY_S: Final = 1.0
LAST_S: Final = 2.0
"""How long the end of the process waits for the database."""

Row = tuple[str, str, bytes | None, str, int, str | None]
"""reason, detail, raw, headers as JSON, records, the topic that it would have gone to"""

log = structlog.get_logger(__name__)


class Letters:
    """Takes refusals; `run` writes them. An insert whose answer was lost is repeated: a letter may be there twice."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._gate = FloodGate()
        self._waiting: deque[Row] = deque()
        self._noted = 0
        self._written = 0
        self._wake = asyncio.Event()
        self._progress = asyncio.Condition()
        self._failing = False

    def note(self, now_us: int, reason: str, detail: str, raw: bytes, headers: str, topic: str | None) -> None:
        """Keeps one refusal: with its bytes, or of a flood (see FloodGate) as part of a sum."""
        if self._gate.passes(now_us) and len(self._waiting) < MOST:
            self._waiting.append((reason, detail, raw, headers, 1, topic))
            self._noted += 1
            self._wake.set()
        else:
            self._gate.count(0, reason, detail)

    async def settled(self, seconds: float) -> None:
        """Returns when everything kept so far with its bytes is written, or after `seconds`."""
        upto = self._noted
        try:
            async with asyncio.timeout(seconds), self._progress:
                await self._progress.wait_for(lambda: self._written >= upto)
        except TimeoutError:
            return

    async def run(self) -> None:
        """Writes until cancelled; then once more, so that what was counted is not lost with the process."""
        writing: asyncio.Task[None] | None = None
        try:
            while True:
                if self._failing:
                    await self._clock.sleep(EVERY_S)
                else:
                    await self._pause()
                writing = asyncio.create_task(self._write())
                await asyncio.shield(writing)  # a cancelled insert would be one of unknown outcome
        finally:
            try:
                async with asyncio.timeout(LAST_S):
                    if writing is not None:
                        await writing
                    await self._write()
            except TimeoutError:
                pass
            if left := sum(row[4] for row in (*self._waiting, *self._sums())):
                log.error("http_letters_lost", records=left)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(EVERY_S):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _write(self) -> None:
        """What waits, then the sums of the flood: those are taken only when the way is free, so they stay few."""
        self._wake.clear()
        try:
            await self._insert()
            self._waiting.extend(self._sums())
            await self._insert()
            self._failing = False
        except STORE_ERRORS as lost:
            if not self._failing:
                log.warning("http_letters_wait", letters=len(self._waiting), error=f"{type(lost).__name__}: {lost}")
            self._failing = True

    async def _insert(self) -> None:
        rows = list(self._waiting)
        if not rows:
            return
        try:
            await self._pool.executemany(INSERT, rows)
        except STORE_ERRORS as refused:
            if not refuses_rows(refused):
                raise
            await self._insert_each(rows)
        else:
            await self._forget(rows)

    async def _insert_each(self, rows: list[Row]) -> None:
        """One of them is what no database takes: the others must not wait for it for ever."""
        for row in rows:
            try:
                await self._pool.execute(INSERT, *row)
            except STORE_ERRORS as refused:
                if not refuses_rows(refused):
                    raise
                log.error("http_letter_refused", reason=row[0], error=f"{type(refused).__name__}: {refused}")
            await self._forget([row])

    async def _forget(self, rows: list[Row]) -> None:
        """They lie in front: only what is new was added meanwhile."""
        for row in rows:
            self._waiting.popleft()
            self._written += row[2] is not None
        async with self._progress:
            self._progress.notify_all()

    def _sums(self) -> list[Row]:
        return [(one.reason, one.detail, None, "[]", one.records, None) for one in self._gate.summary()]
