"""What a demo that was killed may have left running: found by a mark in the environment, said, and ended.

On Linux the kernel ends the children with their supervisor; this is for other systems, and for what the kernel missed.
The mark names the demo's folder and is read from the process itself, so a number that was given anew harms nobody.
"""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from citywatch.embedded.postgres import end_server, serving
from citywatch.embedded.process import EmbeddedError, end_processes, is_alive

MARK: Final = "CITYWATCH_DEMO_FOLDER"
DRAIN_SECONDS: Final = 10.0
DATABASE: Final = "PostgreSQL"


class Leftover(NamedTuple):
    """A process of a demo whose supervisor is gone."""

    name: str
    process: psutil.Process

    def __str__(self) -> str:
        return f"{self.name} (process {self.process.pid})"


def mark(directory: Path) -> None:
    """Every process that is started from now on carries the mark of this folder."""
    os.environ[MARK] = _folder(directory)


def find(directory: Path) -> list[Leftover]:
    """What runs for this folder, the database last. Meaningful while the caller holds the folder."""
    database = serving(directory / "postgres" / "data")
    marked = [found for found in _marked(_folder(directory)) if database is None or found.process.pid != database.pid]
    family = [] if database is None else [process.pid for process in database.children(recursive=True)]
    services = [found for found in marked if found.process.pid not in family]
    return services if database is None else [*services, Leftover(DATABASE, database)]


def end(directory: Path, say: Callable[[str], None]) -> None:
    """End what was left, services before what they stand on; EmbeddedError where that can't be done."""
    left = find(directory)
    if not left:
        return
    say(f"A demo of this folder was killed and left running: {', '.join(map(str, left))}. They are being stopped.")
    end_processes([one.process for one in left if one.name != DATABASE], signal.SIGTERM, DRAIN_SECONDS)
    for one in left:
        if one.name == DATABASE:
            end_server(one.process)
    alive = [one for one in left if is_alive(one.process)]
    if alive:
        numbers = " ".join(str(one.process.pid) for one in alive)
        raise EmbeddedError(
            f"{', '.join(map(str, alive))} can't be stopped: type `kill -9 {numbers}` as the user who started the demo"
        )


def _marked(folder: str) -> Iterator[Leftover]:
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == folder and is_alive(process):
                yield Leftover(_name(process.cmdline()), process)
        except (psutil.Error, OSError):
            continue


def _folder(directory: Path) -> str:
    return os.path.realpath(directory)


def _name(command: list[str]) -> str:
    """`ingest` of `python -m citywatch ingest`, else the program's."""
    if "citywatch" in command[:-1]:
        return command[command.index("citywatch") + 1]
    return "broker" if "broker" in command else Path(command[0]).name if command else "a process"
