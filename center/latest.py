"""The newest value of every series, in columns: what the `live` channel sends and the key figures are made of.

Each series has a slot. A slot carries the version in which it last changed, so that "what is new since version n" is
one comparison over an array, whatever the number of clients that are behind by different amounts. Its sector and zone
are codes in columns too, so that a filter looks up what is new and nothing else: hundreds of filters cost little.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from center.protocol import Filter

MAX_SERIES: Final = 500_000
"""Series beyond this are counted, not kept: memory stays bounded whatever is published."""
NEVER: Final = np.iinfo(np.int64).min
ENDLESS: Final = np.iinfo(np.int64).max
Slots = npt.NDArray[np.intp]


class SeriesPlace(msgspec.Struct, frozen=True, array_like=True):
    """A series as `live` names it: [id, sector, asset, metric, zone, lon, lat]."""

    id: int
    sector: str
    asset: str
    metric: str
    zone: str | None
    lon: float | None
    lat: float | None


class Newest(NamedTuple):
    """A series' newest reading; `time` in µs."""

    time: int
    value: float


class LatestValues:
    """A StateSource: newest time wins, and of the same time the first. Times are microseconds since the epoch."""

    def __init__(self) -> None:
        self.version = 0
        self.ready = False
        self.overflow = 0
        self.series: list[SeriesPlace] = []
        self._slots: dict[int, int] = {}
        self._named: dict[tuple[str, str, str], int] = {}
        self._room = 1024
        self.times: npt.NDArray[np.int64] = np.full(self._room, NEVER, np.int64)
        self.values: npt.NDArray[np.float64] = np.zeros(self._room, np.float64)
        self._changed: npt.NDArray[np.int64] = np.zeros(self._room, np.int64)
        self._placed: npt.NDArray[np.int64] = np.zeros(self._room, np.int64)
        self.places_version = 0
        self._ids: npt.NDArray[np.int64] = np.zeros(self._room, np.int64)
        self._sector: npt.NDArray[np.int64] = np.zeros(self._room, np.int64)
        self._zone: npt.NDArray[np.int64] = np.zeros(self._room, np.int64)
        self._sectors: dict[str, int] = {}
        self._zones: dict[str | None, int] = {}

    def __len__(self) -> int:
        return len(self.series)

    def place(self, found: Iterable[SeriesPlace]) -> None:
        """Adds series, or moves those that are known to another place."""
        version = self.version + 1
        for one in found:
            slot = self._slots.get(one.id)
            if slot is None:
                if len(self.series) >= MAX_SERIES:
                    self.overflow += 1
                    continue
                slot = self._slots[one.id] = len(self.series)
                self._named[one.sector, one.asset, one.metric] = slot
                self.series.append(one)
                self._grow()
                self._ids[slot] = one.id
            elif self.series[slot] == one:
                continue
            else:
                self.series[slot] = one
            self._sector[slot] = self._sectors.setdefault(one.sector, len(self._sectors))
            self._zone[slot] = self._zones.setdefault(one.zone, len(self._zones))
            self._placed[slot] = version
            self.version = version
            self.places_version = version

    def newest(self, sector: str, asset: str | None, metric: str | None) -> Newest | None:
        """The newest reading of a series by what it measures; None if there is no such series or it has none yet."""
        slot = None if asset is None or metric is None else self._named.get((sector, asset, metric))
        if slot is None or self.times[slot] == NEVER:
            return None
        return Newest(int(self.times[slot]), float(self.values[slot]))

    def is_silent(self, series: int) -> bool:
        """Whether a series is known and has no reading yet."""
        slot = self._slots.get(series)
        return slot is not None and bool(self.times[slot] == NEVER)

    def unknown(self, ids: Iterable[int]) -> set[int]:
        """Those that have no place yet."""
        if len(self.series) >= MAX_SERIES:
            return set()
        return {one for one in ids if one not in self._slots}

    def offer(self, rows: Sequence[tuple[int, int, float]], horizon: int = ENDLESS) -> int:
        """Takes (series, time, value) rows, skipping unknown series; returns how many were newer.

        A reading later than `horizon` gives way to any that is not: a clock that was wrong once must not hide what
        is measured from then on.
        """
        version = self.version + 1
        times, values, changed, slots = self.times, self.values, self._changed, self._slots
        newer = 0
        for series, time, value in rows:
            slot = slots.get(series)
            if slot is not None and (time > times[slot] or time <= horizon < times[slot]):
                times[slot] = time
                values[slot] = value
                changed[slot] = version
                newer += 1
        if newer:
            self.version = version
        return newer

    def snapshot(self, wanted: Filter) -> dict[str, object]:
        """Every series under a filter and every value that is known."""
        return self._fields(wanted, -1)

    def delta(self, wanted: Filter, since: int) -> dict[str, object] | None:
        """Values that are newer than version `since`, and series that are new or moved."""
        fields = self._fields(wanted, since)
        if not fields["values"] and not fields["series"]:
            return None
        if not fields["series"]:
            del fields["series"]
        return fields

    def _fields(self, wanted: Filter, since: int) -> dict[str, object]:
        size = len(self.series)
        fresh = self._filtered(wanted, np.nonzero(self._changed[:size] > max(since, 0))[0])
        placed: list[int] = []
        if self.places_version > since:
            placed = self._filtered(wanted, np.nonzero(self._placed[:size] > since)[0]).tolist()
        milliseconds = self.times[fresh] // 1000
        columns = self._ids[fresh].tolist(), milliseconds.tolist(), self.values[fresh].tolist()
        series = self.series
        return {"series": [series[slot] for slot in placed], "values": list(zip(*columns, strict=True))}

    def _filtered(self, wanted: Filter, slots: Slots) -> Slots:
        """Those of the slots that the filter takes, as `Filter.takes_place` says."""
        if wanted.sectors:
            slots = slots[_coded(self._sectors, wanted.sectors)[self._sector[slots]]]
        if wanted.zones:
            slots = slots[_coded(self._zones, wanted.zones)[self._zone[slots]]]
        return slots

    def _grow(self) -> None:
        if len(self.series) <= self._room:
            return
        self._room *= 2
        for name, blank in _COLUMNS:
            old = getattr(self, name)
            fresh = np.full(self._room, blank, old.dtype)
            fresh[: len(old)] = old
            setattr(self, name, fresh)


_COLUMNS: Final = (
    ("times", NEVER),
    ("values", 0),
    ("_changed", 0),
    ("_placed", 0),
    ("_ids", 0),
    ("_sector", 0),
    ("_zone", 0),
)


def _coded(codes: Mapping[str, int] | Mapping[str | None, int], wanted: frozenset[str]) -> npt.NDArray[np.bool_]:
    """By code, whether it is one of the names wanted."""
    table = np.zeros(len(codes), np.bool_)
    table[[codes[name] for name in wanted if name in codes]] = True
    return table
