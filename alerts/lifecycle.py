"""The life of an alert after ISA-18.2: which act is legal in which state, and where it leads. Pure.

The database moves alerts by the same table (`alert_next_state` in the migrations); a test holds the two together.
Later acts (shelve, suppress, out of service) join this table.
"""

from typing import Final, Literal, get_args

import msgspec

State = Literal[
    "unacknowledged", "acknowledged", "returned_unacknowledged", "normal", "shelved", "suppressed", "out_of_service"
]
Act = Literal["escalated", "eased", "cleared", "acknowledged", "superseded"]

STATES: Final[tuple[State, ...]] = get_args(State)
ACTS: Final[tuple[Act, ...]] = get_args(Act)

_NEXT: Final[dict[tuple[State, Act], State]] = {
    ("unacknowledged", "escalated"): "unacknowledged",
    ("acknowledged", "escalated"): "unacknowledged",  # worse than what was seen: it asks to be seen again
    ("unacknowledged", "eased"): "unacknowledged",
    ("acknowledged", "eased"): "acknowledged",
    ("unacknowledged", "cleared"): "returned_unacknowledged",
    ("acknowledged", "cleared"): "normal",
    ("unacknowledged", "acknowledged"): "acknowledged",
    ("returned_unacknowledged", "acknowledged"): "normal",
    ("returned_unacknowledged", "superseded"): "normal",  # the same cause alarms again: the new alert stands for both
}


class IllegalAct(Exception):
    """The act does not fit the state; the sentence says what the state is and, where known, since whose hand."""

    code = "illegal_act"

    def __init__(self, act: str, state: str, by: str | None = None, at: str | None = None) -> None:
        what = f"already acknowledged by {by} at {at}" if state == "acknowledged" and by else f"it is {state}"
        super().__init__(f"the alert can't be {act}: {what}")
        self.act = act
        self.state = state
        self.by = by
        self.at = at


class Standing(msgspec.Struct, frozen=True):
    """Where an alert stands, and by whose hand it was acknowledged."""

    state: State
    severity: str = "warning"
    acknowledged_by: str | None = None
    acknowledged_at: str | None = None


def act(standing: Standing, what: Act) -> State:
    """The state after the act. An info, which is no alarm, asks nobody to see that it is over.

    Raises:
        IllegalAct: says by whom and when it was acknowledged, if that is why.
    """
    if what == "cleared" and standing.state == "unacknowledged" and standing.severity == "info":
        return "normal"
    after = _NEXT.get((standing.state, what))
    if after is None:
        raise IllegalAct(what, standing.state, standing.acknowledged_by, standing.acknowledged_at)
    return after
