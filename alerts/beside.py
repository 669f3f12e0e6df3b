"""System alerts beside the engine: their causes are no readings; whoever watches a cause opens and clears its alert.

One alert a (rule, topic) is open at a time; its life is written by the functions of the alert tables.
"""

from typing import Final

import msgspec

from alerts.body import change
from alerts.rules import Severity
from alerts.system import RECORD_TIMES, RECORDS_LOST, SYSTEM
from alerts.transitions import Kind, Place, Transition, alert_id
from alerts.watch import SYSTEM_VERSION
from city import metrics
from city.sectors import Sector
from city.zones import ZoneMap

SEVERITY: Final[dict[str, Severity]] = {RECORDS_LOST: "critical", RECORD_TIMES: "warning"}


def body(
    kind: Kind, rule: str, topic: str, sector: Sector, zones: ZoneMap, now_us: int, value: float | None = None
) -> str:
    """What a transition of such an alert writes, as JSON; `value` is how much of it there is, above a limit of 0."""
    transition = Transition(
        kind=kind,
        alert_id=alert_id(rule, topic, now_us),
        rule=rule,
        rule_version=SYSTEM_VERSION,
        group=topic,
        sector=sector.name,
        asset=None,
        place=Place(),
        severity=SEVERITY[rule],
        metric=SYSTEM[rule].metric,
        value=value or 0.0,
        limit=0.0,
        comparison=">",
        event_time=now_us,
        raised_at=now_us,
    )
    written = change(transition, {}, sector, zones).body
    if value is None:
        written |= {"value": None, "limit": None}
    return msgspec.json.encode(written).decode()


def count(kind: Kind, rule: str, sector: Sector) -> None:
    """A transition that was written, for the metrics."""
    metrics.TRANSITIONS.labels(sector.name, kind, SEVERITY[rule]).inc()
