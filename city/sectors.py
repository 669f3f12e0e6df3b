"""The catalogue: sectors, their metrics, units, plausible ranges, cadence, max_age and key figures, from YAML."""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import yaml

Text = dict[str, str]
Aggregate = Literal["mean", "sum", "max", "min", "last"]

SHORT_LENGTH: Final = 12
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_AT: Final = re.compile(r" - at `(?:key in )?\$(.*?)`$")


class CatalogueError(Exception):
    """A catalogue that does not parse or makes no sense; the text names file, line and reason."""

    code = "bad_catalogue"


class Metric(msgspec.Struct, frozen=True):
    """One thing that assets of a sector measure. Times in seconds; `label` and `short` by language."""

    name: str
    unit: str
    low: float
    high: float
    cadence_s: float
    max_age_s: float
    label: Text
    short: Text
    decimals: int
    aggregate: Aggregate


class Sector(msgspec.Struct, frozen=True):
    """One of the city's sectors. `deep`: watched in depth, more partitions; `key_figures`: at most three metrics."""

    name: str
    title: Text
    short: Text
    metrics: dict[str, Metric]
    key_figures: list[str]
    reports: list[str]
    series_limit: int
    deep: bool


class _MetricEntry(msgspec.Struct, forbid_unknown_fields=True):
    unit: str
    range: tuple[float, float]
    cadence: str
    max_age: str
    vi: tuple[str, str]
    en: tuple[str, str]
    decimals: Annotated[int, msgspec.Meta(ge=0, le=6)] = 0
    aggregate: Aggregate = "mean"


class _SectorEntry(msgspec.Struct, forbid_unknown_fields=True):
    title: Text
    metrics: dict[str, _MetricEntry]
    key_figures: Annotated[list[str], msgspec.Meta(max_length=3)]
    reports: list[str]
    short: Text | None = None
    series_limit: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    deep: bool = False


class CityInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a city is called, the time zone it lives in, where its map opens, and its operating stages by level."""

    name: Text
    timezone: str
    center: tuple[float, float]
    stages: dict[int, Text]


class _Lines:
    """Where each value of a YAML file stands, by its path in msgspec's notation (keys of mappings as `[...]` too)."""

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            text = file.read_text("utf-8")
            self._root = yaml.compose(text, Loader=yaml.SafeLoader)
            self.value: object = yaml.safe_load(text)
        except OSError as error:
            raise CatalogueError(f"{file}: cannot be read: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark else 1
            raise CatalogueError(f"{file}:{line}: not YAML: {getattr(error, 'problem', error)}") from error
        self._refuse_repeats(self._root)

    def refuse(self, path: list[str], reason: str) -> CatalogueError:
        """An error at the deepest existing value of `path`."""
        node, line = self._root, 1
        for part in path:
            if isinstance(node, yaml.MappingNode):
                found = [(key, value) for key, value in node.value if key.value == part]
                if not found:
                    break
                key, node = found[0]
                line = key.start_mark.line + 1
            else:
                break
        return CatalogueError(f"{self.file}:{line}: {'.'.join(path)}: {reason}")

    def _refuse_repeats(self, node: yaml.Node | None) -> None:
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if key.value in seen:
                    raise CatalogueError(f"{self.file}:{key.start_mark.line + 1}: {key.value} is given twice")
                seen.add(key.value)
                self._refuse_repeats(value)


class Catalogue:
    """All sectors of a city by name. `version` changes whenever what is stored or judged by it could change."""

    def __init__(self, sectors: dict[str, Sector], city: CityInfo) -> None:
        self.sectors = sectors
        self.city = city
        self.version = hashlib.sha256(msgspec.json.encode(sectors, order="sorted")).hexdigest()[:16]

    def metric(self, sector: str, metric: str) -> Metric | None:
        """The metric of that name in that sector, or None."""
        entry = self.sectors.get(sector)
        return entry.metrics.get(metric) if entry else None

    @classmethod
    def load(cls, directory: Path) -> "Catalogue":
        """Read city.yaml and sectors.yaml. Raises CatalogueError with file, line and reason."""
        about = _Lines(directory / "city.yaml")
        try:
            city = msgspec.convert(about.value, CityInfo, strict=False)
        except msgspec.ValidationError as error:
            raise about.refuse(*_placed(error, about.value)) from error
        return cls(_load_sectors(directory / "sectors.yaml"), city)


def _load_sectors(file: Path) -> dict[str, Sector]:
    lines = _Lines(file)
    if not isinstance(lines.value, dict):
        raise lines.refuse([], "must be a mapping of sectors")
    sectors: dict[str, Sector] = {}
    for name, body in lines.value.items():
        if not _NAME.fullmatch(str(name)):
            raise lines.refuse([str(name)], "a sector's name is lower case letters, digits and _")
        try:
            entry = msgspec.convert(body, _SectorEntry)
        except msgspec.ValidationError as error:
            path, reason = _placed(error, body)
            raise lines.refuse([name, *path], reason) from error
        metrics = {metric: _metric(lines, name, metric, value) for metric, value in entry.metrics.items()}
        for figure in entry.key_figures:
            if figure not in metrics:
                raise lines.refuse([name, "key_figures"], f"{figure} is not a metric of {name}")
        sectors[name] = Sector(
            name=name,
            title=entry.title,
            short=entry.short or entry.title,
            metrics=metrics,
            key_figures=entry.key_figures,
            reports=entry.reports,
            series_limit=entry.series_limit,
            deep=entry.deep,
        )
    return sectors


def _metric(lines: _Lines, sector: str, name: str, entry: _MetricEntry) -> Metric:
    path = [sector, "metrics", name]
    if not _NAME.fullmatch(name):
        raise lines.refuse(path, "a metric's name is lower case letters, digits and _")
    low, high = entry.range
    if not low < high:
        raise lines.refuse([*path, "range"], f"[{low}, {high}] is empty: give the lower bound first")
    for language, (_, short) in (("vi", entry.vi), ("en", entry.en)):
        if len(short) > SHORT_LENGTH:
            raise lines.refuse([*path, language], f"{short!r} has {len(short)} characters, at most {SHORT_LENGTH} fit")
    seconds = {}
    for field, text in (("cadence", entry.cadence), ("max_age", entry.max_age)):
        match = _DURATION.fullmatch(text)
        if not match or float(match[1]) <= 0:
            raise lines.refuse([*path, field], f"{text!r} is not a duration: write 5s, 1m, 2h or 7d")
        seconds[field] = float(match[1]) * _SECONDS[match[2]]
    return Metric(
        name=name,
        unit=entry.unit,
        low=low,
        high=high,
        cadence_s=seconds["cadence"],
        max_age_s=seconds["max_age"],
        label={"vi": entry.vi[0], "en": entry.en[0]},
        short={"vi": entry.vi[1], "en": entry.en[1]},
        decimals=entry.decimals,
        aggregate=entry.aggregate,
    )


def _placed(error: msgspec.ValidationError, body: object) -> tuple[list[str], str]:
    """The path of keys and the reason of a validation error; `[...]` (any key) is found by trying."""
    text = str(error)
    match = _AT.search(text)
    if not match:
        return [], text
    reason = text[: match.start()]
    parts = re.findall(r"\.([^.\[\]]+)|\[(\.\.\.|\d+)\]", match[1])
    path = [name or index for name, index in parts]
    if "..." in path and isinstance(body, dict):
        at = path.index("...")
        below: object = body
        for part in path[:at]:
            below = below.get(part) if isinstance(below, dict) else None
        if isinstance(below, dict):
            for key, value in below.items():
                try:
                    msgspec.convert(value, _MetricEntry)
                except msgspec.ValidationError:
                    path[at] = str(key)
                    break
    return [part for part in path if part != "..."], reason
