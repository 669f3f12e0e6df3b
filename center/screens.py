"""The screens that report what they painted: a hung renderer cannot watch itself, so the server does."""

from dataclasses import dataclass
from typing import Final, Literal

SILENT_S: Final = 30.0
"""A screen that has painted nothing for this long is silent."""
FORGET_S: Final = 24 * 3600.0
MAX_SCREENS: Final = 1_000

State = Literal["painting", "silent"]


@dataclass
class Screen:
    """One screen; times are microseconds since the epoch and monotonic seconds."""

    name: str
    address: str
    connected: bool
    seq: int
    painted_us: int
    painted_at: float

    def state(self, now: float) -> State:
        """Whether it painted within the last 30 s."""
        return "painting" if now - self.painted_at <= SILENT_S else "silent"


class Screens:
    """Every screen that ever said `painted`, by name, until it has been away for a day.

    A connection is one screen: under a new name it is no longer the old one, so no client can crowd out the others.
    """

    def __init__(self) -> None:
        self._screens: dict[str, Screen] = {}
        self._by_address: dict[str, str] = {}

    def painted(self, name: str, address: str, seq: int, now_us: int, now: float) -> None:
        """A screen says that it shows everything up to `seq`."""
        if (before := self._by_address.get(address, name)) != name:
            self._forget(before, address)
        self._by_address[address] = name
        if name not in self._screens and len(self._screens) >= MAX_SCREENS:
            self._forget_oldest()
        self._screens[name] = Screen(name, address, True, seq, now_us, now)

    def gone(self, name: str, address: str) -> None:
        """The connection that this screen reported by is closed."""
        self._by_address.pop(address, None)
        screen = self._screens.get(name)
        if screen is not None and screen.address == address:
            screen.connected = False

    def all(self, now: float) -> list[Screen]:
        """Every screen, silent ones first, then by name."""
        for name in [name for name, screen in self._screens.items() if now - screen.painted_at > FORGET_S]:
            del self._screens[name]
        return sorted(self._screens.values(), key=lambda screen: (screen.state(now) != "silent", screen.name))

    def count(self, now: float) -> dict[State, int]:
        """How many are in each state."""
        states = [screen.state(now) for screen in self._screens.values()]
        return {"painting": states.count("painting"), "silent": states.count("silent")}

    def _forget(self, name: str, address: str) -> None:
        screen = self._screens.get(name)
        if screen is not None and screen.address == address:
            del self._screens[name]

    def _forget_oldest(self) -> None:
        del self._screens[min(self._screens, key=lambda name: self._screens[name].painted_at)]
