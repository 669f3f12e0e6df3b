"""A copy of the engine's state as bytes and back, exactly: equal states give equal bytes, and the engine that is thawed
steps as the frozen one would have."""

import zlib
from array import array
from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from alerts.engine import ENGINE_VERSION, Engine
from alerts.feed import Feed
from alerts.frozengroups import FrozenGroup, FrozenReports, pack_groups, thaw_groups, unpack_groups
from alerts.rules import Rule
from alerts.series import UNWATCHED, Asset, Instruments, Series
from alerts.threshold import Progress
from alerts.transitions import Place
from city.sectors import Catalogue

CHUNK: Final = 4_000
"""Assets encoded at a time; between two chunks another thread may run."""

Stand = tuple[str, int, int, int, int, tuple[int, ...], tuple[int, ...]]
"""Rule, level, raised_at, seen, fresh, past, back."""

FrozenAsset = tuple[str, Place, tuple[str, ...], int, int, tuple[tuple[str, int], ...]]
"""Name, place, metrics in the order met, the run of stale readings, and what rules on groups have taken."""

Frozen = tuple[str, str, list[Stand], list[tuple[int, float]]]
"""Asset, metric, where its rules stand, and what is stored of it that the log may yet bring."""

Kind = tuple[tuple[str, ...], int, int, int]
"""Metrics of a kind of instruments, when it was last heard, since when it is dead, when it came back."""


class FrozenState(msgspec.Struct, array_like=True, frozen=True):
    """Everything that a step may read, as of one instant between two steps."""

    engine: int
    sector: str
    assets: list[FrozenAsset]
    times: "array[int]"
    stands: list[Frozen]
    feed: Feed
    kinds: list[Kind]
    groups: list[FrozenGroup]
    reports: list[FrozenReports]


class _Head(msgspec.Struct, array_like=True):
    engine: int
    sector: str
    stands: list[Frozen]
    feed: Feed
    kinds: list[Kind]
    times: bytes
    assets: list[bytes]
    groups: list[bytes]
    reports: list[FrozenReports]


class SnapshotError(Exception):
    """Bytes that are no state of this engine; recover from the alert table instead."""

    code = "bad_snapshot"


def encode(state: FrozenState) -> bytes:
    """The state as compressed bytes; equal states give equal bytes."""
    pack = msgspec.msgpack.Encoder(order="deterministic").encode
    chunks = [pack(state.assets[start : start + CHUNK]) for start in range(0, len(state.assets), CHUNK)]
    times = np.frombuffer(state.times, dtype="i8").astype("<i8").tobytes()
    return zlib.compress(
        pack(
            _Head(
                *(state.engine, state.sector, state.stands, state.feed, state.kinds, times, chunks),
                pack_groups(state.groups),
                state.reports,
            )
        ),
        1,
    )


def thaw(data: bytes, catalogue: Catalogue, rules: Iterable[Rule]) -> Engine:
    """The engine that was frozen; `rules` must be those that were in force then.

    Raises:
        SnapshotError: other bytes, another engine version, or a metric that the catalogue no longer has.
    """
    try:
        head = msgspec.msgpack.decode(zlib.decompress(data), type=_Head)
        assets = [asset for chunk in head.assets for asset in msgspec.msgpack.decode(chunk, type=list[FrozenAsset])]
        groups = unpack_groups(head.groups)
    except (zlib.error, msgspec.MsgspecError) as error:
        raise SnapshotError(f"no engine state: {error}") from None
    if head.engine != ENGINE_VERSION:
        raise SnapshotError(f"state of engine {head.engine}, this is {ENGINE_VERSION}")
    engine = Engine(head.sector, catalogue, rules)
    engine.watch.feed = head.feed
    times = iter(np.frombuffer(head.times, dtype="<i8").tolist())
    stands = {(asset, metric): (held, stored) for asset, metric, held, stored in head.stands}
    for name, place, metrics, stale_since, stale_age, taken in assets:
        asset = engine.roster.assets[name] = Asset(
            name, place, {}, Instruments("", 0), stale_since=stale_since, stale_age=stale_age, taken=dict(taken) or None
        )
        for metric in metrics:
            _thaw_series(engine, asset, metric, next(times), *stands.get((name, metric), ([], [])))
    _thaw_kinds(engine, head.kinds)
    thaw_groups(engine, groups, head.reports)
    return engine


def _thaw_kinds(engine: Engine, kinds: list[Kind]) -> None:
    """In the order in which they were met, not in that of the assets."""
    made = dict(engine.roster.kinds)
    engine.roster.kinds.clear()
    for metrics, heard, dead, since in kinds:
        kind = engine.roster.kinds[metrics] = made[metrics]
        kind.heard, kind.dead, kind.since = heard, dead, since


def _thaw_series(
    engine: Engine, asset: Asset, metric: str, time: int, stands: list[Stand], stored: list[tuple[int, float]]
) -> None:
    try:
        plan = engine.roster.plan(metric)
    except KeyError:
        raise SnapshotError(f"the catalogue has no metric {metric!r} any more") from None
    if not plan.thresholds:
        engine.roster.place(asset, UNWATCHED, plan)
        return
    progress: dict[str, Progress] = {}
    for rule, level, raised_at, seen, fresh, past, back in stands:
        stand = progress[rule] = Progress(len(past))
        stand.level, stand.raised_at, stand.seen, stand.fresh = level, raised_at, seen, fresh
        stand.past, stand.back = list(past), list(back)
    series = Series(
        plan, (), time=0 if time == UNWATCHED.time else time, progress=progress or None, stored=stored or None
    )
    engine.roster.bind(asset, series)
    engine.roster.place(asset, series, plan)
