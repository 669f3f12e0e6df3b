"""Who subscribed to a channel with which filter: clients with the same filter are one group.

A frame is encoded once a group. `prev` is the seq of the group's frame before it, so a client that has
`prev ≤ have < seq` knows that it missed nothing under its filter.
"""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from center.client import Member
from center.protocol import Filter
from city import metrics

M = TypeVar("M", bound=Member)


class Group(Generic[M]):
    """The members of one filter; `last` is the seq of the frame that they were sent last (0: none yet)."""

    __slots__ = ("_kept", "filter", "last", "members", "settled")

    def __init__(self, wanted: Filter) -> None:
        self.filter = wanted
        self.last = 0
        self.settled = 0
        self.members: set[M] = set()
        self._kept: tuple[int, bytes] | None = None

    def snapshot(self, version: int, make: Callable[[], bytes]) -> bytes:
        """The snapshot as of a version: made once for all who join until it changes, kept only where it is shared."""
        if self._kept is not None and self._kept[0] == version:
            return self._kept[1]
        frame = make()
        self._kept = (version, frame) if len(self.members) > 1 else None
        return frame

    def changed(self) -> None:
        """Lets the snapshot go: it is large, and nobody joins at an old version."""
        self._kept = None


class Groups(Generic[M]):
    """All groups of one channel; an empty one is forgotten."""

    def __init__(self) -> None:
        self._by_filter: dict[Filter, Group[M]] = {}

    def join(self, member: M) -> Group[M]:
        """Puts a member in the group of its filter."""
        group = self._by_filter.get(member.filter)
        if group is None:
            group = self._by_filter[member.filter] = Group(member.filter)
        group.members.add(member)
        return group

    def leave(self, member: M) -> None:
        """Takes a member out."""
        group = self._by_filter[member.filter]
        group.members.discard(member)
        if not group.members:
            del self._by_filter[member.filter]

    def of(self, member: M) -> Group[M]:
        """The group that a member is in."""
        return self._by_filter[member.filter]

    def all(self) -> Iterable[Group[M]]:
        """Every group that has members."""
        return self._by_filter.values()

    def members(self) -> list[M]:
        """Every member of every group, in a list of its own."""
        return [member for group in self._by_filter.values() for member in group.members]


def count(channel: str, kind: str, frame: bytes, clients: int) -> None:
    """Notes frames that were sent."""
    metrics.FRAMES.labels(channel, kind).inc(clients)
    metrics.FRAME_BYTES.labels(channel).inc(len(frame) * clients)
