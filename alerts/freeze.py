"""Engine state as bytes and back, exactly: freezing copies what may change, encoding may run elsewhere.

`Freezing` copies the state as of one instant between two steps, in slices, while the engine goes on; `encode` turns
the copy into bytes on any thread. `thaw` gives an engine that steps exactly as the frozen one would have.
"""

import gc
import itertools
import zlib
from array import array
from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from alerts.engine import ENGINE_VERSION, Engine
from alerts.feed import Feed
from alerts.frozengroups import FrozenGroup, FrozenReports, copy_of_asset, pack_groups, thaw_groups, unpack_groups
from alerts.groups import Group
from alerts.reportrule import ReportRule
from alerts.rules import Rule
from alerts.series import UNWATCHED, Asset, Instruments, Series
from alerts.threshold import Progress
from alerts.transitions import Place
from city.sectors import Catalogue

SLICE: Final = 1_000
"""Assets copied at a time, a millisecond or two; between two slices the engine may step."""
CHUNK: Final = 4_000
"""Assets encoded at a time; between two chunks another thread may run."""

Stand = tuple[str, int, int, int, int, tuple[int, ...], tuple[int, ...]]
"""Rule, level, raised_at, seen, fresh, past, back."""


FrozenAsset = tuple[str, Place, tuple[str, ...], int, int, tuple[tuple[str, int], ...]]
"""Name, place, metrics in the order met, the run of stale readings, and what rules on groups have taken."""


Frozen = tuple[str, str, list[Stand]]
"""Asset, metric, and where its rules stand."""

_Copy = tuple[FrozenAsset, list[int], list[Frozen], list[FrozenGroup]]

Kind = tuple[tuple[str, ...], int, int, int]
"""Metrics of a kind of instruments, when it was last heard, since when it is dead, when it came back."""


_numbers: Final = itertools.count(1)


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


class Freezing:
    """A copy of the engine's state as of now, made a few assets at a time, so that no stall grows with the series.

    The engine may step between two calls of `advance`: an asset that is about to change is copied before it does. A
    change of rules, and an adoption, finish the copy first. One at a time of an engine; `close` it when it is done.
    """

    def __init__(self, engine: Engine) -> None:
        if engine.copying is not None:
            raise RuntimeError("the engine's state is being copied already; finish or close that copy first")
        self._engine = engine
        self._left = list(engine.roster.assets.values())
        self._left.reverse()
        self._kept: dict[str, _Copy] = {}
        self._shared = [
            (rule.rule.rule, group)
            for rule in engine.groups.rules.values()
            if rule.rule.per != "asset"
            for group in rule.groups.values()
        ]
        self._shared.reverse()
        self._kept_groups: dict[tuple[str, str], FrozenGroup] = {}
        self.number = next(_numbers)
        feed = engine.watch.feed
        self._state = FrozenState(
            *(ENGINE_VERSION, engine.sector, [], array("q"), []),
            msgspec.structs.replace(feed, wrong=dict(feed.wrong)),
            [(metrics, kind.heard, kind.dead, kind.since) for metrics, kind in engine.roster.kinds.items()],
            [],
            [
                (name, list(rule.known.items()))
                for name, rule in engine.groups.rules.items()
                if isinstance(rule, ReportRule)
            ],
        )
        engine.copying = self

    def keep(self, asset: Asset) -> None:
        """Copy an asset ahead of its turn."""
        asset.copied = self.number
        self._kept[asset.name] = _copy(asset, self._engine)

    def keep_group(self, rule: str, group: Group) -> None:
        """Copy a group of many ahead of its turn."""
        group.copied = self.number
        self._kept_groups[rule, group.key] = (rule, group.clone())

    def advance(self, most: int = SLICE) -> bool:
        """Copy so many more assets; whether all are."""
        collecting = gc.isenabled()
        gc.disable()  # thousands of new tuples would set off a collection of everything that lives
        try:
            state, kept, number = self._state, self._kept, self.number
            for _ in range(min(most, len(self._left))):
                asset = self._left.pop()
                if asset.copied == number:
                    frozen, times, stands, groups = kept.pop(asset.name)
                else:
                    asset.copied = number
                    frozen, times, stands, groups = _copy(asset, self._engine)
                state.assets.append(frozen)
                state.times.extend(times)
                state.stands.extend(stands)
                state.groups.extend(groups)
            if not self._left:
                self._copy_shared(most)
        finally:
            if collecting:
                gc.enable()
        done = not self._left and not self._shared
        if done:
            self.close()
        return done

    def _copy_shared(self, most: int) -> None:
        """Copy so many groups of many assets."""
        for _ in range(min(most, len(self._shared))):
            rule, group = self._shared.pop()
            if group.copied == self.number:
                self._state.groups.append(self._kept_groups.pop((rule, group.key)))
            else:
                group.copied = self.number
                self._state.groups.append((rule, group.clone()))

    def finish(self) -> FrozenState:
        """The whole copy; copies at once what is left."""
        while not self.advance():
            pass
        return self._state

    def close(self) -> None:
        """The engine need not mind this copy any more."""
        if self._engine.copying is self:
            self._engine.copying = None


def freeze(engine: Engine) -> FrozenState:
    """A copy of the engine's state at once; the engine may go on."""
    return Freezing(engine).finish()


def _copy(asset: Asset, engine: Engine) -> _Copy:
    series_of = asset.series
    return (
        (
            asset.name,
            asset.place,
            asset.metrics,
            asset.stale_since,
            asset.stale_age,
            tuple((asset.taken or {}).items()),
        ),
        [series.time for series in series_of.values()],
        [
            (asset.name, metric, [_stand(rule, stand) for rule, stand in series.progress.items()])
            for metric, series in series_of.items()
            if series.progress
        ],
        copy_of_asset(asset.name, engine.groups),
    )


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
    stands = {(asset, metric): held for asset, metric, held in head.stands}
    for name, place, metrics, stale_since, stale_age, taken in assets:
        asset = engine.roster.assets[name] = Asset(
            name, place, {}, Instruments("", 0), stale_since=stale_since, stale_age=stale_age, taken=dict(taken) or None
        )
        for metric in metrics:
            _thaw_series(engine, asset, metric, next(times), stands.get((name, metric), []))
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


def _stand(rule: str, stand: Progress) -> Stand:
    return (rule, stand.level, stand.raised_at, stand.seen, stand.fresh, tuple(stand.past), tuple(stand.back))


def _thaw_series(engine: Engine, asset: Asset, metric: str, time: int, stands: list[Stand]) -> None:
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
    series = Series(plan, (), time=0 if time == UNWATCHED.time else time, progress=progress or None)
    engine.roster.bind(asset, series)
    engine.roster.place(asset, series, plan)
