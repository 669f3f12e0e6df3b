"""`citywatch rules backtest`: what a rule would have raised over stored readings, beside the version in force."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from alerts import rulebook
from alerts.backtest import backtest
from alerts.rulefile import RuleError, parse_rules, read_text
from alerts.rules import Rule
from alerts.tally import Outcome
from city.database import STORE_ERRORS, open_pool
from city.sectors import Catalogue
from city.settings import Settings
from city.timestamps import from_datetime
from city.yamlnodes import SourceError
from city.zonefile import ZoneError
from city.zones import ZoneMap
from citywatch.local import permission

FIGURES: Final = (
    ("raised", "raised", "{:,}"),
    ("open at the end", "open_at_end", "{:,}"),
    ("groups", "groups", "{:,}"),
    ("most at once", "most_at_once", "{:,}"),
    ("median duration, s", "median_s", "{:,.0f}"),
    ("longest, s", "longest_s", "{:,.0f}"),
    ("alarms a day", "alarms_a_day", "{:,.1f}"),
    ("most in ten minutes", "most_in_ten_minutes", "{:,}"),
    ("share of time in flood", "flood_share", "{:.2%}"),
    ("chattering groups", "chattering_groups", "{:,}"),
    ("open for over 24 h", "older_than_a_day", "{:,}"),
)


@permission("rules.read")
def command(
    file: Annotated[Path, typer.Argument(metavar="RULE.yaml", help="A file with one rule or more.")],
    since: Annotated[datetime, typer.Option("--from", help="In the city's time zone.")],
    until: Annotated[datetime, typer.Option("--to", help="In the city's time zone.")],
) -> None:
    """Say what rules would have raised over the readings of a time, beside those of their names in force. Changes
    nothing; Ctrl-C stops it.

    Example: citywatch rules backtest river.yaml --from 2026-11-01 --to 2026-11-22
    """
    settings, screen = Settings(), Console(stderr=True)
    try:
        catalogue, zones = Catalogue.load(settings.city), ZoneMap.load(settings.city)
        rules = [loaded.rule for loaded in parse_rules(read_text(file), catalogue, file, zones)]
        for rule in rules:
            if rule.reports is not None:
                raise RuleError(str(file), 1, f"'{rule.rule}' counts reports; a back-test reads readings")
    except OSError as error:
        typer.echo(f"{file} can't be read: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    except (SourceError, ZoneError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    zone = ZoneInfo(catalogue.city.timezone)
    first, last = (from_datetime(moment.replace(tzinfo=zone)) for moment in (since, until))
    if first >= last:
        typer.echo("--from must be before --to", err=True)
        raise typer.Exit(1)

    async def work() -> tuple[dict[str, Outcome], dict[str, Outcome], dict[str, Rule]]:
        async with await open_pool(settings, application="citywatch-backtest") as pool:
            with screen.status("reading …") as status:

                def tell(readings: int, reached: int) -> None:
                    share = (reached - first) / (last - first)
                    status.update(f"{readings:,} readings, {share:.0%} of the time")

                proposed = await backtest(pool, catalogue, rules, first, last, tell)
                now = await rulebook.rules_at(pool, await rulebook.revision(pool))
                held = {rule.rule: rule for rule in now if rule.rule in proposed and rule.reports is None}
                present = await backtest(pool, catalogue, list(held.values()), first, last, tell)
        return proposed, present, held

    try:
        proposed, present, held = asyncio.run(work())
    except STORE_ERRORS as error:
        typer.echo(f"the database can't be reached: {error}", err=True)
        raise typer.Exit(1) from None
    for name, outcome in proposed.items():
        before = present.get(name)
        Console().print(_table(name, outcome, before, held[name].version if before is not None else 0))


def _table(name: str, proposed: Outcome, present: Outcome | None, version: int) -> Table:
    table = Table(name, "proposed", f"in force (v{version})" if present is not None else "in force")
    for title, field, form in FIGURES:
        told = "-" if present is None else form.format(getattr(present, field))
        table.add_row(title, form.format(getattr(proposed, field)), told)
    return table
