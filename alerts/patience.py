"""What to do when the database or the broker is away: wait, with a bounded pause, for as long as it takes."""

from typing import Final

from city.database import STORE_ERRORS, failure
from city.kafka import BrokerUnavailable

AWAY: Final = (*STORE_ERRORS, BrokerUnavailable)
"""What may be raised when one of them is away; `passes` tells whether it is that or a fault."""

_PAUSES_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
SAY_EVERY: Final = 15
"""A waiting service says so at the first try and at every one of so many."""


def passes(error: BaseException) -> bool:
    """Whether the same may work later; everything else a person has to look at."""
    return isinstance(error, BrokerUnavailable) or failure(error) != "fault"


def pause_s(attempt: int) -> float:
    """Seconds to wait before try number `attempt` + 1: 0.05 rising to 2."""
    return _PAUSES_S[min(attempt, len(_PAUSES_S) - 1)]
