"""The alerts channel: every transition to every client whose filter takes it."""

from collections.abc import Sequence
from typing import Final

import msgspec

from center import frames
from center.book import AlertBook, Transition
from center.client import AlertMember, Client
from center.groups import Group, Groups, count
from center.protocol import EVERYTHING, Channel, Filter, Subscribe
from city import metrics
from city.timestamps import format_time

CATCH_UP: Final = 1_000
"""Transitions that a returning client is told one by one; further back a gap and a snapshot stand for them."""


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
            group.changed()
            if not _takes(group.filter, transition, zone_before):
                continue
            frame = _delta(transition, group.last)
            group.last = transition.seq
            count("alerts", "delta", frame, len(group.members))
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
        frame = group.snapshot(self.book.version, lambda: self._snapshot(group.filter))
        member.client.wire.write(frame)
        count("alerts", "snapshot", frame, 1)
        member.have = self.book.seq
        member.waiting.clear()
        member.lost = False

    def _snapshot(self, wanted: Filter) -> bytes:
        return frames.alert_snapshot(self.book.seq, [msgspec.Raw(body) for body in self.book.bodies(wanted)])


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
