"""What conditions remember of one group between two readings; kept with the engine's state."""

import msgspec

from alerts.window import Window


class Extremes(msgspec.Struct, tag="extremes"):
    """Least and greatest value of the last while, to tell a change."""

    least: Window
    most: Window
    value: float = 0.0

    def clone(self) -> "Extremes":
        """A copy that shares nothing with this one."""
        return Extremes(self.least.clone(), self.most.clone(), self.value)


class Still(msgspec.Struct, tag="still"):
    """The value that came last, since when it has been the same, and when it was last said."""

    held: float = 0.0
    since: int = 0
    last: int = 0
    value: float = 0.0

    def clone(self) -> "Still":
        """A copy that shares nothing with this one."""
        return Still(self.held, self.since, self.last, self.value)


class Entries(msgspec.Struct, tag="entries"):
    """When something began, oldest first, no more of them than are asked for; and whether it lasts now."""

    times: list[int]
    inside: bool = False
    value: float = 0.0

    def clone(self) -> "Entries":
        """A copy that shares nothing with this one."""
        return Entries(list(self.times), self.inside, self.value)


class Crowd(msgspec.Struct, tag="crowd"):
    """Assets by what their last reading said, with its time, the longest unheard first; `lost` are unheard too long."""

    met: dict[str, int]
    unmet: dict[str, int]
    lost: dict[str, int]
    value: float = 0.0

    def clone(self) -> "Crowd":
        """A copy that shares nothing with this one."""
        return Crowd(dict(self.met), dict(self.unmet), dict(self.lost), self.value)

    def put(self, asset: str, time: int, met: bool, oldest: int) -> None:
        """The asset's newest reading; one from before `oldest` says nothing of now."""
        self.drop(asset)
        (self.lost if time < oldest else self.met if met else self.unmet)[asset] = time

    def drop(self, asset: str) -> None:
        """The asset is no longer of this group."""
        if self.met.pop(asset, None) is None and self.unmet.pop(asset, None) is None:
            self.lost.pop(asset, None)

    def forget_before(self, time: int) -> None:
        """Whoever was last heard before this time says nothing any more."""
        for some in (self.met, self.unmet):
            while some:
                asset = next(iter(some))
                if some[asset] >= time:
                    break
                self.lost[asset] = some.pop(asset)


Memory = Extremes | Still | Entries | Crowd
