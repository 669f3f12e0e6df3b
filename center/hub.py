"""The fan-out: clients, their channels, and the beats that reach them all. It never waits for a client."""

from collections.abc import Iterable

from center import frames
from center.alertchannel import AlertChannel
from center.book import AlertBook, Transition
from center.client import STALLED_S, AlertMember, Client
from center.protocol import Subscribe, Unsubscribe
from center.statechannel import StateChannel, StateSource
from city import metrics


class Hub:
    """Everything that is sent to clients goes through here.

    A client costs its transport's buffer (one mark, one frame) and at most QUEUE references to shared alert frames.
    """

    def __init__(self, book: AlertBook, live: StateSource, city: StateSource) -> None:
        self.alerts = AlertChannel(book)
        self.live = StateChannel("live", live)
        self.city = StateChannel("city", city)
        self.clients: set[Client] = set()

    def attach(self, client: Client, server_time: str) -> None:
        """A new connection: says hello."""
        self.clients.add(client)
        client.wire.write(frames.hello(server_time, self.alerts.book.epoch))

    def detach(self, client: Client) -> None:
        """The connection is gone."""
        self.clients.discard(client)
        self.alerts.unsubscribe(client)
        self.live.unsubscribe(client)
        self.city.unsubscribe(client)

    def subscribe(self, client: Client, request: Subscribe) -> AlertMember | None:
        """Joins a channel anew; a member is returned if it must be told by `alerts.catch_up` what it missed."""
        channel = self._channel(request.channel)
        channel.unsubscribe(client)
        member = channel.subscribe(client, request)
        return member if isinstance(member, AlertMember) and member.joining else None

    def unsubscribe(self, client: Client, request: Unsubscribe) -> None:
        """Leaves a channel."""
        self._channel(request.channel).unsubscribe(client)

    def resume(self, client: Client) -> None:
        """The client's wire takes bytes again: sends what waited."""
        member = client.members.get("alerts")
        if isinstance(member, AlertMember):
            self.alerts.drain(member)

    def publish_alert(self, transition: Transition) -> None:
        """The next transition of the history, to whom it concerns."""
        self.alerts.publish(transition)

    def beat(self, server_time: str, engine_through: str | None) -> None:
        """The heartbeat, to every client that has taken all alerts before it."""
        frame = frames.heartbeat(server_time, self.alerts.book.seq, engine_through)
        for client in self.clients:
            if client.idle and client.wire.ready():
                client.wire.write(frame)

    def announce(self, frame: bytes) -> None:
        """A frame for every client that can take one."""
        for client in self.clients:
            if client.wire.ready():
                client.wire.write(frame)

    def sweep(self, now: float) -> Iterable[Client]:
        """Lets go of clients that take nothing; returns them. Call about once a second."""
        waits = {client: client.stalled(now) for client in self.clients}
        metrics.CLIENTS_BEHIND.set(sum(not client.wire.ready() for client in waits))
        gone = [client for client, seconds in waits.items() if seconds > STALLED_S]
        for client in gone:
            client.wire.abort()
            self.detach(client)
        metrics.CLIENTS_STALLED.inc(len(gone))
        return gone

    def _channel(self, name: str) -> AlertChannel | StateChannel:
        match name:
            case "alerts":
                return self.alerts
            case "live":
                return self.live
            case _:
                return self.city
