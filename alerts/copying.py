"""What the engine knows of whoever copies its state while it goes on."""

from typing import Protocol

from alerts.groups import Group
from alerts.series import Asset


class Copying(Protocol):
    """A copy of the state as of one instant that is made while the engine goes on (see `alerts.freeze`): what is about
    to change is shown to it first."""

    number: int

    def keep(self, asset: Asset) -> None:
        """Take this asset, and the groups that are its own."""

    def keep_group(self, rule: str, group: Group) -> None:
        """Take this group of many."""

    def finish(self) -> object:
        """Take all that is left."""
