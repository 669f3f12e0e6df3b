"""Wires, alerts and transitions for tests of the pure parts."""

import json
import uuid
from typing import Any

from center.book import Transition, read_head


class RecordingWire:
    """A wire that keeps what is written; `full` makes it refuse to be ready, as a peer that does not read."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.full = False
        self.aborted = False
        self.held = 0

    def write(self, frame: bytes) -> None:
        self.frames.append(frame)

    def ready(self) -> bool:
        return not self.full

    def buffered(self) -> int:
        return self.held

    def abort(self) -> None:
        self.aborted = True

    def messages(self, kind: str | None = None) -> list[dict[str, Any]]:
        """What was written, decoded; only of one type if given."""
        decoded = [json.loads(payload(frame)) for frame in self.frames]
        return [message for message in decoded if kind is None or message["type"] == kind]


def payload(frame: bytes) -> bytes:
    """What is inside an unmasked text frame; checks its header against RFC 6455."""
    assert frame[0] == 0x81
    size, start = frame[1], 2
    if size == 126:
        size, start = int.from_bytes(frame[2:4], "big"), 4
    elif size == 127:
        size, start = int.from_bytes(frame[2:10], "big"), 10
    assert len(frame) == start + size
    return frame[start:]


def alert_body(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A whole alert as history has it."""
    body: dict[str, Any] = {
        "id": str(uuid.UUID(int=number)),
        "rule": "river-alarm-3",
        "rule_version": 1,
        "group": f"PA-{number}",
        "sector": "environment",
        "asset": f"PA-{number}",
        "zone": None,
        "zone_name": None,
        "location": None,
        "severity": "critical",
        "state": "unacknowledged",
        "title": {"vi": "Triều vượt báo động III", "en": "Tide above alarm level III"},
        "short": {"vi": "Triều vượt BĐ III", "en": "Tide > alarm III"},
        "metric": "water_level_m",
        "unit": "m",
        "value": 1.62,
        "limit": 1.6,
        "comparison": ">",
        "raised_at": "2026-11-22T07:00:00.000000Z",
        "updated_at": "2026-11-22T07:00:01.000000Z",
        "cleared_at": None,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "owner": None,
        "last_data_at": "2026-11-22T07:00:00.000000Z",
        "consequence": None,
        "response": [],
        "respond_within_s": 300,
        "team": "flood-duty",
    }
    return body | fields


def transition(seq: int, kind: str = "raised", number: int | None = None, at: int = 0, **fields: Any) -> Transition:
    """The transition `seq`, of an alert of its own unless `number` says which."""
    body = json.dumps(alert_body(seq if number is None else number, **fields)).encode()
    return Transition(seq, kind, at, body, read_head(body))
