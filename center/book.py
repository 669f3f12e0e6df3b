"""The book of alerts: every alert that is not normal, as of one transition. A cache, kept by following history."""

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from center.protocol import Filter

SEVERITIES: Final = {"info": 0, "warning": 1, "critical": 2, "emergency": 3}
UNKNOWN_SEVERITY: Final = SEVERITIES["critical"]
"""An unknown severity sorts as critical: what is not understood must not be overlooked."""
HOUR_US: Final = 3_600_000_000


class Names(msgspec.Struct, frozen=True):
    """A place in both languages."""

    vi: str = ""
    en: str = ""


class AlertHead(msgspec.Struct, frozen=True):
    """What the server itself needs of an alert's JSON; the rest passes through untouched."""

    id: str
    sector: str
    state: str
    severity: str
    asset: str | None = None
    zone: str | None = None
    zone_name: Names | None = None
    metric: str | None = None
    value: float | None = None
    unit: str = ""
    limit: float | None = None
    comparison: str = ">"
    raised_at: datetime | None = None
    recorded_at: datetime | None = None

    @property
    def since(self) -> datetime | None:
        """When it began; a source whose clock is ahead does not put that after it was recorded."""
        if self.raised_at is None or self.recorded_at is None:
            return self.raised_at
        return min(self.raised_at, self.recorded_at)

    @property
    def rank(self) -> int:
        """0 info … 3 emergency."""
        return SEVERITIES.get(self.severity, UNKNOWN_SEVERITY)

    def excess(self, value: float | None) -> float:
        """How far a value is beyond the limit, as a share of it: 1.0 is twice the limit; 0 where there is none, and
        where the alert is not about a limit that is passed."""
        if value is None or not self.limit or self.comparison not in (">", "<"):
            return 0.0
        beyond = value - self.limit if self.comparison == ">" else self.limit - value
        return beyond / abs(self.limit)


class Transition(msgspec.Struct, frozen=True):
    """One row of the alert history; `at` is when it was committed, microseconds."""

    seq: int
    kind: str
    at: int
    body: bytes
    head: AlertHead
    zone_before: str | None = None
    """Where the alert was in its previous transition, when that is not known from the book."""


_head: Final = msgspec.json.Decoder(AlertHead)


def read_head(body: bytes) -> AlertHead:
    """The head of an alert's JSON. Raises msgspec.ValidationError if the row is no alert."""
    return _head.decode(body)


class AlertBook:
    """Alerts that are not normal, by id, as of `seq`; and when the last hour's alarms were raised."""

    def __init__(self) -> None:
        self.seq = 0
        self.epoch = ""
        self.version = 0
        self._open: dict[str, tuple[AlertHead, bytes]] = {}
        self._raised: deque[int] = deque()

    def load(self, epoch: str, seq: int, bodies: Iterable[bytes], raised: Iterable[int]) -> None:
        """Begins anew from the database, as of `seq`; `raised` are the last hour's alarms, oldest first."""
        self.epoch, self.seq = epoch, seq
        self._open = {head.id: (head, body) for body in bodies for head in (read_head(body),)}
        self._raised = deque(raised)
        self.version += 1

    def apply(self, transition: Transition) -> AlertHead | None:
        """Takes the next transition and returns the alert's head as it stood before. Raises ValueError on a hole."""
        if transition.seq != self.seq + 1:
            raise ValueError(f"transition {transition.seq} does not follow {self.seq}")
        self.seq = transition.seq
        self.version += 1
        head = transition.head
        before = self._open.pop(head.id, None)
        if head.state != "normal":
            self._open[head.id] = (head, transition.body)
        if transition.kind == "raised" and head.rank > 0:
            self._raised.append(transition.at)
        return before[0] if before else None

    def bodies(self, wanted: Filter) -> list[bytes]:
        """The JSON of every alert that is not normal under a filter."""
        return [body for head, body in self._open.values() if wanted.takes_alert(head.sector, head.zone)]

    def heads(self) -> list[AlertHead]:
        """The head of every alert that is not normal."""
        return [head for head, _ in self._open.values()]

    def alarms_since(self, since_us: int, now_us: int) -> int:
        """How many alarms (warning or worse) were raised after an instant of the last hour."""
        while self._raised and self._raised[0] <= now_us - HOUR_US:
            self._raised.popleft()
        return sum(1 for at in self._raised if at > since_us)
