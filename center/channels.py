"""The channels: who subscribed with which filter, and what each group is sent.

Clients with the same filter are one group, and a frame is encoded once a group. `prev` is the seq of the group's frame
before it, so a client that has `prev ≤ have < seq` knows that it missed nothing under its filter.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from center import frames
from center.book import AlertBook, Transition
from center.client import AlertMember, Client, Member
from center.protocol import EVERYTHING, Channel, Filter, Subscribe
from city import metrics
from city.timestamps import format_time

CATCH_UP: Final = 1_000
"""Transitions that a returning client is told one by one; further back a gap and a snapshot stand for them."""

M = TypeVar("M", bound=Member)


class Group(Generic[M]):
    """The members of one filter; `last` is the seq of the frame that they were sent last (0: none yet)."""

    __slots__ = ("filter", "last", "members", "settled", "snapshot")

    def __init__(self, wanted: Filter) -> None:
        self.filter = wanted
        self.last = 0
        self.settled = 0
        self.members: set[M] = set()
        self.snapshot: tuple[int, bytes] = (-1, b"")


class Groups(Generic[M]):
    """All groups of one channel; an empty one is forgotten."""

    def __init__(self) -> None:
        self._by_filter: dict[Filter, Group[M]] = {}

    def join(self, member: M) -> Group[M]:
        """Puts a member in the group of its filter."""
        group = self._by_filter.get(member.filter)
        if group is None:
            group = self._by_filter[member.filter] = Group(member.filter)
        group.members.add(member)
        return group

    def leave(self, member: M) -> None:
        """Takes a member out."""
        group = self._by_filter[member.filter]
        group.members.discard(member)
        if not group.members:
            del self._by_filter[member.filter]

    def of(self, member: M) -> Group[M]:
        """The group that a member is in."""
        return self._by_filter[member.filter]

    def all(self) -> Iterable[Group[M]]:
        """Every group that has members."""
        return self._by_filter.values()

    def members(self) -> list[M]:
        """Every member of every group, in a list of its own."""
        return [member for group in self._by_filter.values() for member in group.members]


class AlertChannel:
    """Every transition to every client whose filter takes it: in order, once, or announced as a gap."""

    name: Channel = "alerts"

    def __init__(self, book: AlertBook) -> None:
        self.book = book
        self.groups: Groups[AlertMember] = Groups()

    def subscribe(self, client: Client, request: Subscribe) -> AlertMember:
        """Joins. Sends a snapshot; with `since`, nothing if nothing was missed; else `joining` asks for `catch_up`."""
        member = AlertMember(client, request.filter or EVERYTHING)
        group = self.groups.join(member)
        client.members["alerts"] = member
        metrics.SUBSCRIPTIONS.labels("alerts").inc()
        if request.since is None:
            self._send_snapshot(member, group)
        elif request.epoch is not None and request.epoch != self.book.epoch:
            self._send_gap(member, request.since, "epoch")
        elif request.since == self.book.seq:
            member.have = request.since
        else:
            member.joining = True
        return member

    def unsubscribe(self, client: Client) -> None:
        """Leaves, if the client was in."""
        member = client.members.pop("alerts", None)
        if isinstance(member, AlertMember):
            self.groups.leave(member)
            metrics.SUBSCRIPTIONS.labels("alerts").dec()

    def catch_up(self, member: AlertMember, since: int, head: int, missed: Sequence[Transition]) -> None:
        """What a joining member missed after `since`, in order, up to `head`, then what came while it was fetched.

        A `since` beyond the head, history that was cut, or more than CATCH_UP transitions: a gap and a snapshot.
        """
        if member.client.members.get("alerts") is not member:
            return
        member.joining = False
        if member.lost or len(missed) > CATCH_UP or len(missed) != head - since:
            self._send_gap(member, since, "too_old")
            return
        member.have = prev = since
        for transition in missed:
            if _takes(member.filter, transition, transition.zone_before):
                member.client.wire.write(_delta(transition, prev))
                prev = transition.seq
            member.have = transition.seq
        self.drain(member)

    def publish(self, transition: Transition) -> None:
        """Takes the next transition into the book and gives it to every group that it concerns."""
        before = self.book.apply(transition)
        zone_before = before.zone if before else None
        for group in self.groups.all():
            if not _takes(group.filter, transition, zone_before):
                continue
            frame = _delta(transition, group.last)
            group.last = transition.seq
            _count("alerts", "delta", frame, len(group.members))
            for member in group.members:
                member.offer(transition.seq, frame)

    def reset(self) -> None:
        """The book was loaded anew, from another database or after a hole: everyone gets a gap and a snapshot."""
        for group in self.groups.all():
            group.last = 0
            for member in group.members:
                member.waiting.clear()
                member.lost = True
                self.drain(member)

    def drain(self, member: AlertMember) -> None:
        """Sends what waits for a member; a lost line becomes a gap and a snapshot as soon as the wire is ready."""
        member.drain()
        if member.lost and not member.joining and member.client.wire.ready():
            self._send_gap(member, member.have, "slow")

    def _send_gap(self, member: AlertMember, since: int, cause: str) -> None:
        metrics.GAPS.labels("alerts", cause).inc()
        member.client.wire.write(frames.gap("alerts", since, self.book.seq))
        self._send_snapshot(member, self.groups.of(member))

    def _send_snapshot(self, member: AlertMember, group: Group[AlertMember]) -> None:
        if group.snapshot[0] != self.book.version:
            alerts = [msgspec.Raw(body) for body in self.book.bodies(group.filter)]
            group.snapshot = (self.book.version, frames.alert_snapshot(self.book.seq, alerts))
        member.client.wire.write(group.snapshot[1])
        _count("alerts", "snapshot", group.snapshot[1], 1)
        member.have = self.book.seq
        member.waiting.clear()
        member.lost = False


def _count(channel: str, kind: str, frame: bytes, clients: int) -> None:
    metrics.FRAMES.labels(channel, kind).inc(clients)
    metrics.FRAME_BYTES.labels(channel).inc(len(frame) * clients)


def _takes(wanted: Filter, transition: Transition, zone_before: str | None) -> bool:
    """A client that was shown an alert in one zone must hear that it is in another now."""
    head = transition.head
    return wanted.takes_alert(head.sector, head.zone) or (
        zone_before is not None and wanted.takes_alert(head.sector, zone_before)
    )


def _delta(transition: Transition, prev: int) -> bytes:
    return frames.alert_delta(
        transition.seq, prev, transition.kind, format_time(transition.at), msgspec.Raw(transition.body)
    )


class StateSource(Protocol):
    """A state whose parts carry the version in which they last changed."""

    version: int

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

    def subscribe(self, client: Client, request: Subscribe) -> Member:
        """Joins and sends a snapshot."""
        member = Member(client, request.filter or EVERYTHING)
        group = self.groups.join(member)
        client.members[self.name] = member
        metrics.SUBSCRIPTIONS.labels(self.name).inc()
        version = self.source.version
        if group.snapshot[0] != version:
            fields = self.source.snapshot(group.filter)
            group.snapshot = (version, frames.message("snapshot", channel=self.name, seq=version, **fields))
        if len(group.members) == 1:
            group.settled = version
        client.wire.write(group.snapshot[1])
        _count(self.name, "snapshot", group.snapshot[1], 1)
        member.have = version
        return member

    def unsubscribe(self, client: Client) -> None:
        """Leaves, if the client was in."""
        member = client.members.pop(self.name, None)
        if member is not None:
            self.groups.leave(member)
            metrics.SUBSCRIPTIONS.labels(self.name).dec()

    def publish(self) -> None:
        """Sends the newest version: one frame for those in step, one wider frame for those behind, none to the rest."""
        version = self.source.version
        for group in self.groups.all():
            self._publish(group, version)

    def _publish(self, group: Group[Member], version: int) -> None:
        step: bytes | None = None
        if group.settled < version:
            step = self._frame(group.filter, group.last, group.settled, version)
            behind_of = group.last
            group.settled = version
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
            _count(self.name, "delta", step, sent)
        ready = [member for member in late if member.client.wire.ready()]
        if ready:
            oldest = min(member.have for member in ready)
            frame = self._frame(group.filter, oldest, oldest, version)
            if frame is None:
                return
            for member in ready:
                member.client.wire.write(frame)
                member.have = version
            _count(self.name, "delta", frame, len(ready))
            metrics.CONFLATED.inc(len(ready))

    def _frame(self, wanted: Filter, prev: int, since: int, version: int) -> bytes | None:
        fields = self.source.delta(wanted, since)
        if fields is None:
            return None
        return frames.message("delta", channel=self.name, seq=version, prev=prev, **fields)
