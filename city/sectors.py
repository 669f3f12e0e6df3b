"""The catalogue: what the city is called, its sectors, what each measures, and how those numbers are to be read.

It is data, kept in `city.yaml` and `sectors.yaml` of the city's folder and read strictly: whatever a file says wrong
is refused with file and line, and nothing is half loaded.
"""

import hashlib
import re
from collections.abc import Collection
from pathlib import Path
from typing import Final, Literal, cast, get_args
from zoneinfo import ZoneInfo

import msgspec

from city.yamlnodes import Node, SourceError, read

Text = dict[str, str]
"""The same words by language: vi, en."""
Aggregate = Literal["mean", "sum", "max", "min", "last"]

SHORT_LENGTH: Final = 12
"""Characters of a short name: what a wall's row holds at reading size."""
MAX_KEY_FIGURES: Final = 3

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_METRIC: Final = frozenset({"unit", "range", "cadence", "max_age", "vi", "en"})
_METRIC_OPTIONAL: Final = frozenset({"decimals", "aggregate"})
_SECTOR: Final = frozenset({"title", "metrics", "key_figures", "reports"})
_SECTOR_OPTIONAL: Final = frozenset({"short", "deep", "series_limit"})
_SERIES_LIMIT: Final = 10_000


class CatalogueError(SourceError):
    """A catalogue that does not parse or makes no sense; the text names file, line and reason."""

    code = "bad_catalogue"


class Metric(msgspec.Struct, frozen=True):
    """One kind of number that assets of a sector measure. Times in seconds; `label` and `short` by language."""

    name: str
    unit: str
    low: float
    """Least plausible value, in `unit`; below it a reading is refused."""
    high: float
    cadence_s: float
    """Between two readings of an asset that works."""
    max_age_s: float
    """How old a reading may be and still raise an alert."""
    label: Text
    short: Text
    decimals: int
    aggregate: Aggregate
    """How the assets' latest values become the city's one figure."""


class Sector(msgspec.Struct, frozen=True):
    """One of the city's sectors. `deep`: watched in depth, more partitions; `key_figures`: at most three metrics."""

    name: str
    title: Text
    short: Text
    metrics: dict[str, Metric]
    key_figures: list[str]
    reports: list[str]
    """Categories that its reports may have."""
    series_limit: int
    deep: bool


class CityInfo(msgspec.Struct, frozen=True):
    """What a city is called, the time zone it lives in, where its map opens, and its operating stages by level.

    `related`: pairs of sectors whose alerts may have one cause, such as a flood and a jam.
    """

    name: Text
    timezone: str
    center: tuple[float, float]
    stages: dict[int, Text]
    related: tuple[tuple[str, str], ...] = ()


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
        of_city = read(directory / "city.yaml", CatalogueError)
        root = read(directory / "sectors.yaml", CatalogueError)
        sectors: dict[str, Sector] = {}
        for name, (key, value) in root.entries("the catalogue").items():
            _check_name(key, "sector", name)
            sectors[name] = _sector(name, value)
        if not sectors:
            root.refuse("the catalogue is empty; name at least one sector")
        return cls(sectors, _city(of_city, sectors))


def _city(root: Node, sectors: Collection[str]) -> CityInfo:
    fields = root.mapping("the city", {"name", "timezone", "center", "stages"}, {"related"})
    timezone = fields["timezone"].text("timezone")
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        fields["timezone"].refuse(f"timezone '{timezone}' is not known; write one such as Asia/Ho_Chi_Minh")
    center = [item.number("center") for item in fields["center"].items("center")]
    if len(center) != 2 or abs(center[0]) > 180 or abs(center[1]) > 90:
        fields["center"].refuse("center must be [longitude, latitude] in degrees")
    stages = {}
    for level, (key, value) in fields["stages"].entries("stages").items():
        stages[key.integer("a stage's level", 1, 99)] = value.bilingual(f"stages.{level}")
    related = [_pair(node, sectors) for node in fields["related"].items("related")] if "related" in fields else []
    return CityInfo(fields["name"].bilingual("name"), timezone, (center[0], center[1]), stages, tuple(related))


