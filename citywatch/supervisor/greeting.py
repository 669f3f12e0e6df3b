"""What the demo says once everything runs: where it is, how to get in, what to look at, how to stop it."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from citywatch.supervisor.letting_in import ADMIN
from citywatch.supervisor.state import DemoState
from simulation.scenario import Scenario


def greeting(
    *,
    seconds: float,
    port: int,
    wall: str,
    password: str | None,
    bootstrap: str,
    scenario: Scenario,
    waits: bool,
    state: DemoState,
) -> str:
    """`password` is the first one of the demo's account, None where it was told before; `waits`: the scenario begins
    when what an earlier run left open has cleared."""
    base = f"http://127.0.0.1:{port}"
    account = (
        f"sign in as {ADMIN} with {password}\n            (shown this once; you choose a password of your own then)"
        if password is not None
        else f"sign in as {ADMIN}; password lost: `{typed()} accounts password {ADMIN}`"
    )
    others = (
        f"`{typed()} simulate --list` tells the other scenarios."
        if scenario.name == "flood"
        else f"`{_flood(state, port)}` (after a stop) floods the city."
    )
    stop, reset = (
        ("make demo-stop", "make demo-reset")
        if _is_default(state)
        else (f"{_demo_of(state)} --stop", f"{_demo_of(state)} --reset")
    )
    return f"""
Everything runs since {seconds:.1f} s.
  wall      {wall}
            for the screen of the operations centre: open it, there is nothing to type
  console   {base}/console
            the same with hands: {account}
  API       {base}/docs          and {base}/metrics
  Kafka     {bootstrap:<28}          for publishers
Try: watch the wall; {"once it is clear, " if waits else ""}{scenario.outlook}
     {others} README.md shows how to publish an event of your own.
Stop: Ctrl-C, or `{stop}`. The data stays in {state.directory}; `{reset}` forgets it.
Logs: {state.logs}"""


def _is_default(state: DemoState) -> bool:
    """Whether `make` means this demo: it knows of one folder."""
    return state.directory == DemoState().directory


def _demo_of(state: DemoState) -> str:
    return f"{typed()} demo --directory {shlex.quote(str(state.directory))}"


def _flood(state: DemoState, port: int) -> str:
    return "make demo SCENARIO=flood" if _is_default(state) else f"{_demo_of(state)} --port {port} --scenario flood"


def typed() -> str:
    """How the command is typed here: by its name where that is found, else by its path from this folder."""
    return "citywatch" if shutil.which("citywatch") else os.path.relpath(Path(sys.executable).parent / "citywatch")
