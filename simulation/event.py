"""What the simulated city says: CloudEvents in structured mode, as a sector system would publish them."""

from typing import Any, Final

import msgspec

from city.events import SPECVERSION, Location
from city.timestamps import format_time

AUTHORITY: Final = "//simulator.citywatch.example"
"""Every source begins with it, so that nobody takes a simulated event for a measured one."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One reading or report; `time` is microseconds since the epoch."""

    sector: str
    kind: str
    source: str
    asset: str
    time: int
    data: dict[str, Any]
    number: int
    """Counts the events of one source; with the time it makes the event's id."""

    def encode(self) -> bytes:
        """The CloudEvent as JSON."""
        return _encoder.encode(
            _Envelope(
                SPECVERSION,
                f"{self.time:x}-{self.number:x}",
                self.source,
                f"city.{self.sector}.{self.kind}.v1",
                self.asset,
                format_time(self.time),
                self.data,
            )
        )


class _Envelope(msgspec.Struct, gc=False):
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    data: dict[str, Any]


_encoder: Final = msgspec.json.Encoder()


def reading(
    sector: str,
    source: str,
    asset: str,
    time: int,
    measurements: dict[str, float],
    number: int,
    zone: str | None = None,
    location: Location | None = None,
) -> Event:
    """A reading; zone and location are left out where there is none."""
    data: dict[str, Any] = {"measurements": measurements}
    if location is not None:
        data["location"] = location
    if zone is not None:
        data["zone"] = zone
    return Event(sector, "reading", source, asset, time, data, number)