def _pair(node: Node, sectors: Collection[str]) -> tuple[str, str]:
    items = node.items("related")
    words = [item.text("related") for item in items]
    for word, item in zip(words, items, strict=True):
        if word not in sectors:
            item.refuse(f"related names '{word}', which is no sector")
    if len(words) != 2 or words[0] == words[1]:
        node.refuse("related is a list of pairs of two sectors: [environment, traffic]")
    return words[0], words[1]


def _sector(name: str, node: Node) -> Sector:
    fields = node.mapping(name, _SECTOR, _SECTOR_OPTIONAL)
    metrics: dict[str, Metric] = {}
    for metric, (key, value) in fields["metrics"].entries(f"{name}.metrics").items():
        _check_name(key, "metric", metric)
        metrics[metric] = _metric(f"{name}.{metric}", metric, value)
    if not metrics:
        fields["metrics"].refuse(f"{name}.metrics is empty; name at least one")
    figures = _words(fields["key_figures"], f"{name}.key_figures")
    for figure, place in figures.items():
        if figure not in metrics:
            place.refuse(f"{name}.key_figures names '{figure}', which is no metric of {name}")
    if len(figures) > MAX_KEY_FIGURES:
        fields["key_figures"].refuse(f"{name}.key_figures has {len(figures)}; the wall shows at most {MAX_KEY_FIGURES}")
    reports = _words(fields["reports"], f"{name}.reports")
    for category, place in reports.items():
        _check_name(place, "report category", category)
    return Sector(
        name,
        fields["title"].bilingual(f"{name}.title"),
        fields.get("short", fields["title"]).bilingual(f"{name}.short", SHORT_LENGTH),
        metrics,
        list(figures),
        list(reports),
        fields["series_limit"].integer(f"{name}.series_limit", 1, 10_000_000)
        if "series_limit" in fields
        else _SERIES_LIMIT,
        fields["deep"].flag(f"{name}.deep") if "deep" in fields else False,
    )


def _metric(path: str, name: str, node: Node) -> Metric:
    fields = node.mapping(path, _METRIC, _METRIC_OPTIONAL)
    bounds = fields["range"].items(f"{path}.range")
    if len(bounds) != 2:
        fields["range"].refuse(f"{path}.range must be [lowest, highest]")
    low, high = (bound.number(f"{path}.range") for bound in bounds)
    if low >= high:
        fields["range"].refuse(f"{path}.range goes from {low:g} to {high:g}; the lower bound comes first")
    cadence, max_age = fields["cadence"].seconds(f"{path}.cadence"), fields["max_age"].seconds(f"{path}.max_age")
    if max_age < cadence:
        fields["max_age"].refuse(f"{path}.max_age is shorter than its cadence: no reading could ever raise an alert")
    aggregate = fields["aggregate"].text(f"{path}.aggregate") if "aggregate" in fields else "mean"
    if aggregate not in get_args(Aggregate):
        fields["aggregate"].refuse(f"{path}.aggregate is '{aggregate}'; known: {', '.join(get_args(Aggregate))}")
    names = {language: _names(f"{path}.{language}", fields[language]) for language in ("vi", "en")}
    return Metric(
        name,
        fields["unit"].text(f"{path}.unit", 16),
        low,
        high,
        cadence,
        max_age,
        {language: label for language, (label, _) in names.items()},
        {language: short for language, (_, short) in names.items()},
        fields["decimals"].integer(f"{path}.decimals", 0, 6) if "decimals" in fields else 0,
        cast(Aggregate, aggregate),
    )


def _names(path: str, node: Node) -> tuple[str, str]:
    """The long name and the short one."""
    names = node.items(path)
    if len(names) != 2:
        node.refuse(f"{path} must be [long name, short name]")
    return names[0].text(path, 100), names[1].text(path, SHORT_LENGTH)


def _words(node: Node, name: str) -> dict[str, Node]:
    """The words of a list, each once, with their places."""
    found: dict[str, Node] = {}
    for item in node.items(name):
        word = item.text(f"an item of {name}")
        if word in found:
            item.refuse(f"{name} has '{word}' twice; keep one")
        found[word] = item
    return found


def _check_name(place: Node, kind: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        place.refuse(f"'{name}' can't name a {kind}; use a-z, 0-9 and _, at most 40, a letter first")
