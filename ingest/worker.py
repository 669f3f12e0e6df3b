"""The ingest worker: records from Kafka into the database, each one stored, duplicate, late, dead or nothing, once."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from typing import Final

import asyncpg
import structlog

from city.clock import SystemClock
from city.database import STORE_ERRORS, failure, open_pool
from city.decoding import Decoder
from city.failpoint import hit
from city.kafka import Batch, BrokerUnavailable, GroupConsumer, OffsetGone, TopicPartition, topic_for
from city.metrics import serve_metrics
from city.rollup import Rollup
from city.sectors import Catalogue
from city.session import is_hang
from city.settings import Settings
from city.zones import ZoneMap
from ingest.decode import Opener
from ingest.latest import Latest, Values
from ingest.live import Outlet
from ingest.ownership import STUCK_S, FencedError, Owned, Ownership
from ingest.patience import Patience, StoppedError
from ingest.series import Series
from ingest.work import Work
from ingest.writer import Writer

GROUP: Final = "citywatch-ingest"
MAX_RECORDS: Final = 10_000
FETCH_S: Final = 0.25
LAST_SEEN_S: Final = 60.0
COMMAND_S: Final = 8.0
"""How long the database may take for one command of the records' way; then its session is given up."""
ROLLUP_COMMAND_S: Final = 600.0
"""The same for aggregates and retention, which may have days to catch up with."""

