"""`citywatch rules`: check, test, compare, apply and list the rules, and what they were."""

import asyncio
import difflib
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from alerts import cases, rulebook
from alerts.rulefile import LoadedRule, load_rules
from alerts.summary import summary
from city.database import STORE_ERRORS, open_pool
from city.sectors import Catalogue
from city.settings import Settings
from city.yamlnodes import SourceError
from city.zonefile import ZoneError
from city.zones import ZoneMap
from citywatch.commands import rules_backtest
from citywatch.local import actor, permission
from citywatch.store import no_database

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Check and apply rules from a folder.\n\n"
    "Examples:\n\n"
    "  citywatch rules check city/hcmc/rules\n\n"
    "  citywatch rules test city/hcmc/rules/tests/*.yaml\n\n"
    "  citywatch rules diff city/hcmc/rules\n\n"
    "  citywatch rules apply city/hcmc/rules --by 'Lan, shift B'\n\n"
    "  citywatch rules list",
)

app.command(name="backtest")(rules_backtest.command)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder with *.yaml files, one or more rules in each.")]
Result = TypeVar("Result")


@app.command()
@permission("rules.read")
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR|FILE", help="Folder with *.yaml files, or one file.")],
) -> None:
    """Read the rules and say what is wrong with them, by file and line; the database is not asked.

    Example: citywatch rules check city/hcmc/rules
    """
    loaded = _load(folder, or_file=True)
    for one in loaded:
        typer.echo(f"{one.file}:{one.line}: {one.rule.rule} ({summary(one.rule)})")
    typer.echo(f"{len(loaded)} rules, all good")


@app.command()
@permission("rules.apply")
def apply(
    folder: Folder,
    by: Annotated[str, typer.Option(help="Who applies them; kept with every version.")] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Leave rules in force that the folder does not have.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
) -> None:
    """Make the folder's rules the rules in force; workers take them up within two seconds.

    All or none: one rule that is refused leaves the running set as it is. Rules that the folder no longer has are
    retired, and their open alerts clear, unless --keep.

    Example: citywatch rules apply city/hcmc/rules --by 'Lan, shift B'
    """
    loaded = _load(folder)

    async def write() -> rulebook.Applied:
        async with await open_pool(_settings(), application="citywatch-rules") as pool:
            if dry_run:
                return await rulebook.plan_rules(pool, loaded, retire=not keep)
            who = actor()
            return await rulebook.apply_rules(pool, loaded, by or who.name, retire=not keep, actor=who)

    done = _run(write())
    for what, names in (("new", done.added), ("changed", done.changed), ("retired", done.retired)):
        for name in names:
            typer.echo(f"{what:<8} {name}")
    stays = "; nothing was applied" if dry_run else ""
    typer.echo(f"{len(done.unchanged)} unchanged; revision {done.revision} is in force{stays}")


@app.command()
@permission("rules.read")
def diff(folder: Folder) -> None:
    """Compare the folder with the rules in force, line by line; exits with 1 where they differ.

    Example: citywatch rules diff city/hcmc/rules
    """
    loaded = _load(folder)

    async def read() -> tuple[rulebook.Applied, dict[str, rulebook.Version]]:
        async with await open_pool(_settings(), application="citywatch-rules") as pool:
            return await rulebook.plan_rules(pool, loaded), await rulebook.sources_in_force(pool)

    planned, held = _run(read())
    given = {one.rule.rule: one for one in loaded}
    for name in (*planned.added, *planned.changed, *planned.retired):
        before, after = held.get(name), given.get(name)
        _print_difference(
            before.source if before is not None else "",
            after.source if after is not None else "",
            f"{name} v{before.version}" if before is not None else "nothing",
            f"{after.file}:{after.line}" if after is not None else "nothing",
        )
    if planned.added or planned.changed or planned.retired:
        raise typer.Exit(1)
    typer.echo(f"{len(planned.unchanged)} rules, as in force")


@app.command()
@permission("rules.read")
def history(rule: Annotated[str, typer.Argument(metavar="RULE", help="A rule's name.")]) -> None:
    """Show every version of a rule that was applied: when, by whom, and what it changed.

    Example: citywatch rules history street-flood
    """

    async def read() -> list[rulebook.Version]:
        async with await open_pool(_settings(), application="citywatch-rules") as pool:
            return await rulebook.versions_of(pool, rule)

    versions = _run(read())
    if not versions:
        typer.echo(f"there was never a rule '{rule}'; citywatch rules list shows those in force", err=True)
        raise typer.Exit(1)
    before = ""
    for one in versions:
        state = ", in force" if one.active else ""
        typer.echo(f"v{one.version}  {one.applied_at}  {one.applied_by}{state}")
        if before:
            _print_difference(before, one.source, f"v{one.version - 1}", f"v{one.version}")
        before = one.source


@app.command()
@permission("rules.read")
def test(files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="YAML files of cases.")]) -> None:
    """Run cases: readings in short, and the alerts that they must make, at which times. The database is not asked.

    Exits with 1 where a case fails: - was expected and did not come, + came and was not expected.

    Example: citywatch rules test city/hcmc/rules/tests/*.yaml
    """
    failed = count = 0
    try:
        catalogue, zones = Catalogue.load(_settings().city), ZoneMap.load(_settings().city)
        for case in (case for file in files for case in cases.load_cases(file, catalogue, zones)):
            count += 1
            lines = cases.difference(case, cases.run(case, catalogue))
            if lines:
                failed += 1
                typer.echo(f"{case.file}:{case.line}: {case.name}")
                for line in lines:
                    typer.echo(f"    {line}")
    except (SourceError, ZoneError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{count} cases, {f'{failed} failed' if failed else 'all good'}")
    if failed:
        raise typer.Exit(1)


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


def _print_difference(before: str, after: str, was: str, now: str) -> None:
    for line in difflib.unified_diff(before.splitlines(), after.splitlines(), was, now, lineterm="", n=2):
        typer.echo(line)


def _settings() -> Settings:
    return Settings()


def _load(folder: Path, *, or_file: bool = False) -> list[LoadedRule]:
    try:
        return load_rules(folder, Catalogue.load(_settings().city), ZoneMap.load(_settings().city), or_file=or_file)
    except (SourceError, ZoneError) as error:  # of a rule, the catalogue or the map
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        return asyncio.run(work)
    except STORE_ERRORS as error:
        typer.echo(no_database(error), err=True)
        raise typer.Exit(1) from None
