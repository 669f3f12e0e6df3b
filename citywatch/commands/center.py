"""`citywatch center`: serve the wall, the console, the REST API and the WebSocket."""

from typing import Annotated

import typer

from city.settings import Settings
from citywatch.local import permission
from citywatch.service import serve


@permission("service.run")
def center(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: CITYWATCH_CENTER_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 lets the system choose.")] = None,
) -> None:
    """Serve screens, scripts and publishers without Kafka, until SIGTERM or Ctrl-C.

    Settings come from the environment, such as CITYWATCH_DATABASE_DSN and CITYWATCH_CENTER_PORT. Start as many as you
    like behind one address: each has only caches.
    """
    from center.server import run

    given = {"center_host": host, "center_port": port}
    settings = Settings().model_copy(update={name: value for name, value in given.items() if value is not None})
    try:
        serve(lambda stop: run(settings, stop, on_listening=_announce))
    except OSError as error:
        typer.echo(f"{settings.center_host}:{settings.center_port} can't be listened on: {error.strerror}", err=True)
        raise typer.Exit(1) from error


def _announce(host: str, port: int) -> None:
    print(f"center listens on http://{host}:{port}", flush=True)
