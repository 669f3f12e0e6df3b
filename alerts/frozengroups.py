"""Groups as bytes and back. A group is packed in the order in which it holds things, which is part of its state."""

from typing import Final

import msgspec
import numpy as np

from alerts.engine import Engine
from alerts.grouprules import GroupRules
from alerts.groups import Group
from alerts.reportrule import Identity, ReportRule
from alerts.window import Panes

CHUNK: Final = 2_000
"""Groups packed at a time; between two chunks another thread may run."""

FrozenGroup = tuple[str, Group]
"""Rule, and a copy of the group."""

FrozenReports = tuple[str, list[tuple[Identity, int]], list[Identity]]
"""Rule, the reports that it knows, in the order in which they came, and those it has from the database only."""


def copy_of_asset(asset: str, groups: GroupRules) -> list[FrozenGroup]:
    """Copies of the groups that are one asset's own."""
    return [
        (name, group.clone())
        for name, rule in groups.rules.items()
        if rule.rule.per == "asset" and (group := rule.groups.get(asset)) is not None
    ]


def pack_groups(groups: list[FrozenGroup]) -> list[bytes]:
    """The groups in chunks."""
    pack = msgspec.msgpack.Encoder(enc_hook=_bytes).encode
    return [pack(groups[start : start + CHUNK]) for start in range(0, len(groups), CHUNK)]


def unpack_groups(chunks: list[bytes]) -> list[FrozenGroup]:
    """The groups again. Raises msgspec.MsgspecError: no such groups."""
    unpack = msgspec.msgpack.Decoder(list[FrozenGroup], dec_hook=_panes).decode
    return [one for chunk in chunks for one in unpack(chunk)]


def thaw_groups(engine: Engine, groups: list[FrozenGroup], reports: list[FrozenReports]) -> None:
    """Give them to the rules whose they are."""
    rules = engine.groups.rules
    for name, group in groups:
        rules[name].groups[group.key] = group
    for name, known, stored in reports:
        rule = rules[name]
        assert isinstance(rule, ReportRule), "these reports were counted by this rule"
        rule.known = dict(known)
        rule.stored = dict.fromkeys(stored)
    engine.groups.waiting.relist(rules.values(), engine.watch.feed)


def _bytes(panes: object) -> bytes:
    if not isinstance(panes, Panes):
        raise NotImplementedError(f"no way to pack {type(panes)}")
    return np.frombuffer(panes, dtype="f8").astype("<f8").tobytes()


def _panes(kind: type, data: object) -> object:
    if kind is not Panes or not isinstance(data, bytes):
        raise NotImplementedError(f"no way to unpack {kind}")
    return Panes("d", np.frombuffer(data, dtype="<f8").astype("f8").tobytes())
