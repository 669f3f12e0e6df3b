"""What the engine keeps of one rule on one group: an asset, a zone or the sector."""

import msgspec

from alerts.memories import Memory
from alerts.predicates import Latest
from alerts.reorder import Buffer
from alerts.standing import Standing
from alerts.window import Window


class Group(msgspec.Struct):
    """`windows` and `latest` are by metric. `newest` is the newest event time taken, `heard` the record time of what
    came last (µs). What has no use for a field leaves it empty."""

    key: str
    standing: Standing
    windows: dict[str, Window]
    latest: dict[str, Latest]
    memories: list[Memory | None]
    buffer: Buffer | None = None
    newest: int = 0
    heard: int = 0
    listed: int = 0
    """When the group is looked at next though nothing comes (tick time, µs); of no account to what it then does."""
    copied: int = 0
    """Number of the last copy of the engine's state that has taken this group."""

    def clone(self) -> "Group":
        """A copy that shares nothing with this one."""
        return Group(
            self.key,
            self.standing.clone(),
            {metric: window.clone() for metric, window in self.windows.items()},
            {metric: Latest(one.time, one.low, one.high, one.value) for metric, one in self.latest.items()},
            [memory.clone() if memory is not None else None for memory in self.memories],
            self.buffer.clone() if self.buffer is not None else None,
            *(self.newest, self.heard),
        )
