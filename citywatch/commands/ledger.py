"""`citywatch ledger`: the books of ingest, and their proof against the broker."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Annotated

import asyncpg
import typer
from rich.console import Console
from rich.table import Table

from access.policy import require
from city.database import STORE_ERRORS, open_pool
from city.kafka import BrokerUnavailable, open_log_reader, topic_for
from city.sectors import Catalogue
from city.settings import Settings
from citywatch.local import actor, permission, principal
from citywatch.store import no_broker, no_database
from ingest import ledger as books_of

BROKER_S = 10.0
WIDTH = 160
OUTCOMES = ("stored", "duplicate", "late", "dead", "no_record", "expired")


@permission("ledger.read")
def ledger(
    verify: Annotated[bool, typer.Option("--verify", help="Compare with the broker; exit 1 when they differ.")] = False,
    wait: Annotated[
        float, typer.Option(help="Seconds that ingest has to reach the present end (with --verify).")
    ] = 5.0,
    accept_expired: Annotated[
        bool, typer.Option("--accept-expired", help="Accept what retention took unread.")
    ] = False,
    accept_lost: Annotated[
        bool, typer.Option("--accept-lost", help="Accept what was lost unread with logs that are gone.")
    ] = False,
) -> None:
    """Show what became of every offset of every partition.

    What is lost (expired, or gone with its log) keeps --verify at 1 until somebody accepts it, on record.

    Examples: citywatch ledger; citywatch ledger --verify --wait 30; citywatch ledger --accept-lost
    """
    # Where no terminal sets the width, nothing may be cut: the figures are the proof.
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    try:
        differs = asyncio.run(_run(console, verify=verify, wait_s=wait, expired=accept_expired, lost=accept_lost))
    except (BrokerUnavailable, TimeoutError) as error:
        typer.echo(no_broker(error), err=True)
        raise typer.Exit(2) from error
    except STORE_ERRORS as error:
        typer.echo(no_database(error), err=True)
        raise typer.Exit(2) from error
    if differs:
        raise typer.Exit(1)


async def _run(console: Console, *, verify: bool, wait_s: float, expired: bool, lost: bool) -> bool:
    settings = Settings()
    async with await open_pool(settings, application="citywatch ledger") as pool:
        if expired or lost:
            require(principal(), "ledger.accept")
        if expired:
            records = await books_of.accept_expired(pool, actor())
            console.print(f"accepted the loss of {records} records" if records else "nothing has expired unread")
        if lost:
            records = await books_of.accept_lost(pool, actor())
            console.print(f"accepted the loss of {records} records" if records else "no log was lost unread")
        found = await _verify(settings, pool, wait_s) if verify else []
        all_books = await books_of.books(pool)
        console.print(_table(all_books))
    for line in _gone(all_books):
        console.print(line, highlight=False)
    for difference in found:
        where = f"{difference.topic}/{difference.partition}"
        console.print(f"[bold red]{difference.code}[/] {where}: {difference.detail}", highlight=False)
    if verify and not found:
        console.print("[bold]the books agree with the broker[/]")
    return bool(found)


async def _verify(settings: Settings, pool: asyncpg.Pool, wait_s: float) -> list[books_of.Difference]:
    topics = [topic_for(sector) for sector in Catalogue.load(settings.city).sectors]
    async with asyncio.timeout(BROKER_S):
        reading = open_log_reader(settings, topics)
        reader = await reading.__aenter__()
    try:
        return await books_of.verify(pool, reader, topics, wait_s=wait_s)
    finally:
        await reading.__aexit__(None, None, None)


def _gone(all_books: list[books_of.Book]) -> Iterator[str]:
    """A sentence for each log that took records with it, newest last: how many, and what of that was accepted."""
    gone = sorted((book for book in all_books if book.lost), key=lambda book: (str(book.closed_at), book.topic))
    for book in gone:
        yield (
            f"lost {book.topic}/{book.partition}: {book.lost} records of generation {book.generation} of "
            f"{book.cluster} were never read; another log since {book.closed_at:%Y-%m-%d %H:%M:%S} UTC; "
            f"accepted: {book.accepted_lost}"
        )


def _table(all_books: list[books_of.Book]) -> Table:
    table = Table(title=f"{sum(book.accounted for book in all_books)} offsets", title_justify="left")
    for name in ("topic", "partition", "generation", "offsets", *OUTCOMES, "lost", "readings", "owner"):
        table.add_column(name, justify="left" if name in ("topic", "owner") else "right")
    newest = {(book.topic, book.partition): book for book in all_books}
    for book in all_books:
        if (
            book.next_offset == book.first_offset
            and book is newest[book.topic, book.partition]
            and book.generation == 1
            and not book.lost
        ):
            continue  # nothing came yet
        table.add_row(
            book.topic,
            str(book.partition),
            str(book.generation),
            f"{book.first_offset}-{book.next_offset}",
            *(str(getattr(book, outcome)) for outcome in OUTCOMES),
            str(book.lost),
            str(book.readings_stored),
            book.owner or "",
        )
    return table
