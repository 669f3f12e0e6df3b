"""A recorded CSV as a stream of events: row by row, whatever its size, and every row accounted for."""

import csv
import gzip
import io
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from simulation.event import Event
from simulation.mapping import Mapping, MappingError

NO_VALUE: Final = "no value"
BAD_TIME: Final = "unreadable time"
BAD_NUMBER: Final = "unreadable number"
SHORT_ROW: Final = "too few columns"


class Tally(msgspec.Struct):
    """What became of the rows: read = used + skipped."""

    read: int = 0
    used: int = 0
    events: int = 0
    readings: int = 0
    skipped: Counter[str] = msgspec.field(default_factory=Counter)
    first_skipped: dict[str, int] = msgspec.field(default_factory=dict)
    """Line of the file where each reason came first."""
    bytes_read: int = 0
    """Of the file as it lies there."""

    def skip(self, reason: str, line: int) -> None:
        """Count one row that gives no event."""
        self.skipped[reason] += 1
        self.first_skipped.setdefault(reason, line)


class Recording:
    """One file read through one mapping."""

    def __init__(self, path: Path, mapping: Mapping) -> None:
        self.path = path
        self.mapping = mapping

    @property
    def size(self) -> int:
        """Bytes of the file as it lies there."""
        return self.path.stat().st_size

    def span(self) -> tuple[int, int] | None:
        """First and last time of the rows that can be used, by reading the file once; None: no such row."""
        first: int | None = None
        last: int | None = None
        for event in self.events(Tally()):
            first = event.time if first is None else min(first, event.time)
            last = event.time if last is None else max(last, event.time)
        return None if first is None or last is None else (first, last)

    def events(self, tally: Tally, shift_us: int = 0) -> Iterator[Event]:
        """Each row's events, one an asset, in the file's order, `shift_us` later than recorded.

        Raises MappingError where the CSV lacks a column, OSError or EOFError where it can't be read to its end.
        """
        with self._opened(tally) as text:
            rows = csv.DictReader(text, restval=None, strict=True)
            self._check(rows.fieldnames)
            for row in _each(rows, self.path):
                tally.read += 1
                if None in row.values():
                    tally.skip(SHORT_ROW, rows.line_num)
                    continue
                try:
                    time = self.mapping.time.of(row) + shift_us
                except (ValueError, OverflowError):
                    tally.skip(BAD_TIME, rows.line_num)
                    continue
                try:
                    by_asset = self._measured(row)
                except ValueError:
                    tally.skip(BAD_NUMBER, rows.line_num)
                    continue
                if not by_asset:
                    tally.skip(NO_VALUE, rows.line_num)
                    continue
                tally.used += 1
                for asset, measurements in by_asset.items():
                    tally.events += 1
                    tally.readings += len(measurements)
                    yield self._event(asset, time, measurements, tally.read)

    def _measured(self, row: dict[str, str]) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for column in self.mapping.series:
            text = row[column.column].strip()
            if text in self.mapping.missing:
                continue
            number = float(text)
            if not math.isfinite(number):
                raise ValueError(text)
            if column.factor != 1.0 or column.offset:
                number = round(number * column.factor + column.offset, 6)
            asset = column.asset.format_map(row) if "{" in column.asset else column.asset
            found.setdefault(asset, {})[column.metric] = number
        return found

    def _event(self, asset: str, time: int, measurements: dict[str, float], number: int) -> Event:
        data: dict[str, Any] = {"measurements": measurements}
        if self.mapping.location is not None:
            data["location"] = self.mapping.location
        if self.mapping.zone is not None:
            data["zone"] = self.mapping.zone
        return Event(self.mapping.sector, "reading", self.mapping.source, asset, time, data, number)

    def _check(self, header: object) -> None:
        columns = [str(name) for name in header] if isinstance(header, list) else []
        lacking = sorted(self.mapping.columns - set(columns))
        if lacking:
            raise MappingError(
                str(self.path), 1, f"has no column {', '.join(lacking)}; it has {', '.join(columns) or 'no header'}"
            )

    @contextmanager
    def _opened(self, tally: Tally) -> Iterator[io.TextIOBase]:
        with self.path.open("rb") as file:
            raw = _Counted(file, tally)
            packed = file.peek(2)[:2] == b"\x1f\x8b"
            binary = gzip.GzipFile(fileobj=raw) if packed else io.BufferedReader(raw)
            with io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as text:
                yield text


class _Counted(io.RawIOBase):
    """A file that notes how far it was read."""

    def __init__(self, file: io.BufferedReader, tally: Tally) -> None:
        self._file = file
        self._tally = tally

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(buffer)
        self._tally.bytes_read += count
        return count


def _each(rows: "csv.DictReader[str]", path: Path) -> Iterator[dict[str, str]]:
    try:
        yield from rows
    except csv.Error as error:
        raise MappingError(str(path), rows.line_num, f"is no CSV: {error}") from None
    except UnicodeDecodeError as error:
        raise MappingError(str(path), rows.line_num + 1, f"is not UTF-8: {error.reason}") from None
    except (EOFError, gzip.BadGzipFile) as error:
        raise MappingError(str(path), rows.line_num + 1, f"is cut off or broken: {error}") from None
