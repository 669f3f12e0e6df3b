"""`citywatch replay`: recorded data as if it happened."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from city.settings import Settings
from city.timestamps import format_time
from citywatch.local import permission
from simulation.mapping import MAPPINGS, Mapping, mapping_file
from simulation.replayer import Outcome, Times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulation.recording import Recording, Tally

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

EXAMPLES = """
Examples:

\b
  citywatch replay metro_interstate_hourly.csv.gz --mapping metro-interstate
  citywatch replay counts.csv --mapping counts.yaml --as backfill
  citywatch replay counts.csv --mapping counts.yaml --via stdout | head

A mapping is a YAML file, or the name of one that comes with CityWatch (--list).
"""


@app.command(epilog=EXAMPLES)
@permission("service.run")
def replay(
    file: Annotated[Path | None, typer.Argument(help="CSV, packed with gzip or not.", show_default=False)] = None,
    mapping: Annotated[str | None, typer.Option(help="YAML file: which column is which series.")] = None,
    as_: Annotated[Times, typer.Option("--as", help="Times: as recorded, first is now, or last is now.")] = (
        Times.RECORDED
    ),
    via: Annotated[str, typer.Option(help="kafka or stdout.")] = "kafka",
    list_: Annotated[bool, typer.Option("--list", help="Name the mappings that come with CityWatch.")] = False,
) -> None:
    """Publish a recorded CSV; at the end say how many rows were read, sent and skipped, and why.

    As recorded needs a raw retention that reaches back that far (CITYWATCH_RAW_RETENTION_DAYS), else all is late.
    """
    if list_:
        for path in sorted(MAPPINGS.glob("*.yaml")):
            typer.echo(path.stem)
        return
    if file is None or mapping is None:
        raise _failed("name a CSV file and --mapping; see `citywatch replay --help`", 2)
    if via not in ("kafka", "stdout"):
        raise _failed(f"--via is {via!r}; say kafka or stdout", 2)
    from city.sectors import Catalogue
    from city.yamlnodes import SourceError
    from city.zonefile import ZoneError
    from city.zones import ZoneMap
    from simulation.recording import Recording

    settings = Settings()
    try:
        catalogue, zones = Catalogue.load(settings.city), ZoneMap.load(settings.city)
        recording = Recording(file, Mapping.load(mapping_file(mapping), catalogue, zones))
        with _progress(recording, as_) as progress:
            outcome, failed = asyncio.run(_until_signalled(settings, recording, as_, via, progress))
    except (SourceError, ZoneError) as error:
        raise _failed(str(error), 1) from error
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    except OSError as error:
        raise _failed(f"{file}: {error.strerror or error}", 1) from error
    except asyncio.CancelledError:
        raise _failed("stopped; what was sent is sent, and sending it again counts once", 130) from None
    _say(outcome, failed)


async def _until_signalled(
    settings: Settings, recording: "Recording", times: Times, via: str, progress: "Callable[[Tally], None]"
) -> tuple[Outcome, int]:
    task = asyncio.ensure_future(_run(settings, recording, times, via, progress))
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, task.cancel)
    return await task


async def _run(
    settings: Settings, recording: "Recording", times: Times, via: str, progress: "Callable[[Tally], None]"
) -> tuple[Outcome, int]:
    from city.clock import SystemClock
    from city.kafka import Producer
    from simulation.publisher import KafkaSink, LineSink
    from simulation.replayer import replay

    if via == "stdout":
        return await replay(recording, LineSink(), SystemClock(), times=times, progress=progress), 0
    async with Producer(settings, compression="lz4", linger_ms=20) as producer:
        sink = KafkaSink(producer)
        return await replay(recording, sink, SystemClock(), times=times, progress=progress), sink.failed


@contextlib.contextmanager
def _progress(recording: "Recording", times: Times) -> "Iterator[Callable[[Tally], None]]":
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.fields[rows]:,} rows"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(str(times), total=recording.size, rows=0)
        yield lambda tally: bar.update(task, completed=tally.bytes_read, rows=tally.read)


def _say(outcome: Outcome, failed: int) -> None:
    """The account of the rows, on stderr, since stdout may carry events."""
    tally = outcome.tally
    lines = [
        f"{tally.read:,} rows read",
        f"{tally.used:,} rows sent: {tally.events - failed:,} events with {tally.readings:,} readings",
    ]
    if outcome.first is not None and outcome.last is not None:
        lines.append(f"times from {format_time(outcome.first)} to {format_time(outcome.last)}")
    for reason, count in tally.skipped.most_common():
        lines.append(f"{count:,} rows skipped: {reason} (first in line {tally.first_skipped[reason]:,})")
    typer.echo("\n".join(lines), err=True)
    if failed:
        raise _failed(f"{failed:,} events were not taken by the broker; send the file again, all count once", 1)


def _failed(sentence: str, code: int) -> typer.Exit:
    typer.echo(sentence, err=True)
    return typer.Exit(code)