log = structlog.get_logger(__name__)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Carry records into the database until told to stop; what is being written then is finished first.

    Waits out a database or a broker that is away. Raises what a person has to look at (a fault of schema or setup).
    """
    catalogue, zones = Catalogue.load(settings.city), ZoneMap.load(settings.city)
    name = settings.worker or f"{socket.gethostname()}:{os.getpid()}"
    serve_metrics(settings.metrics_port)
    patience = Patience(stop)
    with contextlib.suppress(StoppedError):
        pool = await patience.until_done(
            lambda: open_pool(settings, application=f"citywatch-ingest:{name}", max_size=6, command_timeout_s=COMMAND_S)
        )
        async with (
            pool,
            await open_pool(
                settings,
                application=f"citywatch-rollup:{name}",
                min_size=0,
                max_size=3,
                command_timeout_s=ROLLUP_COMMAND_S,
            ) as slow,
        ):
            rollup = Rollup(slow, settings, SystemClock(), name)
            await Worker(settings, pool, Decoder(catalogue, zones), name, rollup, stop).run()


class Worker:
    """Fetch, decode and write overlap; one work is being written while the next is fetched, decoded and placed."""

    def __init__(
        self,
        settings: Settings,
        pool: asyncpg.Pool,
        decoder: Decoder,
        name: str,
        rollup: Rollup,
        stop: asyncio.Event,
    ) -> None:
        topics = [topic_for(sector) for sector in decoder.catalogue.sectors]
        self._consumer = GroupConsumer(settings, GROUP, topics, on_assigned=self._assigned, on_revoked=self._revoked)
        self._ownership = Ownership(pool, self._consumer.log, name)
        self._series = Series(pool, decoder.catalogue)
        self._opener = Opener(decoder, self._series.assets, settings.raw_retention_days)
        self._writer = Writer(pool)
        self._latest = Latest()
        self._outlet = Outlet(self._latest)
        self._rollup = rollup
        self._settings = settings
        self._stop = stop
        self._fetching, self._placing, self._writing = Patience(stop), Patience(stop), Patience(stop)
        self._in_flight: asyncio.Task[None] | None = None
        self._stale = False

    async def run(self) -> None:
        """Until told to stop; beside the records go `city.live`, the assets' last_seen and the rollup."""
        async with self._member(), asyncio.TaskGroup() as tasks:
            aside = [
                tasks.create_task(self._outlet.run(self._settings, self._stop)),
                tasks.create_task(self._keep_last_seen()),
                tasks.create_task(self._rollup.run()),
            ]
            try:
                with contextlib.suppress(StoppedError):
                    await self._carry()
            finally:
                for task in aside:
                    task.cancel()

    @contextlib.asynccontextmanager
    async def _member(self) -> AsyncIterator[None]:
        """A member of the group while inside. Raises StoppedError when told to stop before a broker answers."""
        connecting = asyncio.create_task(self._consumer.__aenter__())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not connecting.done():
                raise StoppedError
            await connecting
            yield
        finally:
            connecting.cancel()
            stopping.cancel()
            await asyncio.gather(connecting, stopping, return_exceptions=True)
            await self._consumer.close()

    async def _carry(self) -> None:
        """The way of the records; at the end the work in flight is finished, or given up if its database is away."""
        try:
            while not self._stop.is_set():
                batches = await self._fetch()
                if self._in_flight is not None and self._in_flight.done():
                    await self._written()
                if self._stale:
                    self._stale = False
                    self._series.forget()
                server = self._series.server
                work = await self._opener.open(self._ours(batches), server)
                if await self._place(work) and work.parts:
                    await self._written()
                    if server not in (None, self._series.server):
                        self._latest.forget()
                    self._in_flight = asyncio.create_task(self._write(work))
        finally:
            await self._written()

    async def _fetch(self) -> list[Batch]:
        """The next batches; what stands in the way (expired records, fencing, an absent server) is dealt with first."""
        try:
            batches = await self._consumer.getmany(MAX_RECORDS, FETCH_S)
        except OffsetGone as gone:
            self._consumer.retake(gone.tp)  # taking it anew books what expired
        except FencedError:
            return []  # the consumer asks again
        except (BrokerUnavailable, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            await self._fetching.bear(error)
        else:
            self._fetching.recovered()
            return batches
        return []

    def _ours(self, batches: list[Batch]) -> list[tuple[Owned, Batch]]:
        """Batches that go on where we stand, with the ownership under which they will be written."""
        ours = []
        for batch in batches:
            owned = self._ownership.partitions.get(batch.tp)
            if owned is None or owned.read_to != batch.first_offset:
                self._consumer.retake(batch.tp)
                continue
            owned.read_to = batch.next_offset
            ours.append((owned, batch))
        return ours

    async def _place(self, work: Work) -> bool:
        """Allocate what is new; False if the work is void, because its ids are those of a server before."""
        try:
            await self._placing.until_done(lambda: self._series.place(work))
        except FencedError:
            self._take_stock("the database is another server now")
            return False
        work.close()
        return True

    async def _write(self, work: Work) -> None:
        """Commit the work, however long the database is away; a work that is void by then is dropped."""
        try:
            new = await self._writing.until_done(lambda: self._write_once(work))
        except FencedError as fenced:
            why = (
                "another owner, or another state of the database"
                if fenced.__cause__ is None
                else "a write was not answered"
            )
            self._take_stock(why)
            return
        hit("after_commit_before_fetch")
        self._outlet.offer(new, work.parts)

    def _take_stock(self, why: str) -> None:
        """What is read on begins with what the database says now: owner, offset, ids."""
        log.warning("taking stock", why=why)
        self._stale = True
        self._consumer.retake()

    async def _write_once(self, work: Work) -> Values:
        held = self._ownership.partitions
        void = [
            part.owned.tp
            for part in work.parts
            if held.get(part.owned.tp) is not part.owned or part.owned.next_offset != part.batch.first_offset
        ]
        if void:
            raise FencedError(void)
        try:
            return await self._writer.write(work)
        except STORE_ERRORS as error:
            if not is_hang(error):
                raise
            # Whether it was committed is unknown, and the old session may hold our rows: taking them anew settles both.
            raise FencedError([part.owned.tp for part in work.parts]) from error

    async def _written(self) -> None:
        """Wait for the work in flight."""
        in_flight, self._in_flight = self._in_flight, None
        if in_flight is not None:
            await in_flight

    async def _assigned(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Own what the group gives, once the work in flight has had its chance."""
        if self._in_flight is not None:
            await asyncio.wait({self._in_flight}, timeout=STUCK_S)
        self._stale = True
        return await self._ownership.take(partitions, self._consumer.known_ends())

    async def _revoked(self, partitions: list[TopicPartition]) -> None:
        self._ownership.forget(partitions)

    async def _keep_last_seen(self) -> None:
        """Once a minute; a database that is away is told the next time."""
        while True:
            await asyncio.sleep(LAST_SEEN_S)
            try:
                await self._series.flush_last_seen(self._latest)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if failure(error) == "fault":
                    raise
