"""`citywatch rules`: check, apply and list the rules."""

import asyncio
import getpass
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from alerts import rulebook
from alerts.rulefile import LoadedRule, load_rules
from alerts.summary import summary
from city.database import STORE_ERRORS, open_pool
from city.sectors import Catalogue
from city.settings import Settings
from city.yamlnodes import SourceError
from city.zonefile import ZoneError
from city.zones import ZoneMap
from citywatch.local import permission

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Check and apply rules from a folder.\n\n"
    "Examples:\n\n"
    "  citywatch rules check city/hcmc/rules\n\n"
    "  citywatch rules apply city/hcmc/rules --by 'Lan, shift B'\n\n"
    "  citywatch rules list",
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder with *.yaml files, one or more rules in each.")]
Result = TypeVar("Result")


@app.command()
@permission("rules.read")
def check(folder: Folder) -> None:
    """Read the rules and say what is wrong with them, by file and line; the database is not asked.

    Example: citywatch rules check city/hcmc/rules
    """
    loaded = _load(folder)
    for one in loaded:
        typer.echo(f"{one.file}:{one.line}: {one.rule.rule} ({summary(one.rule)})")
    typer.echo(f"{len(loaded)} rules, all good")


@app.command()
@permission("rules.apply")
def apply(
    folder: Folder,
    by: Annotated[str, typer.Option(help="Who applies them; kept with every version.")] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Leave rules in force that the folder does not have.")] = False,
) -> None:
    """Make the folder's rules the rules in force; workers take them up within two seconds.

    All or none: one rule that is refused leaves the running set as it is. Rules that the folder no longer has are
    retired, and their open alerts clear, unless --keep.

    Example: citywatch rules apply city/hcmc/rules --by 'Lan, shift B'
    """
    loaded = _load(folder)

    async def write() -> rulebook.Applied:
        async with await open_pool(_settings(), application="citywatch-rules") as pool:
            return await rulebook.apply_rules(pool, loaded, by or getpass.getuser(), retire=not keep)

    done = _run(write())
    for what, names in (("new", done.added), ("changed", done.changed), ("retired", done.retired)):
        for name in names:
            typer.echo(f"{what:<8} {name}")
    typer.echo(f"{len(done.unchanged)} unchanged; revision {done.revision} is in force")


@app.command(name="list")
@permission("rules.read")
def list_() -> None:
    """Show the rules in force: version, what they watch, who applied them and when.

    Example: citywatch rules list
    """

    async def read() -> list[rulebook.Listed]:
        async with await open_pool(_settings(), application="citywatch-rules") as pool:
            return await rulebook.list_rules(pool)

    listed = _run(read())
    for one in listed:
        typer.echo(
            f"{one.rule.sector:<12} {one.rule.rule:<28} v{one.rule.version:<3} {summary(one.rule)}"
            f"  [{one.applied_by}, {one.applied_at}]"
        )
    if not listed:
        typer.echo("no rules are in force: citywatch rules apply DIR")


def _settings() -> Settings:
    return Settings()


def _load(folder: Path) -> list[LoadedRule]:
    try:
        return load_rules(folder, Catalogue.load(_settings().city), ZoneMap.load(_settings().city))
    except (SourceError, ZoneError) as error:  # of a rule, the catalogue or the map
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        return asyncio.run(work)
    except STORE_ERRORS as error:
        typer.echo(f"the database can't be reached: {error}", err=True)
        raise typer.Exit(1) from None
