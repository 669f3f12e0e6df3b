"""`citywatch.v1` as a client speaks it: bytes in, a typed request or a ProtocolError out. No I/O, no clock of its own.

A connection may ask anything at any time after `hello`, so its state is small: a bucket of tokens that bounds what it
may ask for, and a count of mistakes. A mistake is answered by an `error` message; too many, or too fast, ends it.
"""

from collections.abc import Callable
from typing import Final, Literal

import msgspec

Channel = Literal["alerts", "live", "city"]
CHANNELS: Final[tuple[Channel, ...]] = ("alerts", "live", "city")

MAX_MESSAGE: Final = 16 * 1024
"""Bytes of one client message; the longest legal one (a filter that names every zone) is about 2 KiB."""
MAX_SEQ: Final = 2**63 - 1
PRICES: Final[dict[Channel, float]] = {"alerts": 3.0, "live": 10.0, "city": 3.0}
"""Tokens of a subscription, instead of a message's one: its snapshot may be megabytes that are made for it alone."""


class Filter(msgspec.Struct, frozen=True):
    """Which sectors and zones; an empty set means all of them."""

    sectors: frozenset[str] = frozenset()
    zones: frozenset[str] = frozenset()

    def takes_alert(self, sector: str, zone: str | None) -> bool:
        """An alert without a place concerns every zone, so a filter by zone lets it pass."""
        return (not self.sectors or sector in self.sectors) and (not self.zones or zone is None or zone in self.zones)

    def takes_place(self, sector: str, zone: str | None) -> bool:
        """A series or a report without a place is in no zone, so a filter by zone holds it back."""
        return (not self.sectors or sector in self.sectors) and (not self.zones or zone in self.zones)


EVERYTHING: Final = Filter()


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe"):
    channel: Channel
    filter: Filter | None = None
    since: int | None = None
    epoch: str | None = None


class Unsubscribe(msgspec.Struct, frozen=True, tag="unsubscribe"):
    channel: Channel


class Painted(msgspec.Struct, frozen=True, tag="painted"):
    """A screen has shown everything up to this transition; `screen` is the name that its owner gave it."""

    seq: int
    screen: str | None = None


Request = Subscribe | Unsubscribe | Painted

_decode: Final[Callable[[str], Request]] = msgspec.json.Decoder(Request).decode


class ProtocolError(Exception):
    """A message that is answered by `error`; `fatal` ends the connection with close code 1008."""

    def __init__(self, code: str, sentence: str, *, fatal: bool = False) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.fatal = fatal


class Listener:
    """The hearing half of one connection.

    `rate` tokens a second, at most `burst` of them; a message costs one, a subscription what its snapshot costs.
    `patience` mistakes in the connection's life.
    """

    def __init__(
        self,
        sectors: frozenset[str],
        zones: frozenset[str],
        *,
        now: float,
        rate: float = 5.0,
        burst: float = 30.0,
        patience: int = 20,
    ) -> None:
        self._sectors = sectors
        self._zones = zones
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now
        self._patience = patience

    def hear(self, message: str | bytes | bytearray | None, now: float) -> Request:
        """The request in one message. Raises ProtocolError; `now` is a monotonic second."""
        try:
            self._pay(1.0, now)
            request = self._understand(message)
            if isinstance(request, Subscribe):
                self._pay(PRICES[request.channel] - 1.0, now)
        except ProtocolError as mistake:
            self._patience -= 1
            if self._patience <= 0 and not mistake.fatal:
                sentence = f"Too many mistakes; the last: {mistake.sentence}"
                raise ProtocolError("too_many_errors", sentence, fatal=True) from mistake
            raise
        return request

    def _pay(self, price: float, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < price:
            each = ", ".join(f"{name} {tokens:g}" for name, tokens in PRICES.items())
            sentence = f"More than {self._rate:g} tokens a second (a message costs 1, a subscription: {each})."
            raise ProtocolError("too_many_messages", sentence, fatal=True)
        self._tokens -= price

    def _understand(self, message: str | bytes | bytearray | None) -> Request:
        if not isinstance(message, str):
            raise ProtocolError("binary", "The frame is binary; send JSON in a text frame.")
        if len(message) > MAX_MESSAGE:
            raise ProtocolError("too_large", f"The message has {len(message)} characters; send at most {MAX_MESSAGE}.")
        try:
            request = _decode(message)
        except msgspec.ValidationError as wrong:
            raise ProtocolError("bad_message", f"{wrong}; see /asyncapi.json for what may be sent.") from wrong
        except (msgspec.DecodeError, RecursionError, UnicodeError) as wrong:
            raise ProtocolError("not_json", f"The message is not JSON: {wrong}.") from wrong
        self._check(request)
        return request

    def _check(self, request: Request) -> None:
        match request:
            case Subscribe(channel=channel, since=since, filter=wanted):
                if since is not None and channel != "alerts":
                    raise ProtocolError("bad_since", f"Channel {channel} has no history; subscribe without since.")
                if since is not None and not 0 <= since <= MAX_SEQ:
                    raise ProtocolError("bad_since", f"since is {since}; give the last seq that you have, 0 or more.")
                if wanted is not None:
                    self._check_filter(wanted)
            case Painted(seq=seq, screen=screen):
                if not 0 <= seq <= MAX_SEQ:
                    raise ProtocolError("bad_seq", f"seq is {seq}; give the last seq that was painted, 0 or more.")
                if screen is not None and not (0 < len(screen) <= 64 and screen.isprintable()):
                    raise ProtocolError("bad_screen", "screen must have 1 to 64 printable characters.")
            case Unsubscribe():
                pass

    def _check_filter(self, wanted: Filter) -> None:
        if strangers := sorted(wanted.sectors - self._sectors):
            raise ProtocolError("unknown_sector", f"No sector is called {strangers[0][:64]!r}; see /api/v1/sectors.")
        if strangers := sorted(wanted.zones - self._zones):
            raise ProtocolError("unknown_zone", f"No zone has the code {strangers[0][:64]!r}; see /api/v1/zones.")
