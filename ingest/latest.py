"""The newest stored reading of each series that this worker wrote, for `city.live` and for `last_seen`."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ingest.packing import Floats, Ints


class Values(NamedTuple):
    """Columns of equal length: series ids, times in µs, values."""

    series: Ints
    time: Ints
    value: Floats


class Latest:
    """Newest time and value by series id; grows with the largest id, 18 bytes a series."""

    def __init__(self) -> None:
        self._time: Ints = np.full(1024, np.iinfo(np.int64).min)
        self._value: Floats = np.zeros(1024)
        self._unsent: npt.NDArray[np.bool_] = np.zeros(1024, bool)
        self._unseen: npt.NDArray[np.bool_] = np.zeros(1024, bool)

    def offer(self, series: Ints, time: Ints, value: Floats) -> None:
        """Take committed readings, sorted by (series, time); older ones than known change nothing."""
        if not len(series):
            return
        self._reach(int(series[-1]))
        newest = np.append(series[1:] != series[:-1], True)
        ids, times, values = series[newest], time[newest], value[newest]
        newer = times > self._time[ids]
        ids = ids[newer]
        self._time[ids] = times[newer]
        self._value[ids] = values[newer]
        self._unsent[ids] = True
        self._unseen[ids] = True

    def forget(self) -> None:
        """Know nothing any more: the ids may be those of other series now."""
        self._time[:] = np.iinfo(np.int64).min
        self._unsent[:] = False
        self._unseen[:] = False

    def take_unsent(self) -> Values:
        """What changed since the last call."""
        return self._take(self._unsent)

    def take_unseen(self) -> Values:
        """What changed since the last call of this one."""
        return self._take(self._unseen)

    def put_back_unseen(self, values: Values) -> None:
        """Give back what could not be recorded, to be taken again."""
        self._unseen[values.series] = True

    def _take(self, changed: npt.NDArray[np.bool_]) -> Values:
        ids = np.flatnonzero(changed)
        changed[ids] = False
        return Values(ids, self._time[ids], self._value[ids])

    def _reach(self, largest: int) -> None:
        have = len(self._time)
        if largest < have:
            return
        more = max(have, largest + 1 - have)
        self._time = np.concatenate((self._time, np.full(more, np.iinfo(np.int64).min)))
        self._value = np.concatenate((self._value, np.zeros(more)))
        self._unsent = np.concatenate((self._unsent, np.zeros(more, bool)))
        self._unseen = np.concatenate((self._unseen, np.zeros(more, bool)))
