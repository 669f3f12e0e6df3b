"""`citywatch dead-letters`: what was refused, why, and how to send it again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import asyncpg
import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from city.database import STORE_ERRORS, open_pool
from city.events import REASONS
from city.kafka import KafkaError, Producer, topic_for
from city.settings import Settings
from citywatch.local import actor, permission
from citywatch.store import no_broker, no_database, printable
from ingest import dead_letters
from ingest.dead_letters import CantReplayError, Letter, Wanted

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True,
    help="List, show and replay what was refused.",
)  # fmt: skip

Reason = Annotated[str | None, typer.Option(help=f"One of {', '.join(sorted(REASONS))}.")]
Sector = Annotated[str | None, typer.Option(help="Only letters that came by this sector's topic.")]
BROKER_S = 10.0


@app.command("list")
@permission("dead_letters.read")
def list_(
    reason: Reason = None,
    sector: Sector = None,
    source: Annotated[str | None, typer.Option(help="kafka or http.")] = None,
    hours: Annotated[float | None, typer.Option(help="Only the last so many hours.")] = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only what was not replayed yet.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
) -> None:
    """List dead letters, newest first.

    Example: citywatch dead-letters list --reason unknown_metric --hours 24
    """
    wanted = _wanted(reason, sector, source, hours, waiting, limit)

    async def work(pool: asyncpg.Pool) -> None:
        print_letters(await dead_letters.find(pool, wanted), Console())

    _run(work)


def print_letters(letters: Sequence[Letter], console: Console) -> None:
    """Each with a line of what it is, and under it the sentence that says what was wrong, as wide as the terminal;
    in a pipe nothing is wrapped."""
    console.print(f"{len(letters)} dead letters")
    wide = max((len(str(letter.id)) for letter in letters), default=0)
    for letter in letters:
        records = f" · {letter.records} records" if letter.records != 1 else ""
        replayed = f" · replayed {letter.replayed_at:%Y-%m-%d %H:%M}" if letter.replayed_at else ""
        which = f"{letter.id:>{wide}}  {letter.at:%Y-%m-%d %H:%M:%S}"
        what = f"{which}  {letter.reason} · {_origin(letter)}{records}{replayed}"
        detail = Text(printable(letter.detail))
        console.print(Text(printable(what), style="bold"), soft_wrap=True)
        if console.is_terminal:
            console.print(Padding(detail, (0, 0, 0, wide + 2)))
        else:
            console.print(Text(" " * (wide + 2)) + detail, soft_wrap=True)


@app.command()
@permission("dead_letters.read")
def show(letter_id: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """Show one dead letter whole: reason, headers, and what was sent.

    Example: citywatch dead-letters show 12
    """

    async def work(pool: asyncpg.Pool) -> None:
        letter = await _get(pool, letter_id)
        typer.echo(f"dead letter {letter.id} of {letter.at.isoformat()}, from {_origin(letter)}")
        typer.echo(f"{letter.reason}: {letter.detail}")
        if letter.replayed_at:
            typer.echo(f"replayed at {letter.replayed_at.isoformat()}")
        for name, content in letter.headers:
            typer.echo(f"{_readable(name.encode(errors='surrogatepass'))}: {_readable(content)}")
        typer.echo("" if letter.raw is None else _readable(letter.raw))

    _run(work)


@app.command()
@permission("dead_letters.replay")
def replay(
    letter_ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]...")] = None,
    reason: Reason = None,
    sector: Sector = None,
    hours: Annotated[float | None, typer.Option(help="Only the last so many hours.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, oldest of them first.")] = 10_000,
) -> None:
    """Publish dead letters again, by id, or all that wait and match the options.

    Examples: citywatch dead-letters replay 12 13; citywatch dead-letters replay --reason unknown_metric
    """
    if not letter_ids and not (reason or sector or hours):
        typer.echo("name letters by id, or choose them with --reason, --sector or --hours", err=True)
        raise typer.Exit(2)

    async def work(pool: asyncpg.Pool) -> None:
        if letter_ids:
            letters = [await _get(pool, letter_id) for letter_id in letter_ids]
        else:
            found = await dead_letters.find(pool, _wanted(reason, sector, None, hours, True, limit))
            letters = found[::-1]
        sendable = []
        for letter in letters:
            try:
                dead_letters.destination(letter)
                sendable.append(letter)
            except CantReplayError as error:
                typer.echo(str(error), err=True)
        producer = Producer(Settings())
        async with asyncio.timeout(BROKER_S):
            await producer.__aenter__()
        try:
            count = await dead_letters.replay(pool, producer, sendable, actor())
        finally:
            await producer.close()
        typer.echo(f"replayed {count} of {len(letters)}")
        if count < len(letters):
            raise typer.Exit(1)

    _run(work)


def _wanted(
    reason: str | None, sector: str | None, source: str | None, hours: float | None, waiting: bool, limit: int
) -> Wanted:
    if reason is not None and reason not in REASONS:
        typer.echo(f"no reason {reason!r}; the reasons are {', '.join(sorted(REASONS))}", err=True)
        raise typer.Exit(2)
    since = None if hours is None else datetime.now(UTC) - timedelta(hours=hours)
    return Wanted(reason, topic_for(sector) if sector else None, source, since, waiting, None, limit)


async def _get(pool: asyncpg.Pool, letter_id: int) -> Letter:
    letter = await dead_letters.get(pool, letter_id)
    if letter is None:
        typer.echo(f"there is no dead letter {letter_id}", err=True)
        raise typer.Exit(1)
    return letter


def _run(work: Callable[[asyncpg.Pool], Awaitable[None]]) -> None:
    async def with_pool() -> None:
        async with await open_pool(Settings(), application="citywatch dead-letters") as pool:
            await work(pool)

    try:
        asyncio.run(with_pool())
    except (KafkaError, TimeoutError) as error:
        typer.echo(no_broker(error), err=True)
        raise typer.Exit(2) from error
    except STORE_ERRORS as error:
        typer.echo(no_database(error), err=True)
        raise typer.Exit(2) from error


def _origin(letter: Letter) -> str:
    if letter.partition is None:  # it came by HTTP, where a topic is only what its type says
        return "HTTP" if letter.topic is None else f"HTTP, for {letter.topic}"
    return f"{letter.topic}/{letter.partition} @{letter.first_offset}"


def _readable(content: bytes) -> str:
    """As text where it is text, else with escapes; never a control character that would move the terminal."""
    text = content.decode(errors="backslashreplace")
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)
