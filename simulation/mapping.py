"""How the columns of a recorded CSV become series: a small YAML file, read strictly."""

import string
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from city.events import Location
from city.sectors import Catalogue
from city.timestamps import from_datetime
from city.yamlnodes import Node, SourceError, read
from city.zones import ZoneMap

MAPPINGS: Final = Path(__file__).parent / "mappings"
"""Those that come with CityWatch."""
PARTS: Final = ("year", "month", "day", "hour", "minute", "second")
_REQUIRED: Final = frozenset({"sector", "source", "asset", "time", "series"})
_OPTIONAL: Final = frozenset({"timezone", "missing", "location", "zone"})


class MappingError(SourceError):
    """A mapping that does not parse, makes no sense, or does not fit the CSV; file, line and reason."""

    code = "bad_mapping"


class TimeColumns(msgspec.Struct, frozen=True):
    """Where a row's time stands: one column with a strptime format, or a column a part."""

    column: str | None
    format: str
    parts: dict[str, str]
    timezone: tzinfo

    def of(self, row: dict[str, str]) -> int:
        """The row's instant, microseconds since the epoch. Raises ValueError."""
        if self.column is not None:
            at = datetime.strptime(row[self.column].strip(), self.format)
        else:
            given = {part: int(row[column]) for part, column in self.parts.items()}
            year, month, day, hour, minute, second = (given.get(part, 0) for part in PARTS)
            at = datetime(year, month, day, hour, minute, second)
        return from_datetime(at.replace(tzinfo=self.timezone) if at.tzinfo is None else at)


class SeriesColumn(msgspec.Struct, frozen=True):
    """A column that is a series: value × factor + offset is in the catalogue's unit."""

    column: str
    metric: str
    asset: str
    factor: float
    offset: float


class Mapping(msgspec.Struct, frozen=True):
    """All that is needed to read a CSV as events of one sector. Assets may name columns, as in "{org}-{type}"."""

    sector: str
    source: str
    time: TimeColumns
    series: list[SeriesColumn]
    missing: frozenset[str]
    location: Location | None
    zone: str | None

    @property
    def columns(self) -> set[str]:
        """Columns that the CSV must have."""
        named = {column.column for column in self.series} | set(self.time.parts.values())
        named |= {field for column in self.series for field in _fields(column.asset)}
        return named | ({self.time.column} if self.time.column is not None else set())

    @classmethod
    def load(cls, path: Path, catalogue: Catalogue, zones: ZoneMap) -> "Mapping":
        """Read and check against catalogue and map. Raises MappingError."""
        fields = read(path, MappingError).mapping("the mapping", _REQUIRED, _OPTIONAL)
        sector = fields["sector"].text("sector")
        if sector not in catalogue.sectors:
            fields["sector"].refuse(f"sector '{sector}' is not known; the catalogue has {', '.join(catalogue.sectors)}")
        asset = fields["asset"].text("asset", 200)
        series = [_series(item, sector, asset, catalogue) for item in fields["series"].items("series")]
        if not series:
            fields["series"].refuse("series is empty; name at least one column")
        return cls(
            sector,
            fields["source"].text("source"),
            _time(fields["time"], _timezone(fields.get("timezone"))),
            series,
            _missing(fields.get("missing")),
            _location(fields.get("location"), zones),
            _zone(fields.get("zone"), zones),
        )


def _series(node: Node, sector: str, asset: str, catalogue: Catalogue) -> SeriesColumn:
    fields = node.mapping("a series", {"column", "metric"}, {"asset", "factor", "offset"})
    metric = fields["metric"].text("metric")
    if catalogue.metric(sector, metric) is None:
        known = ", ".join(catalogue.sectors[sector].metrics)
        fields["metric"].refuse(f"metric '{metric}' is not known in {sector}; there are {known}")
    return SeriesColumn(
        fields["column"].text("column"),
        metric,
        fields["asset"].text("asset", 200) if "asset" in fields else asset,
        fields["factor"].number("factor") if "factor" in fields else 1.0,
        fields["offset"].number("offset") if "offset" in fields else 0.0,
    )


def mapping_file(name: str) -> Path:
    """A path as given, or one of those that come with CityWatch."""
    known = MAPPINGS / f"{name}.yaml"
    return known if known.exists() and not Path(name).exists() else Path(name)


def _time(node: Node, timezone: tzinfo) -> TimeColumns:
    fields = node.mapping("time", frozenset(), {"column", "format", "parts"})
    if ("parts" in fields) == ("column" in fields) or ("column" in fields) != ("format" in fields):
        node.refuse("time needs either column and format, or parts with year, month, day and perhaps hour, minute")
    if "column" in fields:
        column, form = fields["column"].text("time.column"), fields["format"].text("time.format")
        return TimeColumns(column, form, {}, timezone)
    given = fields["parts"].mapping("time.parts", frozenset(PARTS[:3]), frozenset(PARTS[3:]))
    if ("minute" in given and "hour" not in given) or ("second" in given and "minute" not in given):
        fields["parts"].refuse("time.parts skips one; minutes need hours, seconds need minutes")
    return TimeColumns(None, "", {part: value.text(f"time.parts.{part}") for part, value in given.items()}, timezone)


def _timezone(node: Node | None) -> tzinfo:
    if node is None:
        return UTC
    name = node.text("timezone")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        node.refuse(f"timezone '{name}' is not known; write one such as Asia/Ho_Chi_Minh")


def _missing(node: Node | None) -> frozenset[str]:
    texts = [] if node is None else [item.text("missing") for item in node.items("missing")]
    return frozenset(["", *texts])


def _location(node: Node | None, zones: ZoneMap) -> Location | None:
    if node is None:
        return None
    numbers = [item.number("location") for item in node.items("location")]
    if len(numbers) != 2:
        node.refuse("location must be [longitude, latitude]")
    if zones.locate(numbers[0], numbers[1]) is None:
        node.refuse("location is outside the city; name a point inside, or a zone alone")
    return numbers[0], numbers[1]


def _zone(node: Node | None, zones: ZoneMap) -> str | None:
    if node is None:
        return None
    code = node.text("zone")
    if code not in zones.zones:
        node.refuse(f"zone '{code}' is not on the city's map; name a zone's code")
    return code


def _fields(template: str) -> list[str]:
    return [field for _, field, _, _ in string.Formatter().parse(template) if field]
