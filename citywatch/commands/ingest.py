"""`citywatch ingest`: the ingest worker."""

import gc

from city.settings import Settings
from citywatch.local import permission
from citywatch.service import serve


@permission("service.run")
def ingest() -> None:
    """Carry events from Kafka into the database, each once, until SIGTERM or Ctrl-C.

    Settings come from the environment, such as CITYWATCH_DATABASE_DSN and CITYWATCH_KAFKA_BOOTSTRAP. Start as many
    workers as you like, up to one a partition; they share the work.

    Example: CITYWATCH_METRICS_PORT=9101 citywatch ingest
    """
    from ingest.worker import run

    gc.freeze()  # what is loaded now stays; a batch makes no cycles, so seldom is often enough
    gc.set_threshold(50_000, 20, 20)
    serve(lambda stop: run(Settings(), stop))
