"""When groups must be looked at though nothing comes. Reading a value moves no deadline; a group is looked at when the
one it had comes, and is then listed for the next: a hundred thousand of them cost a tick nothing.

Times are tick times in µs. When a group is looked at does not change what it then does, so none of this is kept.
"""

import heapq
from typing import Final, Generic, TypeVar

from alerts.groups import Group

SECOND: Final = 1_000_000

Owner = TypeVar("Owner")


def whole_second(time_us: int) -> int:
    """The full second at or after a time: what is due at a deadline is due from then on, whoever looks, and when."""
    return -(-time_us // SECOND) * SECOND


class Deadlines(Generic[Owner]):
    """Groups, with those who judge them, by the second at which they are due."""

    def __init__(self) -> None:
        self._seconds: list[int] = []
        self._listed: dict[int, list[tuple[Owner, Group]]] = {}

    def note(self, owner: Owner, group: Group, time_us: int) -> None:
        """Look at the group at this time, unless that happens earlier anyway."""
        second = whole_second(time_us)
        if group.listed and group.listed <= second:
            return
        group.listed = second
        entries = self._listed.get(second)
        if entries is None:
            entries = self._listed[second] = []
            heapq.heappush(self._seconds, second)
        entries.append((owner, group))

    def due(self, now: int) -> "list[tuple[Owner, Group]]":
        """Those whose time has come; they are listed no more."""
        found: list[tuple[Owner, Group]] = []
        while self._seconds and self._seconds[0] <= now:
            second = heapq.heappop(self._seconds)
            for owner, group in self._listed.pop(second):
                if group.listed == second:
                    group.listed = 0
                    found.append((owner, group))
        return found

    def clear(self) -> None:
        """Nobody is listed; their own marks are the caller's matter."""
        self._seconds.clear()
        self._listed.clear()
