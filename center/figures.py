"""City-wide key figures and feeds, from the newest values: one pass over columns a second, whatever the city's size."""

from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from center.latest import NEVER, LatestValues
from city.sectors import Catalogue, Metric, Sector

ALIVE_CADENCES: Final = 3
"""A series is alive while its newest reading is younger than this many of its cadences."""

LEAST_SILENCE_S: Final = 15.0
"""No feed is called dead sooner than this, as in the alert engine."""

AHEAD_US: Final = 300_000_000
"""A reading that is further ahead of the server's clock says nothing about what is alive now."""

Ints = npt.NDArray[np.int64]


class Figure(msgspec.Struct, frozen=True):
    """A key figure: the metric's aggregate over the series that are alive (or were last), and its newest time, µs."""

    value: float | None = None
    time: int | None = None


class SectorNumbers(msgspec.Struct, frozen=True):
    """One sector now. `newest` is the newest reading's time, µs; `max_s` how old it may be before the feed is dead."""

    figures: dict[str, Figure]
    assets_alive: int
    assets_total: int
    newest: int | None
    max_s: float | None


@dataclass
class _Columns:
    """What is fixed while no series is added: per slot its asset and its patience, per sector and metric its slots."""

    patience: Ints
    asset: Ints
    asset_sector: Ints
    slots: dict[str, Ints] = field(default_factory=dict)
    of_metric: dict[tuple[str, str], Ints] = field(default_factory=dict)


class Figures:
    """Reads a LatestValues through the catalogue."""

    def __init__(self, latest: LatestValues, catalogue: Catalogue) -> None:
        self._latest = latest
        self._catalogue = catalogue
        self._names = list(catalogue.sectors)
        self._columns: _Columns | None = None
        self._version = -1

    def now(self, now_us: int) -> dict[str, SectorNumbers]:
        """Every sector's numbers at this instant."""
        columns = self._current()
        size = len(columns.asset)
        values = self._latest.values[:size]
        times = _believed(self._latest.times[:size], now_us)
        alive = (times != NEVER) & (times > now_us - columns.patience)
        living = np.zeros(len(columns.asset_sector), np.bool_)
        living[columns.asset[alive]] = True
        totals = np.bincount(columns.asset_sector, minlength=len(self._names)).tolist()
        lives = np.bincount(columns.asset_sector[living], minlength=len(self._names)).tolist()
        numbers = {}
        for index, (name, sector) in enumerate(self._catalogue.sectors.items()):
            slots = columns.slots[name]
            newest = int(times[slots].max()) if len(slots) else NEVER
            figures = {}
            for metric in sector.key_figures:
                chosen = columns.of_metric[name, metric]
                figures[metric] = _figure(sector.metrics[metric], times[chosen], values[chosen], now_us)
            numbers[name] = SectorNumbers(
                figures,
                lives[index],
                totals[index],
                None if newest == NEVER else newest,
                max(float(columns.patience[slots].min()) / 1e6, LEAST_SILENCE_S) if len(slots) else None,
            )
        return numbers

    def _current(self) -> _Columns:
        if self._columns is None or self._version != self._latest.places_version:
            self._columns = self._build()
            self._version = self._latest.places_version
        return self._columns

    def _build(self) -> _Columns:
        series = self._latest.series
        index_of = {name: index for index, name in enumerate(self._names)}
        assets: dict[tuple[str, str], int] = {}
        patience = np.zeros(len(series), np.int64)
        asset = np.zeros(len(series), np.int64)
        sector_of: list[int] = []
        by_sector: dict[str, list[int]] = {name: [] for name in self._names}
        by_metric: dict[tuple[str, str], list[int]] = {
            (name, metric): [] for name, sector in self._catalogue.sectors.items() for metric in sector.key_figures
        }
        for slot, one in enumerate(series):
            metric = _metric(self._catalogue.sectors.get(one.sector), one.metric)
            number = assets.setdefault((one.sector, one.asset), len(assets))
            if number == len(sector_of):
                sector_of.append(index_of.get(one.sector, 0))
            asset[slot] = number
            patience[slot] = round(ALIVE_CADENCES * metric.cadence_s * 1e6) if metric else 0
            if metric is not None:
                by_sector[one.sector].append(slot)
                by_metric.get((one.sector, one.metric), []).append(slot)
        return _Columns(
            patience,
            asset,
            np.array(sector_of, np.int64),
            {name: np.array(slots, np.int64) for name, slots in by_sector.items()},
            {key: np.array(slots, np.int64) for key, slots in by_metric.items()},
        )


def _believed(times: Ints, now_us: int) -> Ints:
    """Times as they count for life and age: none is later than now, and one of another year is none at all."""
    return np.where(times > now_us + AHEAD_US, NEVER, np.minimum(times, now_us))


def _metric(sector: Sector | None, name: str) -> Metric | None:
    return sector.metrics.get(name) if sector is not None else None


def _figure(metric: Metric, times: Ints, values: npt.NDArray[np.float64], now_us: int) -> Figure:
    if not len(times):
        return Figure()
    newest = int(times.max())
    if newest == NEVER:
        return Figure()
    patience = round(ALIVE_CADENCES * metric.cadence_s * 1e6)
    counted = times > min(now_us, newest) - patience
    if newest <= now_us - patience:  # all silent: the last state stays on the screen, with its age
        counted = times > newest - patience
    chosen = values[counted]
    match metric.aggregate:
        case "sum":
            value = float(chosen.sum())
        case "max":
            value = float(chosen.max())
        case "min":
            value = float(chosen.min())
        case "last":
            value = float(values[int(times.argmax())])
        case _:
            value = float(chosen.mean())
    return Figure(round(value, metric.decimals), newest)
