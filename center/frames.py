"""What the server says on `citywatch.v1`, encoded: each function returns one whole WebSocket text frame.

A frame is made once and written to every client that gets it; server frames are not masked (RFC 6455, 5.1), so the
bytes on the wire are the same for all of them.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

VERSION: Final = "citywatch.v1"
HEARTBEAT_S: Final = 2

encode: Final = msgspec.json.Encoder().encode


def text_frame(payload: bytes) -> bytes:
    """A single unmasked text frame (FIN, opcode 1) around `payload`."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def message(kind: str, /, **fields: object) -> bytes:
    """Any message: its type first, then the fields in the order given."""
    return text_frame(encode({"type": kind, **fields}))


def hello(server_time: str, epoch: str) -> bytes:
    """The first frame of a connection; `epoch` names the database whose alert numbers follow."""
    return message("hello", server_time=server_time, epoch=epoch, heartbeat_s=HEARTBEAT_S, version=VERSION)


def heartbeat(server_time: str, alerts_through: int, engine_through: str | None) -> bytes:
    """Every alert transition up to `alerts_through` was sent before this frame, and of every sector what was published
    up to `engine_through` has been judged by the rules; null: nobody knows how far they are."""
    return message("heartbeat", server_time=server_time, alerts_through=alerts_through, engine_through=engine_through)


def gap(channel: str, first: int, last: int) -> bytes:
    """What lies after `first` and up to `last` cannot be told one by one; a snapshot follows."""
    return text_frame(encode({"type": "gap", "channel": channel, "from": first, "to": last}))


def error(code: str, sentence: str) -> bytes:
    """An answer to a message that was not understood or not allowed."""
    return message("error", code=code, message=sentence)


def restarting(in_s: float) -> bytes:
    """The server is about to end and expects to be back in `in_s` seconds."""
    return message("restarting", in_s=in_s)


def alert_snapshot(seq: int, alerts: Sequence[msgspec.Raw]) -> bytes:
    """Every alert that is not normal, as of transition `seq`."""
    return message("snapshot", channel="alerts", seq=seq, alerts=alerts)


def alert_delta(seq: int, prev: int, kind: str, at: str, alert: msgspec.Raw) -> bytes:
    """One transition with the whole alert; `prev` is the transition before it under the subscriber's filter."""
    return message("delta", channel="alerts", seq=seq, prev=prev, kind=kind, at=at, alert=alert)
