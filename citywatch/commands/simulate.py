"""`citywatch simulate`: a simulated city that publishes as sectors do."""

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from city.settings import Settings
from citywatch.local import permission
from citywatch.pulse import beating

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulation.publisher import Progress

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

EXAMPLES = """
Examples:

\b
  citywatch simulate                                  an ordinary day, 200 events/s, to Kafka
  citywatch simulate --scenario flood --seed 7        a downpour meets the high tide
  citywatch simulate --rate 20 --duration 60          a small city for one minute
  citywatch simulate --to stdout --duration 10        JSON lines, no broker needed
  citywatch simulate --list                           what each scenario tells
"""


@app.command(epilog=EXAMPLES)
@permission("service.run")
def simulate(
    scenario: Annotated[str, typer.Option(help="What happens; --list tells.")] = "calm",
    rate: Annotated[float, typer.Option(min=0.1, max=100_000, help="Events a second, at most.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same city.")] = 1,
    duration: Annotated[float | None, typer.Option(min=0.2, help="Seconds; default: until stopped.")] = None,
    to: Annotated[str, typer.Option(help="kafka or stdout.")] = "kafka",
    list_: Annotated[bool, typer.Option("--list", help="Say what each scenario tells, and end.")] = False,
) -> None:
    """Publish a simulated city: traffic, rain, tide, floods, air, hospitals, dengue, citizens' reports.

    Every event's source says that it is simulated. Stops on Ctrl-C after sending what it has.
    """
    from simulation.scenario import SCENARIOS

    if list_:
        for each in SCENARIOS.values():
            typer.echo(f"{each.name:<12} {each.summary}")
        return
    if scenario not in SCENARIOS:
        raise _failed(f"there is no scenario {scenario!r}; there are: {', '.join(SCENARIOS)}", 2)
    if to not in ("kafka", "stdout"):
        raise _failed(f"--to is {to!r}; say kafka or stdout", 2)
    from city.sectors import CatalogueError
    from city.zonefile import ZoneError

    try:
        with _progress(shown=to == "kafka") as progress:
            asyncio.run(_until_signalled(scenario, rate, seed, duration, to, progress))
    except (CatalogueError, ZoneError) as error:
        raise _failed(str(error), 1) from error
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _until_signalled(
    scenario: str, rate: float, seed: int, duration: float | None, to: str, progress: "Progress"
) -> None:
    """Run until the end or the first Ctrl-C or SIGTERM; what was taken is still sent."""
    task = asyncio.ensure_future(_run(scenario, rate, seed, duration, to, progress))
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, task.cancel)
    with contextlib.suppress(asyncio.CancelledError), beating(task.cancel):
        await task


async def _run(scenario: str, rate: float, seed: int, duration: float | None, to: str, progress: "Progress") -> int:
    from simulation import publisher

    settings = Settings()
    if to == "kafka":
        return await publisher.run(
            settings, scenario=scenario, seed=seed, rate=rate, duration=duration, progress=progress
        )
    return await publisher.print_lines(settings, scenario=scenario, seed=seed, rate=rate, duration=duration)


@contextlib.contextmanager
def _progress(*, shown: bool) -> "Iterator[Progress]":
    """A line that counts, on a terminal; nothing where a supervisor reads the log."""
    if not shown or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} events"), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("simulating", total=None)
        yield lambda sent: bar.update(task, completed=sent)


def _failed(sentence: str, code: int) -> typer.Exit:
    typer.echo(sentence, err=True)
    return typer.Exit(code)
