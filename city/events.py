"""What flows: a reading, a report, and the refusal of what could not be taken.

Times are integers, microseconds since 1970-01-01T00:00:00Z. Locations are (longitude, latitude), WGS 84 degrees.
"""

from typing import Final, Literal, get_args

import msgspec

SPECVERSION: Final = "1.0"
MAX_EVENT_BYTES: Final = 64 * 1024
FUTURE_TOLERANCE_US: Final = 5 * 60 * 1_000_000

Location = tuple[float, float]


class Reading(msgspec.Struct, frozen=True, gc=False):
    """Numbers measured by one asset at one instant; each metric name is one series of the asset."""

    sector: str
    asset: str
    time: int
    measurements: dict[str, float]
    zone: str | None = None
    zone_approximate: bool = False
    location: Location | None = None


class Report(msgspec.Struct, frozen=True, gc=False):
    """Something that happened, told by a system or a person; (source, subject) is its identity, newer time updates."""

    sector: str
    source: str
    subject: str
    time: int
    category: str
    severity: str
    title: str
    description: str
    status: str
    zone: str | None = None
    zone_approximate: bool = False
    location: Location | None = None


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why an event was not taken: a stable reason, and a sentence that names field, value and fix."""

    reason: str
    detail: str


Reason = Literal[
    "not_json",
    "bad_envelope",
    "unknown_type",
    "unknown_sector",
    "wrong_topic",
    "bad_subject",
    "bad_time",
    "future_time",
    "no_measurements",
    "unknown_metric",
    "not_a_number",
    "implausible",
    "unknown_zone",
    "outside_city",
    "too_large",
    "too_many_series",
    "late",
    "bad_batch",
    "bad_report",
    "unstorable",
    "not_allowed",
]
"""Every reason a dead letter may carry; they are metric labels and never change their meaning."""

REASONS: Final[frozenset[str]] = frozenset(get_args(Reason))
