"""`citywatch demo`: the whole system on this machine."""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from citywatch import preflight
from citywatch.embedded.process import EmbeddedError
from citywatch.local import permission
from citywatch.supervisor.renewal import LIMIT_BYTES
from citywatch.supervisor.state import DemoState

if TYPE_CHECKING:
    from citywatch.supervisor.demo import Demo

MIB = 1024 * 1024


@permission("service.run")
def demo(
    port: Annotated[int, typer.Option(help="Port of the wall, on 127.0.0.1.")] = 8700,
    scenario: Annotated[str, typer.Option(help="What happens in the simulated city; then it is calm.")] = "welcome",
    seed: Annotated[int, typer.Option(help="Seed of the simulated city.")] = 1,
    rate: Annotated[float, typer.Option(min=1, max=200, help="Records per second, at most.")] = 200,
    directory: Annotated[Path, typer.Option(help="Where database and logs are kept.")] = Path(preflight.STATE),
    check: Annotated[bool, typer.Option("--check", help="See live readings and an alert, then stop.")] = False,
    until_cleared: Annotated[bool, typer.Option("--until-cleared", help="With --check: and the alert clear.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the demo that runs from this directory.")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Stop it, and delete the directory.")] = False,
    broker_limit: Annotated[int, typer.Option(help="MiB at which the broker is renewed.")] = LIMIT_BYTES // MIB,
) -> None:
    """Run database, broker, services and a simulated city in the foreground, until Ctrl-C."""
    state = DemoState(directory)
    if stop or reset:
        from citywatch.supervisor import ending

        raise typer.Exit(ending.reset(state) if reset else ending.stop(state))
    if check:
        from citywatch.supervisor.check import check as check_demo

        arguments = ["--scenario", scenario, "--seed", str(seed), "--rate", str(rate)]
        try:
            code = asyncio.run(check_demo(state, port, arguments, until_cleared=until_cleared))
        except (EmbeddedError, OSError) as error:
            print(error, file=sys.stderr)
            raise typer.Exit(1) from error
        raise typer.Exit(code)
    from simulation.scenario import SCENARIOS

    if scenario not in SCENARIOS:
        print(f"there is no scenario {scenario!r}; there are: {', '.join(SCENARIOS)}", file=sys.stderr)
        raise typer.Exit(2)
    from citywatch import logs
    from citywatch.supervisor import leftovers
    from citywatch.supervisor.demo import Demo, Options

    options = Options(port, scenario, seed, rate, broker_limit * MIB)
    try:
        with state.owned(port):
            leftovers.end(state.directory, print)
            _need(preflight.place_problems(port))
            leftovers.mark(state.directory)
            with (state.logs / "supervisor.log").open("a", encoding="utf-8") as log:
                logs.configure("demo", stream=log)  # the terminal is for what people are told
                asyncio.run(_until_signalled(Demo(state, options)))
    except EmbeddedError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from error


def _need(problems: list[str]) -> None:
    """EmbeddedError for the first thing that is in the way."""
    for problem in filter(None, problems):
        raise EmbeddedError(problem)


async def _until_signalled(demo: "Demo") -> None:
    """The first Ctrl-C (or SIGTERM) drains and stops; a second one, or one while starting, does not wait."""
    stop = asyncio.Event()
    running = asyncio.current_task()

    def interrupted() -> None:
        if running is not None and (stop.is_set() or not demo.started):
            running.cancel()
        stop.set()

    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signum, interrupted)
    if running is not None and running.cancelling():
        return  # Ctrl-C came before there was a handler; what is awaited later may swallow the cancellation
    with contextlib.suppress(asyncio.CancelledError):
        await demo.run(stop)
