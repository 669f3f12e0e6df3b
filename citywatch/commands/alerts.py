"""`citywatch alerts`: the alert worker."""

from city.settings import Settings
from citywatch.local import permission
from citywatch.service import serve


@permission("service.run")
def alerts() -> None:
    """Evaluate the rules over the sectors that Kafka gives to this worker, until SIGTERM or Ctrl-C.

    Settings come from the environment, such as CITYWATCH_DATABASE_DSN and CITYWATCH_KAFKA_BOOTSTRAP. Start as many
    workers as you like, up to one a sector; rules come from the database (`citywatch rules apply DIR`).
    """
    from alerts.service import run

    serve(lambda stop: run(Settings(), stop))
