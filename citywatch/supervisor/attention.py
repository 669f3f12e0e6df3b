"""What a supervisor makes of a process that runs but shows no sign of life: says so, and gives it up in the end."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

TELL_AFTER: Final = 15.0
GIVE_UP_AFTER: Final = 30.0
"""Seconds without a sign of life. Generous: on a machine that is busy through and through a process only is slow."""
START_PATIENCE: Final = 120.0
"""The same for the first sign, which comes when everything is loaded."""
LONGEST_TICK: Final = 2.0
"""A tick counts as so many seconds at most: while the supervisor itself did not get to look, nobody was silent."""
MOST_PATIENCE: Final = 480.0


class Verdict(Enum):
    """What a tick has brought to light."""

    nothing = ""
    stopped = "stopped"
    silent = "silent"
    back = "back"
    given_up = "given up"


@dataclass
class Attention:
    """Looks at one life of a process, tick by tick; pure."""

    patience: float = GIVE_UP_AFTER
    silent_s: float = 0.0
    has_beaten: bool = False
    _told: Verdict = Verdict.nothing

    def tick(self, seconds: float, *, beats: bool, stopped: bool) -> Verdict:
        """`beats`: there was a sign of life since the last tick. Each verdict is given once, until things change."""
        if beats and not stopped:
            self.has_beaten, self.silent_s = True, 0.0
            return self._tell(Verdict.nothing)
        self.silent_s += min(seconds, LONGEST_TICK)
        if self.silent_s >= self._limit(stopped):
            return self._tell(Verdict.given_up)
        if stopped:
            return self._tell(Verdict.stopped)
        if self.silent_s >= TELL_AFTER and self.has_beaten:
            return self._tell(Verdict.silent)
        return Verdict.nothing

    def _limit(self, stopped: bool) -> float:
        return self.patience if self.has_beaten or stopped else max(START_PATIENCE, self.patience)

    def _tell(self, verdict: Verdict) -> Verdict:
        before, self._told = self._told, verdict
        if verdict is before:
            return Verdict.nothing
        return Verdict.back if verdict is Verdict.nothing else verdict


def more_patience(patience: float) -> float:
    """For the life after one that ended by silence."""
    return min(patience * 2, MOST_PATIENCE)
