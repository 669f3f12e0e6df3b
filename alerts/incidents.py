"""Which alerts and reports probably have one cause. Pure: the same history gives the same incidents. Times in µs.

An alert joins an incident whose newest member is at most ten minutes away, that lies in the same zone or a neighbouring
one, and whose sectors are the alert's or related to it. A cause that is back within half an hour of its incident's end
opens it again. Everything else begins an incident of its own, and is its *first-out*.
"""

import uuid
from collections.abc import Callable, Collection, Iterable
from typing import Final

import msgspec

from alerts.rules import SEVERITIES

MINUTE: Final = 60_000_000
TOGETHER: Final = 10 * MINUTE
REOPENS: Final = 30 * MINUTE
_NAMESPACE: Final = uuid.UUID("0b8d3a86-7f0e-5f57-9d2c-5a3f7a9be1c4")

Cause = tuple[str, str]
"""(rule, group)"""


class Member(msgspec.Struct):
    """An alert of an incident."""

    alert_id: str
    cause: Cause
    lasts: bool


class Incident(msgspec.Struct):
    """One incident, as far as it can still change."""

    id: str
    first_out: str
    severity: str
    sectors: set[str]
    zones: set[str]
    opened_at: int
    newest_at: int
    members: list[Member]
    closed_at: int | None = None
    reopened: int = 0
    seq: int = 0


class Step(msgspec.Struct, frozen=True):
    """What history says of an alert: after its transition `seq`, committed at `at`."""

    seq: int
    at: int
    alert_id: str
    cause: Cause
    sector: str
    zone: str | None
    severity: str
    state: str
    cleared: bool


class Report(msgspec.Struct, frozen=True):
    """A report of people, at its own time."""

    id: int
    sector: str
    zone: str | None
    time: int


class Related:
    """Which places and sectors belong together."""

    def __init__(self, neighbours: Callable[[str], Collection[str]], sectors: Iterable[tuple[str, str]]) -> None:
        self._neighbours = neighbours
        self._sectors = {pair for a, b in sectors for pair in ((a, b), (b, a))}

    def place(self, zones: set[str], zone: str | None) -> bool:
        """The same zone or one beside it; what has no zone lies nowhere, and beside nothing that has one."""
        if zone is None:
            return not zones
        if zone in zones:
            return True
        try:
            return not zones.isdisjoint(self._neighbours(zone))
        except KeyError:  # a zone of an earlier map
            return False

    def sector(self, sectors: Collection[str], sector: str) -> bool:
        """The same sector or a related one."""
        return sector in sectors or any((one, sector) in self._sectors for one in sectors)


class Grouping:
    """Incidents that can still change; `take` moves them on and remembers which were touched."""

    def __init__(self, incidents: Iterable[Incident], related: Related) -> None:
        self.incidents = {incident.id: incident for incident in incidents}
        self.touched: set[str] = set()
        self.joined: list[tuple[str, Step]] = []
        self._related = related
        self._of = {member.alert_id: incident for incident in self.incidents.values() for member in incident.members}

    def take(self, step: Step) -> None:
        """The next transition of history."""
        incident = self._of.get(step.alert_id)
        if incident is None:
            if step.cleared or step.severity == "info" or step.state not in ("unacknowledged", "acknowledged"):
                return
            incident = self._join(step)
        self._note(incident, step)

    def place_of(self, report: Report) -> Incident | None:
        """The open incident that a report belongs to: the one with the nearest newest member, the oldest of equals."""
        fits = [
            incident
            for incident in self.incidents.values()
            if incident.closed_at is None
            and abs(report.time - incident.newest_at) <= TOGETHER
            and report.zone is not None
            and self._related.place(incident.zones, report.zone)
            and self._related.sector(incident.sectors, report.sector)
        ]
        return min(fits, key=lambda one: (abs(report.time - one.newest_at), one.opened_at, one.id), default=None)

    def _join(self, step: Step) -> Incident:
        incident = self._returning(step) or self._near(step) or self._new(step)
        if incident.closed_at is not None:
            incident.closed_at = None
            incident.reopened += 1
        incident.members.append(Member(step.alert_id, step.cause, True))
        incident.newest_at = max(incident.newest_at, step.at)
        incident.sectors.add(step.sector)
        if step.zone is not None:
            incident.zones.add(step.zone)
        self._of[step.alert_id] = incident
        self.joined.append((incident.id, step))
        return incident

    def _note(self, incident: Incident, step: Step) -> None:
        """How the member stands now; an incident is as severe as it ever was, and over when all of it is."""
        member = next(one for one in incident.members if one.alert_id == step.alert_id)
        member.lasts = not step.cleared
        incident.severity = max(incident.severity, step.severity, key=_rank)
        lasts = any(one.lasts for one in incident.members)
        if not lasts and incident.closed_at is None:
            incident.closed_at = step.at
        incident.seq = step.seq
        self.touched.add(incident.id)

    def _returning(self, step: Step) -> Incident | None:
        """The incident that this very cause was a member of, if it is open or ended within the last half hour."""
        fits = [
            incident
            for incident in self.incidents.values()
            if (incident.closed_at is None or step.at - incident.closed_at <= REOPENS)
            and any(member.cause == step.cause for member in incident.members)
        ]
        return max(fits, key=lambda one: (one.newest_at, one.id), default=None)

    def _near(self, step: Step) -> Incident | None:
        fits = [
            incident
            for incident in self.incidents.values()
            if incident.closed_at is None
            and step.at - incident.newest_at <= TOGETHER
            and self._related.place(incident.zones, step.zone)
            and self._related.sector(incident.sectors, step.sector)
        ]
        return min(fits, key=lambda one: (one.opened_at, one.id), default=None)

    def _new(self, step: Step) -> Incident:
        incident = Incident(
            id=str(uuid.uuid5(_NAMESPACE, f"{step.alert_id} {step.seq}")),
            first_out=step.alert_id,
            severity=step.severity,
            sectors={step.sector},
            zones=set() if step.zone is None else {step.zone},
            opened_at=step.at,
            newest_at=step.at,
            members=[],
        )
        self.incidents[incident.id] = incident
        return incident


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
