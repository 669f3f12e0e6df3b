"""The life of an alert after ISA-18.2: which act is legal in which state, and where it leads. Pure.

The database moves alerts by the same table (`alert_next_state` in the migrations); a test holds the two together.

Three human acts are kept apart: *silenced* (the sound, at one position), *acknowledged* (seen), *accepted* (I own it,
which implies seen). What is shelved, suppressed by design or out of service is hidden and still follows the engine
beneath: it comes back as what it is by then, and what clears meanwhile asks nobody to look.
"""

from typing import Final, Literal, get_args

import msgspec

State = Literal[
    "unacknowledged", "acknowledged", "returned_unacknowledged", "normal", "shelved", "suppressed", "out_of_service"
]
Act = Literal[
    "raised",
    "escalated",
    "eased",
    "cleared",
    "superseded",
    "silenced",
    "acknowledged",
    "accepted",
    "released",
    "assigned",
    "commented",
    "shelved",
    "unshelved",
    "suppressed",
    "unsuppressed",
    "taken_out_of_service",
    "returned_to_service",
]

STATES: Final[tuple[State, ...]] = get_args(State)
ACTS: Final[tuple[Act, ...]] = get_args(Act)
LASTING: Final[tuple[State, ...]] = ("unacknowledged", "acknowledged")
HIDDEN: Final[tuple[State, ...]] = ("shelved", "suppressed", "out_of_service")
"""Weakest first: where several hold, the alert is in the strongest."""

_HIDES: Final[dict[Act, State]] = {
    "shelved": "shelved",
    "suppressed": "suppressed",
    "taken_out_of_service": "out_of_service",
}
_SHOWS: Final[dict[Act, State]] = {
    "unshelved": "shelved",
    "unsuppressed": "suppressed",
    "returned_to_service": "out_of_service",
}
_NEXT: Final[dict[tuple[State, Act], State]] = {
    ("normal", "raised"): "unacknowledged",
    ("unacknowledged", "escalated"): "unacknowledged",
    ("acknowledged", "escalated"): "unacknowledged",  # worse than what was seen: it asks to be seen again
    ("unacknowledged", "eased"): "unacknowledged",
    ("acknowledged", "eased"): "acknowledged",
    ("unacknowledged", "cleared"): "returned_unacknowledged",
    ("acknowledged", "cleared"): "normal",
    ("returned_unacknowledged", "superseded"): "normal",  # the same cause alarms again: the new alert stands for both
    ("unacknowledged", "silenced"): "unacknowledged",
    ("returned_unacknowledged", "silenced"): "returned_unacknowledged",
    ("unacknowledged", "acknowledged"): "acknowledged",
    ("returned_unacknowledged", "acknowledged"): "normal",
    ("unacknowledged", "accepted"): "acknowledged",
    ("acknowledged", "accepted"): "acknowledged",
    ("unacknowledged", "released"): "unacknowledged",
    ("acknowledged", "released"): "acknowledged",
    ("unacknowledged", "assigned"): "unacknowledged",
    ("acknowledged", "assigned"): "acknowledged",
    **{(state, "commented"): state for state in STATES},
    **{(state, "cleared"): "normal" for state in HIDDEN},
    **{(state, "escalated"): state for state in HIDDEN},
    **{(state, "eased"): state for state in HIDDEN},
    # In a state already: until another time, or by another hand.
    **{(state, what): into for what, into in _HIDES.items() for state in (*LASTING, *HIDDEN[: HIDDEN.index(into) + 1])},
}

PEOPLE_SAY: Final[dict[str, str]] = {
    "unacknowledged": "nobody has acknowledged it",
    "acknowledged": "it is acknowledged",
    "returned_unacknowledged": "it is over and waits to be acknowledged",
    "normal": "it is over",
    "shelved": "it is shelved",
    "suppressed": "it is suppressed by a maintenance window",
    "out_of_service": "it is out of service",
}


class IllegalAct(Exception):
    """The act does not fit the state; the sentence says what the state is and, where known, since whose hand."""

    code = "illegal_act"

    def __init__(self, act: str, state: str, by: str | None = None, at: str | None = None) -> None:
        acknowledged = act == "acknowledged" and state == "acknowledged" and by
        what = f"already acknowledged by {by} at {at}" if acknowledged else PEOPLE_SAY.get(state, f"it is {state}")
        super().__init__(f"the alert can't be {act.replace('_', ' ')}: {what}")
        self.act = act
        self.state = state
        self.by = by
        self.at = at


class Standing(msgspec.Struct, frozen=True):
    """Where an alert stands, and by whose hand it was acknowledged.

    `beneath`: what a hidden alert is beneath. `hiding`: what hides it from now on, the strongest of several.
    """

    state: State
    severity: str = "warning"
    acknowledged_by: str | None = None
    acknowledged_at: str | None = None
    beneath: State | None = None
    hiding: State | None = None


def act(standing: Standing, what: Act) -> State:
    """The state after the act. An info, which is no alarm, asks nobody to see that it is over.

    Raises:
        IllegalAct: says by whom and when it was acknowledged, if that is why.
    """
    if what == "cleared" and standing.state == "unacknowledged" and standing.severity == "info":
        return "normal"
    after = _NEXT.get((standing.state, what))
    if what == "raised" and after is not None:
        after = standing.hiding or after
    elif _SHOWS.get(what) == standing.state:
        after = standing.hiding or standing.beneath
    if after is None:
        raise IllegalAct(what, standing.state, standing.acknowledged_by, standing.acknowledged_at)
    return after
