"""`citywatch rules backtest`: what a rule would have raised over stored or recorded readings, beside another."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from alerts import rulebook
from alerts.backtest import backtest
from alerts.rulefile import parse_rules, read_text
from alerts.rules import Rule
from alerts.tally import Outcome
from city.database import STORE_ERRORS, open_pool
from city.decoding import Decoder
from city.sectors import Catalogue
from city.settings import Settings
from city.timestamps import from_datetime
from city.yamlnodes import SourceError
from city.zonefile import ZoneError
from city.zones import ZoneMap
from citywatch.commands.recorded import Recorded, judge_recorded, read_recorded
from citywatch.local import permission
from citywatch.store import no_database

TIMES: Final = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
WHEN: Final = "In the city's time zone, unless it names one (2026-11-22T21:00:00Z)."
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
    ("share of time open", "open_share", "{:.1%}"),
)


Span = tuple[int, int]
Tell = Callable[[int, int], None]


@permission("rules.read")
def command(
    file: Annotated[Path, typer.Argument(metavar="RULE.yaml", help="A file with one rule or more.")],
    since: Annotated[datetime | None, typer.Option("--from", formats=TIMES, help=WHEN)] = None,
    until: Annotated[datetime | None, typer.Option("--to", formats=TIMES, help=WHEN)] = None,
    csv: Annotated[Path | None, typer.Option(help="A recorded CSV instead of the database.")] = None,
    mapping: Annotated[str | None, typer.Option(help="Which of its columns is which series, as for replay.")] = None,
    against: Annotated[Path | None, typer.Option(help="Compare with this file's rules, not those in force.")] = None,
) -> None:
    """Say what rules would have raised over the readings of a time, beside those of their names in force. Changes
    nothing; Ctrl-C stops it. Over a CSV no database is asked, and without --from and --to all of it counts.

    Example: citywatch rules backtest river.yaml --from 2026-11-01 --to 2026-11-22
    """
    settings, screen = Settings(), Console(stderr=True)
    try:
        catalogue, zones = Catalogue.load(settings.city), ZoneMap.load(settings.city)
        rules = _rules(file, catalogue, zones)
        others = _rules(against, catalogue, zones) if against is not None else None
        asked = _span(since, until, ZoneInfo(catalogue.city.timezone))
        if csv is not None and mapping is not None:
            recorded = read_recorded(csv, mapping, Decoder(catalogue, zones))
        elif csv is not None or mapping is not None:
            raise _failed("--csv and --mapping go together")
        elif asked is None:
            raise _failed("say --from and --to; only a CSV has a first and a last reading of its own")
    except OSError as error:
        raise _failed(f"{error.filename} can't be read: {error.strerror}") from None
    except (SourceError, ZoneError) as error:
        raise _failed(str(error)) from None
    try:
        if csv is not None:
            proposed, present, held = _over_csv(recorded, Decoder(catalogue, zones), rules, others or [], asked, screen)
        elif asked is not None:
            proposed, present, held = asyncio.run(_over_database(settings, catalogue, rules, others, asked, screen))
    except STORE_ERRORS as error:
        raise _failed(no_database(error)) from None
    for name, outcome in proposed.items():
        before, beside = present.get(name), f"in {against.name}" if against is not None else "in force"
        if before is not None and against is None:
            beside += f" (v{held[name].version})"
        Console().print(_table(name, outcome, before, beside))


def _over_csv(
    recorded: Recorded, decoder: Decoder, rules: list[Rule], others: list[Rule], asked: Span | None, screen: Console
) -> "Found":
    if strange := sorted({rule.sector for rule in rules} - {recorded.sector}):
        raise _failed(f"the CSV is of {recorded.sector}; a rule is of {', '.join(strange)}")
    if not recorded.arrivals:
        raise _failed("the CSV has no reading that could be used")
    measured = recorded.metrics
    for rule in rules:
        if lacking := ", ".join(sorted({*rule.metrics} - measured)) or ("reports" if rule.reports is not None else ""):
            typer.echo(f"{rule.rule} was not tried: the CSV has no {lacking}", err=True)
    rules = [rule for rule in rules if rule.reports is None and measured.issuperset(rule.metrics)]
    span = asked or (recorded.arrivals[0].record_time, recorded.arrivals[-1].record_time + 1)
    held = {rule.rule: rule for rule in others if rule.rule in {one.rule for one in rules}}
    with _progress(screen, span) as tell:
        proposed = judge_recorded(recorded, decoder, rules, *span, tell)
        present = judge_recorded(recorded, decoder, list(held.values()), *span, tell)
    rows = recorded.rows
    told = [f"{rows.read:,} rows read, {rows.used:,} used with {rows.readings:,} readings"]
    told += [f"{count:,} rows skipped: {reason}" for reason, count in rows.skipped.most_common()]
    told += [f"{count:,} events refused: {reason}" for reason, count in sorted(recorded.refused.items())]
    typer.echo("\n".join(told), err=True)
    return proposed, present, held


async def _over_database(
    settings: Settings, catalogue: Catalogue, rules: list[Rule], others: list[Rule] | None, span: Span, screen: Console
) -> "Found":
    async with await open_pool(settings, application="citywatch-backtest") as pool:
        with _progress(screen, span) as tell:
            proposed = await backtest(pool, catalogue, rules, *span, tell)
            if others is None:
                others = await rulebook.rules_at(pool, await rulebook.revision(pool))
            held = {rule.rule: rule for rule in others if rule.rule in proposed}
            present = await backtest(pool, catalogue, list(held.values()), *span, tell)
    return proposed, present, held


Found = tuple[dict[str, Outcome], dict[str, Outcome], dict[str, Rule]]
"""What the rules tried would have raised, what those beside them, and these."""


def _rules(file: Path, catalogue: Catalogue, zones: ZoneMap) -> list[Rule]:
    return [loaded.rule for loaded in parse_rules(read_text(file), catalogue, file, zones)]


def _span(since: datetime | None, until: datetime | None, zone: ZoneInfo) -> Span | None:
    if since is None and until is None:
        return None
    if since is None or until is None:
        raise _failed("--from and --to go together")
    first, last = (from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=zone)) for moment in (since, until))
    if first >= last:
        raise _failed("--from must be before --to")
    return first, last


@contextmanager
def _progress(screen: Console, span: Span) -> Iterator[Tell]:
    first, last = span
    with screen.status("reading …") as status:

        def tell(readings: int, reached: int) -> None:
            status.update(f"{readings:,} readings, {(reached - first) / (last - first):.0%} of the time")

        yield tell


def _failed(sentence: str) -> typer.Exit:
    typer.echo(sentence, err=True)
    return typer.Exit(1)


def _table(name: str, proposed: Outcome, present: Outcome | None, beside: str) -> Table:
    table = Table(name, "proposed", beside)
    for title, field, form in FIGURES:
        told = "-" if present is None else form.format(getattr(present, field))
        table.add_row(title, form.format(getattr(proposed, field)), told)
    return table
