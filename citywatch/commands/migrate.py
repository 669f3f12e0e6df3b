"""`citywatch migrate`: bring the schema up to date."""

import asyncio
from typing import Annotated

import typer

from city.database import STORE_ERRORS, DatabaseError
from city.migrations import migrate as apply_migrations
from city.settings import Settings


def migrate(
    dsn: Annotated[str | None, typer.Option(help="Database; default: CITYWATCH_DATABASE_DSN.")] = None,
) -> None:
    """Bring the database's schema up to date; says each file it applies. Safe to run at any time, from anywhere."""
    settings = Settings()
    try:
        applied = asyncio.run(apply_migrations(dsn or settings.database_dsn, settings.store))
    except DatabaseError as error:
        typer.echo(f"{error.code}: {error}", err=True)
        raise typer.Exit(1) from error
    except STORE_ERRORS as error:
        typer.echo(f"the database can't be reached: {error}", err=True)
        raise typer.Exit(1) from error
    for name in applied:
        typer.echo(f"applied {name}")
    if not applied:
        typer.echo("nothing to do")
