"""What this worker knows of assets; only what a committed transaction has allocated is ever in here."""

from dataclasses import dataclass, field

from city.events import Location

Known = tuple[int, float, float]
"""A series: its id, and the plausible range of its metric."""


@dataclass(slots=True, eq=False)
class Asset:
    """One asset: its last place, and its series by metric name.

    `zone` is what publishers said; None while only the map has judged (`approximate`) or nobody has. `placed_at` is the
    newest time of a word about the place, `stored_at` that of the table; a hint, as other workers hear words as well.
    """

    id: int
    zone: str | None = None
    location: Location | None = None
    placed_at: int = 0
    stored_at: int = 0
    series: dict[str, Known] = field(default_factory=dict)
