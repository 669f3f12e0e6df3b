"""`citywatch migrate`: bring the schema up to date, create the topics."""

import asyncio
from typing import Annotated

import typer

from city.database import STORE_ERRORS, DatabaseError
from city.kafka import KafkaError, ensure_topics
from city.migrations import migrate as apply_migrations
from city.sectors import Catalogue
from city.settings import Settings
from citywatch.local import permission
from citywatch.store import no_database


@permission("service.run")
def migrate(
    dsn: Annotated[str | None, typer.Option(help="Database; default: CITYWATCH_DATABASE_DSN.")] = None,
    topics: Annotated[bool, typer.Option(help="Create the city's topics too.")] = True,
) -> None:
    """Bring the database's schema up to date and create missing topics. Safe to run at any time, from anywhere."""
    settings = Settings()
    try:
        applied = asyncio.run(apply_migrations(dsn or settings.database_dsn, settings.store))
        created = asyncio.run(ensure_topics(settings, Catalogue.load(settings.city))) if topics else []
    except (DatabaseError, KafkaError) as error:
        typer.echo(f"{error.code}: {error}", err=True)
        raise typer.Exit(1) from error
    except STORE_ERRORS as error:
        typer.echo(no_database(error, dsn), err=True)
        raise typer.Exit(1) from error
    for name in applied:
        typer.echo(f"applied {name}")
    for name in created:
        typer.echo(f"created topic {name}")
    if not applied and not created:
        typer.echo("nothing to do")
