"""What a dashboard shows of a worker's sectors, set anew now and then."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import asyncpg

from alerts.rules import SEVERITIES
from alerts.runner import SectorRunner
from city import metrics

EVERY_S: Final = 10.0

OPEN: Final = "SELECT sector, severity, count(*) FROM alert WHERE cleared_at IS NULL GROUP BY sector, severity"


class Gauges:
    """Those of the sectors that one worker owns."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._shown = 0.0

    async def show(self, runners: Mapping[str, SectorRunner], now: float) -> None:
        """Set them, unless that was done less than `EVERY_S` before `now` (monotonic). Raises what the database
        raises."""
        if now - self._shown < EVERY_S:
            return
        self._shown = now
        open_now = Counter({(row["sector"], row["severity"]): row["count"] for row in await self._pool.fetch(OPEN)})
        for sector, runner in runners.items():
            metrics.ENGINE_SERIES.labels(sector).set(runner.engine.roster.series)
            metrics.RULES_ACTIVE.labels(sector).set(len(runner.engine.rules))
            for severity in SEVERITIES:
                metrics.OPEN_ALERTS.labels(sector, severity).set(open_now[sector, severity])
