"""The books of every partition, and their comparison with the broker: the proof that nothing was lost."""

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final

import asyncpg
import msgspec
from msgspec import Meta

from city.actor import Actor
from city.database import load_sql
from city.kafka import BrokerUnavailable, LogReader, TopicPartition

POLL_S: Final = 0.2


class Book(msgspec.Struct, frozen=True):
    """One partition of one log: next - first = stored + duplicate + late + dead + no_record + expired.

    The public face of the ledger: whoever shows it takes names, types and descriptions from here.
    """

    cluster: str
    topic: str
    generation: Annotated[int, Meta(description="Rises when the topic was found to be another log")]
    partition: int
    epoch: Annotated[int, Meta(description="Rises with each owner")]
    owner: str | None
    first_offset: int
    next_offset: int
    stored: int
    duplicate: int
    late: int
    dead: int
    no_record: int
    expired: Annotated[int, Meta(description="Taken by the broker's retention before they were read")]
    accepted_expired: Annotated[int, Meta(description="Of the expired, what an operator has accepted as lost")]
    known_end: Annotated[int, Meta(description="How far the log is known to go, by ingest, publishers or supervisor")]
    lost: Annotated[int, Meta(description="Known to be in this log, never read, and gone with it; not among the above")]
    accepted_lost: Annotated[int, Meta(description="Of the lost, what an operator has accepted")]
    closed_at: Annotated[datetime | None, Meta(description="Since when another log stands in the place of this one")]
    readings_stored: int
    readings_duplicate: int
    readings_conflict: int
    letters: Annotated[int, Meta(description="Records of this log that have dead letters")]
    last_timestamp: datetime | None
    last_hash: Annotated[bytes | None, Meta(description="Identifies the record at next - 1; in JSON base64")]

    @property
    def accounted(self) -> int:
        """Offsets with an outcome."""
        return self.stored + self.duplicate + self.late + self.dead + self.no_record + self.expired


class Difference(msgspec.Struct, frozen=True):
    """Where books and broker disagree: a stable code, the partition, and a sentence that says what to do."""

    code: str
    cluster: str
    topic: str
    generation: int | None
    partition: int
    detail: str


async def books(pool: asyncpg.Pool) -> list[Book]:
    """All books, in the order of cluster, topic, generation, partition."""
    return [Book(**row) for row in await pool.fetch(_BOOKS)]


async def accept_expired(pool: asyncpg.Pool, actor: Actor) -> int:
    """Accept what retention took unread, with an entry in the audit trail; returns how many records that are."""
    return await _accept(pool, actor, "expired", _ACCEPT_EXPIRED)


async def accept_lost(pool: asyncpg.Pool, actor: Actor) -> int:
    """The same for what was lost with logs that are gone."""
    return await _accept(pool, actor, "lost", _ACCEPT_LOST)


async def _accept(pool: asyncpg.Pool, actor: Actor, what: str, statement: str) -> int:
    async with pool.acquire() as connection, connection.transaction():
        accepted = await connection.fetch(statement)
        records = sum(row["records"] for row in accepted)
        if records:
            places = [f"{row['topic']}/{row['partition']}: {row['records']}" for row in accepted]
            detail = msgspec.json.encode({"what": what, "records": records, "partitions": places}).decode()
            await connection.execute(_AUDIT, actor.json(), detail)
    return int(records)


async def verify(
    pool: asyncpg.Pool, reader: LogReader, topics: Iterable[str], *, wait_s: float = 0.0
) -> list[Difference]:
    """Every difference between the books and the logs of `topics` as the broker has them now; empty when all agree.

    The ends are taken first; ingest then has `wait_s` to get there. Raises BrokerUnavailable.
    """
    cluster = await reader.cluster_id()
    ends: dict[TopicPartition, int] = {}
    for topic in sorted(topics):
        for tp in await reader.partitions(topic):
            ends[tp] = await reader.end_offset(tp)
    deadline = time.monotonic() + wait_s
    while True:
        all_books = await books(pool)
        newest = {TopicPartition(b.topic, b.partition): b for b in all_books if b.cluster == cluster}
        unread = any(end > (newest[tp].next_offset if tp in newest else 0) for tp, end in ends.items())
        if not unread or time.monotonic() >= deadline:
            break
        await asyncio.sleep(POLL_S)
    found = [difference for book in all_books for difference in _within(book, cluster)]
    for tp, end in ends.items():
        found += await _against_log(reader, cluster, tp, newest.get(tp), end)
    return found


def _within(book: Book, cluster: str) -> list[Difference]:
    """What is wrong with a book by itself, now that the log is one of this cluster."""
    found = []
    if book.accounted != book.next_offset - book.first_offset:
        detail = f"{book.next_offset - book.first_offset} offsets were passed, {book.accounted} have an outcome"
        found.append(_of(book, "unbalanced", f"{detail}; this must never happen, report it"))
    if book.letters > book.late + book.dead:
        detail = f"{book.letters} records have dead letters, {book.late + book.dead} were counted"
        found.append(_of(book, "letters", f"{detail}; this must never happen, report it"))
    if book.expired > book.accepted_expired:
        lost = book.expired - book.accepted_expired
        detail = f"retention took {lost} records before they were read"
        found.append(_of(book, "expired", f"{detail}; accept the loss with `citywatch ledger --accept-expired`"))
    # A log of another cluster is gone even before ingest has closed its book.
    gone = book.lost if book.closed_at or book.cluster == cluster else book.known_end - book.next_offset
    if gone > book.accepted_lost:
        detail = f"{gone - book.accepted_lost} records up to offset {book.known_end} were never read, the log is gone"
        found.append(_of(book, "lost", f"{detail}; accept the loss with `citywatch ledger --accept-lost`"))
    return found


async def _against_log(
    reader: LogReader, cluster: str, tp: TopicPartition, book: Book | None, end: int
) -> list[Difference]:
    """What is wrong between the newest book of a partition and its log."""
    if book is None:
        start = await reader.log_start(tp)
        if end <= start:
            return []
        detail = f"{end - start} records were never read; start ingest"
        return [Difference("unread", cluster, tp.topic, None, tp.partition, detail)]
    if end < book.next_offset:
        position = await reader.end_offset(tp)  # it may have been read on since
        if position < book.next_offset:
            detail = f"the log ends at {position}, the books at {book.next_offset}"
            return [_of(book, "other_log", f"{detail}; ingest begins a new generation when it runs")]
    if end > book.next_offset:
        detail = f"{end - book.next_offset} records up to offset {end} were not read yet"
        return [_of(book, "unread", f"{detail}; start ingest, or wait for it")]
    start = await reader.log_start(tp)
    if book.last_hash and start < book.next_offset:
        found = await reader.last_record_hash(tp, book.next_offset - 1)
        if found != book.last_hash:
            detail = f"the record at offset {book.next_offset - 1} is not the one that was read"
            return [_of(book, "other_log", f"{detail}; ingest begins a new generation when it runs")]
    return []


def _of(book: Book, code: str, detail: str) -> Difference:
    return Difference(code, book.cluster, book.topic, book.generation, book.partition, detail)


__all__ = ["Book", "BrokerUnavailable", "Difference", "accept_expired", "accept_lost", "books", "verify"]

_BOOKS = load_sql("ingest", "select_books.sql")
_ACCEPT_EXPIRED = load_sql("ingest", "accept_expired.sql")
_ACCEPT_LOST = load_sql("ingest", "accept_lost.sql")
_AUDIT = "SELECT audit_append($1::text::jsonb, 'ledger.accept', 'ledger', NULL, $2::text::jsonb)"
