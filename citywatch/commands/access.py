"""`citywatch access`: who may do what."""

import typer

from access.policy import table as permissions
from citywatch.local import permission

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True,
    help="Who may do what.\n\nExample:\n\n  citywatch access table",
)  # fmt: skip


@app.callback()
def main() -> None:
    """Who may do what."""


@app.command("table")
@permission("public")
def table() -> None:
    """Print who has each permission, and what each command asks for, as docs/access.md has it.

    Example: citywatch access table
    """
    from citywatch.main import declarations

    typer.echo(permissions())
    typer.echo("| command | permission |\n|---|---|")
    for command, name in declarations():
        typer.echo(f"| `citywatch {command}` | `{name}` |")
