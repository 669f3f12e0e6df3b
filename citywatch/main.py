"""The command line: a table of commands, each imported only when it runs, so that `citywatch --help` is instant."""

import difflib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import Final, NamedTuple, Protocol


class Command(NamedTuple):
    """What the help says of a command, and whether it is a service (which logs) or a tool (which prints)."""

    summary: str
    service: bool = False


COMMANDS: Final = {
    "demo": Command("Run the whole system here: database, broker, services and a simulated city."),
    "migrate": Command("Bring the database's schema up to date and create the topics."),
    "ingest": Command("Carry events from Kafka into the database, each once.", service=True),
    "alerts": Command("Judge events by rules; raise, escalate and clear alerts.", service=True),
    "center": Command("Serve the wall, the console, the REST API and the WebSocket.", service=True),
    "simulate": Command("Publish a simulated city's events.", service=True),
    "replay": Command("Publish a recorded CSV: as recorded, moved to now, or as a backfill."),
    "rules": Command("Check and apply rules from a folder."),
    "ledger": Command("Show the books of every partition; --verify compares them with the broker."),
    "dead-letters": Command("List, show and replay what was refused."),
    "zones": Command("Import a real map of zones in place of the schematic one."),
    "accounts": Command("Create, change and end the accounts of people."),
    "keys": Command("Create, rotate and revoke the keys of sector systems."),
    "devices": Command("List paired screens, make links that pair them, end their access."),
    "audit": Command("List what was done by whom, and prove that nobody changed the record."),
    "access": Command("Show who may do what."),
}

DSN: Final = "CITYWATCH_DATABASE_DSN"
USAGE: Final = "usage: citywatch COMMAND [OPTIONS]    (citywatch COMMAND --help tells the options)"


class _App(Protocol):
    def __call__(self, args: Sequence[str], prog_name: str) -> object: ...


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave the process with its exit code (2: no such command)."""
    name, *rest = [*(sys.argv[1:] if arguments is None else arguments), ""]
    rest = rest[:-1] if rest else []
    if name in ("", "-h", "--help", "help"):
        print(help_text())
        sys.exit(0)
    if name == "--version":
        print(f"citywatch {metadata.version('citywatch')}")
        sys.exit(0)
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        sys.exit(_refuse(f"citywatch has no command {name!r}{meant} `citywatch --help` lists all."))
    app = load(name)
    if app is None:
        sys.exit(_refuse(f"the command {name!r} is not part of this installation."))
    if COMMANDS[name].service:
        from citywatch.logs import configure

        configure(name)
    elif name != "demo" and not {"-h", "--help"} & set(rest):
        _join_demo()
    app(rest, f"citywatch {name}")


def _join_demo() -> None:
    """A tool called in the folder of a running demo means that demo, unless it was told of another database."""
    if DSN in os.environ or Path(".env").exists():
        return
    from citywatch.supervisor.state import DemoState

    if shared := DemoState().shared():
        os.environ.update(shared, CITYWATCH_JOINED_DEMO="1")
        print("(for the demo that runs in this folder)", file=sys.stderr)


def load(name: str) -> _App | None:
    """The command's Typer application from citywatch/commands/, or None where that module is missing."""
    module_name = f"citywatch.commands.{name.replace('-', '_')}"
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        return None
    app: _App | None = getattr(module, "app", None)
    if app is not None:
        return app
    import typer

    single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    function: Callable[..., object] = getattr(module, name.replace("-", "_"))
    single.command()(function)
    return single


def declarations() -> Iterator[tuple[str, str | None]]:
    """Every command with its parts, and the permission that it declares."""
    from typer.main import get_command

    from citywatch.local import declared

    for name in COMMANDS:
        app = load(name)
        if app is None:
            continue
        command = get_command(app)  # type: ignore[arg-type]
        parts = getattr(command, "commands", None)
        if parts is None:
            yield name, declared(command.callback)
            continue
        for part, one in parts.items():
            yield f"{name} {part}", declared(one.callback)


def help_text() -> str:
    """The table of commands."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join([USAGE, "", *lines])


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2
