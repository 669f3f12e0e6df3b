"""Who may write which partition: epochs in the ledger, the identity of logs, and what retention took unread.

The group only proposes. A partition belongs to whoever raised its epoch last, and every transaction checks that.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field

import asyncpg
import structlog

from city import metrics
from city.database import Connection, load_sql
from city.failpoint import hit
from city.kafka import BrokerUnavailable, LogReader, TopicPartition, sector_of
from ingest.flood import FloodGate

STUCK_S = 2.0
"""How long a taker waits for a lock before it ends the session that holds it."""
STUCK_AGAIN_S = 0.5
PROBE_S = 5.0
"""How long the broker may take to tell about one partition's log; what takes longer is left for later."""

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Owned:
    """One partition of one log, ours under `epoch` until somebody takes it; `next_offset` is the ledger's."""

    tp: TopicPartition
    cluster: str
    generation: int
    epoch: int
    next_offset: int
    read_to: int
    last_hash: bytes | None
    gate: FloodGate = field(default_factory=FloodGate)

    @property
    def names(self) -> dict[str, str | int]:
        """For a line of the log."""
        return {"topic": self.tp.topic, "partition": self.tp.partition, "generation": self.generation}


class Ownership:
    """The partitions that this worker owns in the ledger.

    `take` may be called again for what is owned already: the epoch rises, and batches read before are void.
    """

    def __init__(self, pool: asyncpg.Pool, reader: LogReader, owner: str) -> None:
        self._pool = pool
        self._reader = reader
        self._owner = owner
        self.partitions: dict[TopicPartition, Owned] = {}
        self._read_before: dict[TopicPartition, tuple[Owned, int]] = {}
        """The log that was read last of partitions that are being taken, and how far it was seen to go."""

    async def take(
        self, partitions: Iterable[TopicPartition], ends: Mapping[TopicPartition, int] | None = None
    ) -> dict[TopicPartition, int]:
        """Own these and return where to read on, each in the log that the broker has now.

        `ends` are how far the logs were seen to go that were read until now: where another log stands now, what lay
        between the books and that end is lost, and the book of the log that is gone says so. A partition about which
        the broker can't tell now (it has no leader) is left out and holds up no other.

        Raises BrokerUnavailable, and errors of the database; what was taken by then stays harmlessly taken.
        """
        started = time.monotonic()
        cluster = await self._reader.cluster_id()
        ended = False
        starts: dict[TopicPartition, int] = {}
        wanted = sorted(partitions)
        for tp in wanted:
            if tp in self.partitions:
                self._read_before[tp] = self.partitions[tp], (ends or {}).get(tp, 0)
        self.forget(wanted)
        extents = await asyncio.gather(*map(self._extent, wanted))
        if await self._reader.cluster_id() != cluster:
            raise BrokerUnavailable("the broker is another one since it was asked")
        for tp, extent in zip(wanted, extents, strict=True):
            try:
                if isinstance(extent, BrokerUnavailable):
                    raise extent
                owned, freed = await self._take_one(cluster, tp, *extent)
            except BrokerUnavailable as error:
                log.warning("not taken now", topic=tp.topic, partition=tp.partition, reason=str(error))
                continue
            ended |= freed
            hit("during_takeover")
            self.partitions[tp] = owned
            starts[tp] = owned.next_offset
        metrics.TAKEOVERS.labels("ingest", "yes" if ended else "no").inc()
        metrics.TAKEOVER_SECONDS.labels("ingest").observe(time.monotonic() - started)
        return starts

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """These are another's now; nothing is written for them any more."""
        for tp in partitions:
            self.partitions.pop(tp, None)

    async def _extent(self, tp: TopicPartition) -> tuple[int, int] | BrokerUnavailable:
        """Where the partition's log starts and ends, or why the broker doesn't say."""
        try:
            async with asyncio.timeout(PROBE_S):
                return await self._reader.log_start(tp), await self._reader.end_offset(tp)
        except BrokerUnavailable as error:
            return error
        except TimeoutError:
            return BrokerUnavailable(f"{tp.topic}/{tp.partition}: no word of its log within {PROBE_S:.0f} s")

    async def _take_one(self, cluster: str, tp: TopicPartition, log_start: int, end: int) -> tuple[Owned, bool]:
        async with self._pool.acquire() as connection, self._ending_blockers(connection) as freed:
            owned = await self._raise_epoch(connection, _TAKE, cluster, tp, log_start)
            same = await self._is_same_log(owned, log_start, end)
            if not same:  # others may have gone on since the broker was asked; from the epoch on nobody does
                asked = await self._extent(tp)
                if isinstance(asked, BrokerUnavailable):
                    raise asked
                log_start, end = asked
                same = await self._is_same_log(owned, log_start, end)
            if await self._reader.cluster_id() != cluster:  # of this one nothing can be said any more, nor of its heir
                raise BrokerUnavailable("the broker is another one since it was asked")
            if not same:
                log.warning("another log under the same name", **owned.names, was_at=owned.next_offset, end=end)
                metrics.NEW_GENERATIONS.labels(tp.topic).inc()
                owned = await self._raise_epoch(connection, _BEGIN, cluster, tp, log_start, owned.generation + 1)
            await self._close_logs(connection, owned)
            if log_start > owned.next_offset:
                await self._expire(connection, owned, log_start)
        return owned, bool(freed)

    async def _raise_epoch(
        self, connection: Connection, statement: str, cluster: str, tp: TopicPartition, log_start: int, *generation: int
    ) -> Owned:
        row = await connection.fetchrow(statement, cluster, tp.topic, tp.partition, log_start, self._owner, *generation)
        if row is None:
            raise FencedError([tp])
        return Owned(
            tp, cluster, row["generation"], row["epoch"], row["next_offset"], row["next_offset"], row["last_hash"]
        )

    async def _close_logs(self, connection: Connection, owned: Owned) -> None:
        """Close the books of the logs that stood here before; what was never read of them is lost, and said."""
        cluster, (topic, partition), generation = owned.cluster, owned.tp, owned.generation
        before, end = self._read_before.get(owned.tp, (owned, 0))
        if (before.cluster, before.generation) != (cluster, generation):
            await connection.execute(_NOTE_END, before.cluster, topic, before.generation, partition, end)
        for row in await connection.fetch(_CLOSE_LOGS, cluster, topic, partition, generation):
            lost = await connection.fetchval(_LOST, row["cluster"], topic, row["generation"], partition)
            if lost:
                metrics.LOST_RECORDS.labels(sector_of(topic) or topic).inc(lost)
                log.error("a log is gone with records unread", **owned.names, gone=row["cluster"], records=lost)
        self._read_before.pop(owned.tp, None)

    async def _expire(self, connection: Connection, owned: Owned, log_start: int) -> None:
        """Book what retention took unread; a system alert follows from the ledger, and reading goes on."""
        lost = log_start - owned.next_offset
        key = (owned.cluster, owned.tp.topic, owned.generation, owned.tp.partition)
        if await connection.fetchrow(_EXPIRE, *key, owned.epoch, owned.next_offset, log_start) is None:
            raise FencedError([owned.tp])
        owned.next_offset = owned.read_to = log_start
        metrics.INGEST_OFFSETS.labels(sector_of(owned.tp.topic) or owned.tp.topic, "expired").inc(lost)
        log.error("retention took records unread", **owned.names, records=lost)

    async def _is_same_log(self, owned: Owned, log_start: int, end: int) -> bool:
        """Whether the broker's log is the one that the books are about, as far as the broker can still tell."""
        if end < owned.next_offset:
            return False
        if not owned.last_hash or log_start >= owned.next_offset:
            return True
        return await self._reader.last_record_hash(owned.tp, owned.next_offset - 1) == owned.last_hash

    @contextlib.asynccontextmanager
    async def _ending_blockers(self, connection: Connection) -> AsyncIterator[list[int]]:
        """While inside, end sessions that block this one for longer than two seconds: they are of an older epoch.

        Whoever holds the row of a partition that the group has given to us was its owner before; a paused process holds
        it for ever, and no timeout of the server frees a session that is in the middle of a COPY.
        """
        freed: list[int] = []
        watch = asyncio.create_task(self._end_blockers(connection.get_server_pid(), freed))
        try:
            yield freed
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def _end_blockers(self, pid: int, freed: list[int]) -> None:
        await asyncio.sleep(STUCK_S)
        while True:
            for blocker in await self._pool.fetch(_END_BLOCKERS, pid):
                freed.append(blocker["pid"])
                log.warning("ended the stuck session of an older owner", pid=blocker["pid"], owner=blocker["owner"])
            await asyncio.sleep(STUCK_AGAIN_S)


class FencedError(Exception):
    """Another owner has raised the epoch of these partitions, or moved them: nothing was written."""

    def __init__(self, partitions: list[TopicPartition]) -> None:
        super().__init__(partitions)
        self.partitions = partitions


_TAKE = load_sql("ingest", "take_partition.sql")
_BEGIN = load_sql("ingest", "begin_generation.sql")
_EXPIRE = load_sql("ingest", "book_expired.sql")
_NOTE_END = load_sql("ingest", "note_end.sql")
_CLOSE_LOGS = load_sql("ingest", "close_logs.sql")
_LOST = load_sql("ingest", "select_lost.sql")
_END_BLOCKERS = load_sql("ingest", "end_blockers.sql")
