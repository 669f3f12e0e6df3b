"""The alert worker: sectors given by the consumer group, each stepped by its runner, each transition committed once."""

import asyncio
import time
from collections import defaultdict
from typing import Final

import asyncpg
import structlog

from alerts import rulebook
from alerts.gauges import Gauges
from alerts.journal import Fenced
from alerts.patience import AWAY, SAY_EVERY, passes, pause_s
from alerts.progress import beat
from alerts.recovery import recover
from alerts.runner import OutOfPlace, SectorRunner
from city import metrics
from city.clock import Clock
from city.decoding import Decoder
from city.kafka import (
    Batch,
    GroupConsumer,
    OffsetGone,
    TopicAssignor,
    TopicPartition,
    sector_of,
    topic_for,
)
from city.settings import Settings

GROUP: Final = "citywatch-alerts"
MAX_RECORDS: Final = 1_000
"""Of one step: few enough that it keeps nothing else waiting for 20 ms, were every record of a new asset."""
TICK_S: Final = 1.0
WAIT_S: Final = 0.25
LISTENING_S: Final = 3.0
"""A partition's end that is older says nothing: the broker may be away."""
RETAKE_S: Final = 3.0
"""A worker that was fenced waits this long for the group to make up its mind before it takes the sector again."""

log = structlog.get_logger(__name__)


