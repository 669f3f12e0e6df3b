"""One connected client: a bounded way out. Nothing waits; what it cannot take now is kept small or dropped."""

from collections import deque
from typing import Final, Protocol

from center.protocol import Channel, Filter
from city import metrics

QUEUE: Final = 256
"""Alert frames kept for a client that cannot take them; then a gap and a snapshot stand for them."""
STALLED_S: Final = 30.0
"""A client that has taken nothing for this long is let go."""


class Wire(Protocol):
    """The sending side of a WebSocket."""

    def write(self, frame: bytes) -> None:
        """Hands a whole frame to the transport; never waits; ignored once the connection is closing."""

    def ready(self) -> bool:
        """Whether the transport's buffer is below its mark."""

    def buffered(self) -> int:
        """Bytes that the transport still holds for the client."""

    def abort(self) -> None:
        """Closes at once and forgets what was not sent."""


class Member:
    """A client's place in one channel: `have` is the last seq that it was sent."""

    __slots__ = ("client", "filter", "have")

    def __init__(self, client: "Client", wanted: Filter) -> None:
        self.client = client
        self.filter = wanted
        self.have = 0


class AlertMember(Member):
    """A place in the alerts channel, where every frame counts: what cannot be sent now waits in line."""

    __slots__ = ("joining", "lost", "waiting")

    def __init__(self, client: "Client", wanted: Filter) -> None:
        super().__init__(client, wanted)
        self.waiting: deque[tuple[int, bytes]] = deque()
        self.joining = False
        self.lost = False

    def offer(self, seq: int, frame: bytes) -> None:
        """Sends now, or keeps in order, or gives the line up: then `lost` asks for a gap and a snapshot."""
        if seq <= self.have or self.lost:
            return
        wire = self.client.wire
        if not self.joining and not self.waiting and wire.ready():
            wire.write(frame)
            self.have = seq
        elif len(self.waiting) < QUEUE:
            self.waiting.append((seq, frame))
        else:
            self.waiting.clear()
            self.lost = True
            metrics.QUEUE_DROPS.inc()

    def drain(self) -> None:
        """Sends what waits, as far as the wire takes it."""
        wire = self.client.wire
        while self.waiting and not self.joining and wire.ready():
            seq, frame = self.waiting.popleft()
            if seq > self.have:
                wire.write(frame)
                self.have = seq


class Client:
    """A connection, what it subscribed to, and since when it has taken nothing."""

    __slots__ = ("_least", "_since", "address", "members", "name", "wire")

    def __init__(self, wire: Wire, address: str, name: str) -> None:
        self.wire = wire
        self.address = address
        self.name = name
        self.members: dict[Channel, Member] = {}
        self._least = 0
        self._since: float | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing waits for this client in the server's own lines."""
        alerts = self.members.get("alerts")
        return not (isinstance(alerts, AlertMember) and (alerts.waiting or alerts.lost or alerts.joining))

    def stalled(self, now: float) -> float:
        """Seconds since the transport's buffer last shrank, 0 while it is below its mark. Call about once a second."""
        held = 0 if self.wire.ready() else self.wire.buffered()
        if held == 0:
            self._since = None
        elif self._since is None or held < self._least:
            self._since, self._least = now, held
        return 0.0 if self._since is None else now - self._since
