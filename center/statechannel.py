"""The channels that show a state, `live` and `city`: the newest one, as often as each client can take it."""

from typing import Protocol

from center import frames
from center.client import Client, Member
from center.groups import Group, Groups, count
from center.protocol import EVERYTHING, Channel, Filter, Subscribe
from city import metrics


class StateSource(Protocol):
    """A state whose parts carry the version in which they last changed."""

    version: int
    ready: bool
    """Whether it has been loaded: before that it would show nothing as if there were nothing."""

    def snapshot(self, wanted: Filter) -> dict[str, object]:
        """Everything under a filter."""

    def delta(self, wanted: Filter, since: int) -> dict[str, object] | None:
        """What changed after version `since` under a filter; None if nothing did."""


class StateChannel:
    """The newest state to every client as often as it can take it: a client that is behind gets one conflated frame."""

    def __init__(self, name: Channel, source: StateSource) -> None:
        self.name = name
        self.source = source
        self.groups: Groups[Member] = Groups()
        self._awaiting: set[Member] = set()

    def subscribe(self, client: Client, request: Subscribe) -> Member:
        """Joins and sends a snapshot, as soon as there is something true to say."""
        member = Member(client, request.filter or EVERYTHING)
        group = self.groups.join(member)
        client.members[self.name] = member
        metrics.SUBSCRIPTIONS.labels(self.name).inc()
        if len(group.members) == 1:
            group.settled = self.source.version
        if self.source.ready:
            self._begin(member, group)
        else:
            self._awaiting.add(member)
        return member

    def _begin(self, member: Member, group: Group[Member]) -> None:
        version = self.source.version
        frame = group.snapshot(version, lambda: self._snapshot(group.filter))
        member.client.wire.write(frame)
        count(self.name, "snapshot", frame, 1)
        member.have = version

    def unsubscribe(self, client: Client) -> None:
        """Leaves, if the client was in."""
        member = client.members.pop(self.name, None)
        if member is not None:
            self._awaiting.discard(member)
            self.groups.leave(member)
            metrics.SUBSCRIPTIONS.labels(self.name).dec()

    def publish(self) -> None:
        """Sends the newest version: one frame for those in step, one wider frame for those behind, none to the rest."""
        if not self.source.ready:
            return
        version = self.source.version
        while self._awaiting:
            member = self._awaiting.pop()
            group = self.groups.of(member)
            group.settled = version  # nobody was told anything before
            self._begin(member, group)
        for group in self.groups.all():
            self._publish(group, version)

    def _publish(self, group: Group[Member], version: int) -> None:
        step: bytes | None = None
        if group.settled < version:
            step = self._frame(group.filter, group.last, group.settled, version)
            behind_of = group.last
            group.settled = version
            group.changed()
            if step is not None:
                group.last = version
        else:
            behind_of = group.last
        late: list[Member] = []
        sent = 0
        for member in group.members:
            if member.have < behind_of:
                late.append(member)
            elif step is not None and member.client.wire.ready():
                member.client.wire.write(step)
                member.have = version
                sent += 1
        if step is not None:
            count(self.name, "delta", step, sent)
        ready = [member for member in late if member.client.wire.ready()]
        if ready:
            oldest = min(member.have for member in ready)
            frame = self._frame(group.filter, oldest, oldest, version)
            if frame is None:
                return
            for member in ready:
                member.client.wire.write(frame)
                member.have = version
            count(self.name, "delta", frame, len(ready))
            metrics.CONFLATED.inc(len(ready))

    def _snapshot(self, wanted: Filter) -> bytes:
        return frames.message("snapshot", channel=self.name, seq=self.source.version, **self.source.snapshot(wanted))

    def _frame(self, wanted: Filter, prev: int, since: int, version: int) -> bytes | None:
        fields = self.source.delta(wanted, since)
        if fields is None:
            return None
        return frames.message("delta", channel=self.name, seq=version, prev=prev, **fields)
