"""What tools share: a pool for one piece of work, refusals as one sentence, and tables that are not cut in a pipe."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar
from urllib.parse import parse_qs, urlsplit

import asyncpg
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from access.errors import AccessError
from city.database import STORE_ERRORS, failure, open_pool, sqlstate
from city.sectors import Catalogue
from city.settings import Settings
from city.zonefile import ZoneError
from city.zones import ZoneMap

Result = TypeVar("Result")
WIDTH = 200
DSN: Final = "CITYWATCH_DATABASE_DSN"
BOOTSTRAP: Final = "CITYWATCH_KAFKA_BOOTSTRAP"
JOINED: Final = "CITYWATCH_JOINED_DEMO"
"""Set where a command means the demo that runs in its folder."""
NO_SCHEMA: Final = ("42P01", "42703", "42883")
"""No such table, column, function."""
REFUSES: Final = ("28", "3D")
"""No such user, password or database."""


def in_store(name: str, work: Callable[[asyncpg.Pool], Awaitable[Result]]) -> Result:
    """What the work returns; exit 1 with a sentence where it was refused, 2 without the database."""

    async def with_pool() -> Result:
        async with await open_pool(Settings(), application=f"citywatch {name}") as pool:
            return await work(pool)

    try:
        return asyncio.run(with_pool())
    except AccessError as refused:
        raise failed(refused.sentence) from None
    except STORE_ERRORS as error:
        raise failed(no_database(error), 2) from None


def no_database(error: BaseException, dsn: str | None = None) -> str:
    """One sentence for what the store raised: what is wrong with which database, and what to type."""
    where = _where(dsn or Settings().database_dsn)
    state = sqlstate(error) or ""
    if state in NO_SCHEMA:
        return f"the database {where} is not CityWatch's, or an older one's ({error}): type `citywatch migrate`"
    if state[:2] in REFUSES:
        return f"the database {where} refuses ({error}): correct {DSN}"
    if state and failure(error) == "fault":
        return f"the database {where} failed: {error}"
    return f"the database {where} does not answer ({_reason(error)}): {_what_to_do(DSN, dsn is not None)}"


def no_broker(error: BaseException) -> str:
    """The same for the broker."""
    where = Settings().kafka_bootstrap
    return f"the broker at {where} does not answer ({_reason(error)}): {_what_to_do(BOOTSTRAP, False)}"


def _what_to_do(setting: str, chosen: bool) -> str:
    if JOINED in os.environ:
        return "the demo starts what ended again within seconds; its logs are in .citywatch/logs"
    if chosen or setting.removeprefix("CITYWATCH_").lower() in Settings().model_fields_set:
        return f"start it, or correct {setting}"
    return f"start it with `make demo`, or set {setting}"


def _where(dsn: str) -> str:
    """`at host:port`, without user and password; nothing where that can't be told."""
    try:
        parts = urlsplit(dsn)
        host = parts.hostname or parse_qs(parts.query).get("host", [""])[0]
        port = parts.port or parse_qs(parts.query).get("port", ["5432"])[0]
    except ValueError:
        return f"of {DSN}"
    return f"at {host}:{port}" if host else f"of {DSN}"


def _reason(error: BaseException) -> str:
    match error:
        case ConnectionRefusedError() | FileNotFoundError():
            return "nothing listens there"
        case TimeoutError():
            return "it took too long"
        case OSError(strerror=str(words)) if words:
            return words
    return str(error) or type(error).__name__


def failed(sentence: str, code: int = 1) -> typer.Exit:
    """To be raised: the sentence on the error output, and the exit code."""
    typer.echo(sentence, err=True)
    return typer.Exit(code)


def known_places(sectors: Iterable[str], zones: Iterable[str]) -> None:
    """Exit 2 for a sector or zone that the city does not have: nobody would ever be let through by it."""
    city = Settings().city
    if missing := sorted(set(sectors) - set(Catalogue.load(city).sectors)):
        raise failed(f"there is no sector {missing[0]!r}; the sectors are {', '.join(Catalogue.load(city).sectors)}", 2)
    try:
        known = ZoneMap.load(city).zones
    except ZoneError as error:
        raise failed(str(error), 2) from None
    if missing := sorted(set(zones) - set(known)):
        raise failed(f"there is no zone {missing[0]!r}; `citywatch zones show` tells of the map", 2)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table as wide as the terminal, or wide enough for everything where there is none."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, map(printable, row)))
    (Console() if sys.stdout.isatty() else Console(width=WIDTH)).print(table)


def printable(text: str) -> str:
    """Without a control character that would move the terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def minute(at: str | None) -> str:
    """An RFC 3339 time, short."""
    return "" if at is None else at[:16].replace("T", " ")


def scope(sectors: Sequence[str], zones: Sequence[str]) -> str:
    """What somebody may see, in words."""
    return f"{', '.join(sectors) or 'all sectors'}; {', '.join(zones) or 'all zones'}"
