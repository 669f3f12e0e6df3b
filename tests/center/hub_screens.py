"""A hub whose state never changes, and screens on it as a good frontend is, for tests of the fan-out."""

from typing import Any

from center.book import AlertBook
from center.client import AlertMember, Client
from center.hub import Hub
from center.latest import LatestValues
from center.protocol import Filter, Subscribe
from tests.center.builders import RecordingWire


class Nothing:
    """A state that never changes."""

    version = 1
    ready = True

    def snapshot(self, wanted: Filter) -> dict[str, object]:
        return {"sectors": []}

    def delta(self, wanted: Filter, since: int) -> dict[str, object] | None:
        return None


class Screen:
    """A client of a hub as a good frontend is: keeps what it is told by the rule of `prev`."""

    def __init__(self, hub: Hub, wanted: Filter | None = None) -> None:
        self.hub = hub
        self.wire = RecordingWire()
        self.client = Client(self.wire, "test:1", "screen")
        self.filter = wanted
        hub.attach(self.client, "2026-11-22T07:00:00Z")

    def subscribe(
        self, channel: Any = "alerts", since: int | None = None, epoch: str | None = None
    ) -> AlertMember | None:
        return self.hub.subscribe(self.client, Subscribe(channel, self.filter, since, epoch))

    def resume(self) -> None:
        self.wire.full = False
        self.hub.resume(self.client)

    def told(self) -> tuple[set[str], int]:
        """Alerts shown and seq, applying every message; fails where `prev` shows that something is missing."""
        shown: dict[str, str] = {}
        have: int | None = None
        for message in self.wire.messages():
            if message.get("channel") != "alerts":
                continue
            if message["type"] == "snapshot":
                shown, have = {alert["id"]: alert["state"] for alert in message["alerts"]}, message["seq"]
            elif message["type"] == "delta":
                assert have is not None
                if message["seq"] <= have:
                    continue
                assert message["prev"] <= have, "a transition is missing"
                have = message["seq"]
                shown[message["alert"]["id"]] = message["alert"]["state"]
        return {one for one, state in shown.items() if state != "normal"}, have or 0


def hub(seq: int = 0) -> Hub:
    book = AlertBook()
    book.load("epoch-1", seq, [], [])
    return Hub(book, LatestValues(), Nothing())
