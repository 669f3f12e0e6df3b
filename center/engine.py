"""How far the alert engine has come, per sector, as its workers tell the database.

*alerts_through* is a number: whoever makes no alert and whoever is dead have the same one. So each center asks every
two seconds what the workers say. A sector whose worker has said nothing for STALLED_S is *stalled*; one whose worker
works and whose readings wait to be judged for more than BEHIND_S is *behind* (a recovery, a backlog, a silent broker).
Both are longer than the takeover of a worker that died.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

import asyncpg
import structlog

from center.cityview import EngineLate
from city import metrics
from city.clock import Clock
from city.database import STORE_ERRORS, load_sql
from city.timestamps import format_time

PROGRESS: Final = load_sql("center", "engine_progress.sql")
ASK_S: Final = 2.0
ANSWER_S: Final = 2.0
STALLED_S: Final = 15.0
"""What a takeover may take at most."""
BEHIND_S: Final = 15.0
STEADY_US: Final = 1_500_000
"""Two answers about the same moment differ by less: what stands still is shown standing still."""

log = structlog.get_logger(__name__)


class EngineWatch:
    """What is known of every sector's engine. Between answers it ages: who hears nothing has nothing new to tell."""

    def __init__(self, sectors: Iterable[str], clock: Clock) -> None:
        self._clock = clock
        began = clock.monotonic()
        self._through: dict[str, float | None] = dict.fromkeys(sectors)
        self._heard = dict.fromkeys(self._through, began)
        """Monotonic seconds; a sector of which nobody ever spoke is waited for since this center began."""
        self._since: dict[str, int] = {}
        self.loaded = False

    def take(self, rows: Iterable[tuple[str, float | None, float]]) -> None:
        """An answer of the database: sector, seconds behind, seconds silent. A sector that it lacks stays."""
        now = self._clock.monotonic()
        for sector, behind, silent in rows:
            if sector in self._through:
                self._through[sector] = None if behind is None else now - behind
                self._heard[sector] = now - silent
        self.loaded = True

    def through(self) -> str | None:
        """Everything published until then was judged, in every sector; None while that is not known of one."""
        known = [one for one in self._through.values() if one is not None]
        return format_time(self._wall(min(known))) if known and len(known) == len(self._through) else None

    def late(self) -> list[EngineLate]:
        """The sectors whose alerts can't be relied on now, and since when."""
        now = self._clock.monotonic()
        late: list[EngineLate] = []
        for sector, through in self._through.items():
            silent = now - self._heard[sector]
            behind = None if through is None else max(0.0, now - through)
            metrics.ENGINE_SILENT_SECONDS.labels(sector).set(max(0.0, silent))
            if behind is not None:
                metrics.ENGINE_BEHIND_SECONDS.labels(sector).set(behind)
            stalled = silent > STALLED_S
            if stalled or (behind is not None and behind > BEHIND_S):
                late.append(EngineLate(sector, "stalled" if stalled else "behind", self._steady(sector, through)))
            else:
                self._since.pop(sector, None)
        return late

    def _steady(self, sector: str, through: float | None) -> str | None:
        if through is None:
            return None
        since = self._wall(through)
        if abs(since - self._since.get(sector, 0)) > STEADY_US:
            self._since[sector] = since
        return format_time(self._since[sector])

    def _wall(self, monotonic: float) -> int:
        return self._clock.now_us() - round((self._clock.monotonic() - monotonic) * 1e6)

    async def run(self, pool: asyncpg.Pool) -> None:
        """Asks until cancelled; a database that does not answer in time is asked again."""
        failing = False
        while True:
            try:
                async with asyncio.timeout(ANSWER_S):
                    rows = await pool.fetch(PROGRESS)
                self.take((row["sector"], row["behind_s"], row["silent_s"]) for row in rows)
                failing = False
            except STORE_ERRORS as lost:
                if not failing:
                    log.warning("engine_progress_unknown", error=f"{type(lost).__name__}: {lost}")
                failing = True
            await self._clock.sleep(ASK_S)
