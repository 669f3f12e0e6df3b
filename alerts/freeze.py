"""Copying the engine's state: `Freezing` does so as of one instant between two steps, in slices, while the engine goes
on; `alerts.frozen` turns the copy into bytes on any thread."""

import gc
import itertools
from array import array
from typing import Final

import msgspec

from alerts.engine import ENGINE_VERSION, Engine
from alerts.frozen import Frozen, FrozenAsset, FrozenState, Stand
from alerts.frozengroups import FrozenGroup, copy_of_asset
from alerts.groups import Group
from alerts.reportrule import ReportRule
from alerts.series import Asset
from alerts.threshold import Progress

SLICE: Final = 1_000
"""Assets copied at a time, a millisecond or two; between two slices the engine may step."""

_Copy = tuple[FrozenAsset, list[int], list[Frozen], list[FrozenGroup]]

_numbers: Final = itertools.count(1)


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
                (name, list(rule.known.items()), list(rule.stored))
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
            (
                *(asset.name, metric),
                [_stand(rule, stand) for rule, stand in (series.progress or {}).items()],
                list(series.stored or ()),
            )
            for metric, series in series_of.items()
            if series.progress or series.stored
        ],
        copy_of_asset(asset.name, engine.groups),
    )


def _stand(rule: str, stand: Progress) -> Stand:
    return (rule, stand.level, stand.raised_at, stand.seen, stand.fresh, tuple(stand.past), tuple(stand.back))