class Worker:
    """Sectors of one member of the group."""

    def __init__(self, settings: Settings, pool: asyncpg.Pool, decoder: Decoder, owner: str, clock: Clock) -> None:
        self._pool = pool
        self._decoder = decoder
        self._owner = owner
        self._clock = clock
        self._runners: dict[str, SectorRunner] = {}
        self._lost: dict[str, float] = {}
        self._ahead: set[TopicPartition] = set()
        self._revision = -1
        self._ticked = 0.0
        self._gauges = Gauges(pool)
        topics = [topic_for(sector) for sector in decoder.catalogue.sectors]
        self._consumer = GroupConsumer(
            settings,
            GROUP,
            topics,
            assignor=TopicAssignor(),
            on_assigned=self._on_assigned,
            on_revoked=self._on_revoked,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Read, step, commit; tick once a second."""
        attempt = 0
        async with self._consumer:
            while not stop.is_set():
                try:
                    batches = await self._consumer.getmany(MAX_RECORDS, WAIT_S)
                    await self._step(batches)
                    await self._tick()
                    attempt = 0
                except OffsetGone as gone:
                    await self._expired(gone)
                except Fenced as error:  # while taking: the next round takes again
                    log.warning("another worker takes the same sectors", reason=str(error))
                    await self._clock.sleep(TICK_S)
                except AWAY as error:
                    if not passes(error):
                        raise
                    if attempt % SAY_EVERY == 0:
                        log.warning("waiting for broker or database", error=repr(error), attempt=attempt)
                    await self._clock.sleep(pause_s(attempt))
                    attempt += 1
            await asyncio.gather(*(self._hand_over(sector) for sector in list(self._runners)))

    # --- ownership -----------------------------------------------------------------------------------------------

    async def _on_assigned(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Take the sectors; where to read on. Partitions of the same sector that are read already are moved too."""
        starts: dict[TopicPartition, int] = {}
        sectors = sorted({name for tp in partitions if (name := sector_of(tp.topic)) is not None})
        taken = await asyncio.gather(*(self._take(sector) for sector in sectors), return_exceptions=True)
        for sector, result in zip(sectors, taken, strict=True):
            if isinstance(result, BaseException):
                raise result
            for partition, offset in result.items():
                tp = TopicPartition(topic_for(sector), partition)
                if tp in partitions:
                    starts[tp] = offset
                else:
                    self._consumer.seek(tp, offset)
        return starts

    async def _take(self, sector: str) -> dict[int, int]:
        await self._hand_over(sector)
        with metrics.TAKEOVER_SECONDS.labels("alerts").time():
            recovered = await recover(
                self._pool,
                self._consumer.log,
                sector,
                self._owner,
                self._decoder.catalogue,
                self._decoder.zones,
                self._clock.now_us(),
            )
            runner = SectorRunner(recovered, self._decoder, self._clock)
            await runner.begin(at_end=False)
        self._runners[sector] = runner
        self._lost.pop(sector, None)
        await beat(self._pool, {sector: runner}, {})
        return recovered.start

    async def _on_revoked(self, partitions: list[TopicPartition]) -> None:
        await asyncio.gather(
            *(self._hand_over(name) for name in {sector_of(tp.topic) for tp in partitions} if name is not None)
        )

    async def _hand_over(self, sector: str) -> None:
        """Journal what waits, so that the next owner has less to read; a fenced or unreachable journal is left."""
        runner = self._runners.pop(sector, None)
        if runner is None:
            return
        try:
            async with asyncio.timeout(2):
                await runner.flush(force=True)
        except (Fenced, *AWAY) as error:
            log.info("handed over without journalling", sector=sector, reason=repr(error))
        await runner.close()

    async def _drop(self, sector: str) -> None:
        runner = self._runners.pop(sector, None)
        if runner is not None:
            await runner.close()

    async def _lose(self, sector: str, reason: Exception, wait_s: float) -> None:
        """Go on without the sector, and take it again after a while if the group still gives it to this worker."""
        log.warning("sector lost", sector=sector, reason=repr(reason))
        await self._drop(sector)
        self._lost[sector] = self._clock.monotonic() + wait_s

    # --- stepping ------------------------------------------------------------------------------------------------

    async def _step(self, batches: list[Batch]) -> None:
        by_sector: dict[str, list[Batch]] = defaultdict(list)
        for batch in batches:
            by_sector[sector_of(batch.topic) or ""].append(batch)
        behind = self._behind() if by_sector else {}
        if len(by_sector) == 1:
            for sector, some in by_sector.items():
                await self._guarded(sector, some, behind.get(sector))
        else:
            await asyncio.gather(
                *(self._guarded(sector, some, behind.get(sector)) for sector, some in by_sector.items())
            )
        self._keep_abreast()

    def _keep_abreast(self) -> None:
        """Read no more of partitions that are ahead of the others, until they no longer are."""
        ahead = {
            TopicPartition(topic_for(sector), partition)
            for sector, runner in self._runners.items()
            for partition in runner.ahead
        }
        if ahead != self._ahead:
            self._consumer.resume(*(self._ahead - ahead))
            self._consumer.pause(*(ahead - self._ahead))
            self._ahead = ahead

    async def _guarded(self, sector: str, batches: list[Batch] | None, behind: set[int] | None) -> None:
        """One sector's step (or tick, without batches); its troubles are its own."""
        runner = self._runners.get(sector)
        if runner is None:
            return
        try:
            at_end = behind is not None and not behind
            if batches is not None:
                await runner.take(batches, at_end, behind or ())
            else:
                await runner.tick(at_end, behind or ())
                await runner.change_rules(self._revision)
        except Fenced as error:
            await self._lose(sector, error, RETAKE_S)
        except OutOfPlace as error:
            await self._lose(sector, error, 0.0)
        except AWAY as error:
            if not passes(error):
                raise
            await self._lose(sector, error, TICK_S)

    async def _tick(self) -> None:
        now = self._clock.monotonic()
        if now - self._ticked < TICK_S:
            return
        self._ticked = now
        self._revision = await rulebook.revision(self._pool)
        behind = self._behind()
        await asyncio.gather(*(self._guarded(sector, None, behind.get(sector)) for sector in list(self._runners)))
        self._keep_abreast()
        await beat(self._pool, self._runners, self._consumer.progress())
        for sector, when in list(self._lost.items()):
            if now >= when:
                del self._lost[sector]
                topic = topic_for(sector)
                given = [tp for tp in self._consumer.assignment if tp.topic == topic]
                if given:
                    self._consumer.retake(*given)
        await self._gauges.show(self._runners, now)

    async def _expired(self, gone: OffsetGone) -> None:
        sector = sector_of(gone.tp.topic) or ""
        runner = self._runners.get(sector)
        if runner is None:
            return
        try:
            runner.jump(gone.tp.partition, gone.log_start)
        except OutOfPlace as error:
            await self._lose(sector, error, 0.0)
        else:
            self._consumer.seek(gone.tp, gone.log_start)

    def _behind(self) -> dict[str, set[int]]:
        """By sector: the partitions that are not read to an end that the broker told a moment ago."""
        now = time.monotonic()
        found: dict[str, set[int]] = {}
        for tp, progress in self._consumer.progress().items():
            behind = found.setdefault(sector_of(tp.topic) or "", set())
            heard = progress.as_of > 0 and now - progress.as_of < LISTENING_S
            if not heard or progress.position < progress.end:
                behind.add(tp.partition)
        return found
