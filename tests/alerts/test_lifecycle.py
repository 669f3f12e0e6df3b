"""Every state and every act: what is legal leads where ISA-18.2 says, everything else is refused, here and in SQL."""

import itertools

import asyncpg
import pytest

from alerts.lifecycle import ACTS, HIDDEN, LASTING, STATES, Act, IllegalAct, Standing, State, act

LEGAL = {
    ("normal", "raised"): "unacknowledged",
    ("unacknowledged", "escalated"): "unacknowledged",
    ("unacknowledged", "eased"): "unacknowledged",
    ("unacknowledged", "cleared"): "returned_unacknowledged",
    ("acknowledged", "escalated"): "unacknowledged",
    ("acknowledged", "eased"): "acknowledged",
    ("acknowledged", "cleared"): "normal",
    ("returned_unacknowledged", "superseded"): "normal",
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
    ("normal", "commented"): "normal",
    ("unacknowledged", "commented"): "unacknowledged",
    ("acknowledged", "commented"): "acknowledged",
    ("returned_unacknowledged", "commented"): "returned_unacknowledged",
    ("shelved", "commented"): "shelved",
    ("suppressed", "commented"): "suppressed",
    ("out_of_service", "commented"): "out_of_service",
    ("unacknowledged", "shelved"): "shelved",
    ("acknowledged", "shelved"): "shelved",
    ("shelved", "shelved"): "shelved",
    ("unacknowledged", "suppressed"): "suppressed",
    ("acknowledged", "suppressed"): "suppressed",
    ("shelved", "suppressed"): "suppressed",
    ("suppressed", "suppressed"): "suppressed",
    ("unacknowledged", "taken_out_of_service"): "out_of_service",
    ("acknowledged", "taken_out_of_service"): "out_of_service",
    ("shelved", "taken_out_of_service"): "out_of_service",
    ("suppressed", "taken_out_of_service"): "out_of_service",
    ("out_of_service", "taken_out_of_service"): "out_of_service",
    ("shelved", "escalated"): "shelved",
    ("suppressed", "escalated"): "suppressed",
    ("out_of_service", "escalated"): "out_of_service",
    ("shelved", "eased"): "shelved",
    ("suppressed", "eased"): "suppressed",
    ("out_of_service", "eased"): "out_of_service",
    ("shelved", "cleared"): "normal",
    ("suppressed", "cleared"): "normal",
    ("out_of_service", "cleared"): "normal",
}
ENDS = {"unshelved": "shelved", "unsuppressed": "suppressed", "returned_to_service": "out_of_service"}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("what", ACTS)
def test_every_pair_of_state_and_act(state: State, what: Act) -> None:
    if (state, what) in LEGAL:
        assert act(Standing(state), what) == LEGAL[state, what]
    else:
        with pytest.raises(IllegalAct) as refused:
            act(Standing(state, acknowledged_by="Lan", acknowledged_at="10:00"), what)
        assert (refused.value.state, refused.value.act) == (state, what)


@pytest.mark.parametrize("beneath", LASTING)
@pytest.mark.parametrize("what", ENDS)
def test_what_was_hidden_comes_back_as_what_it_is_or_stays_under_what_still_hides_it(what: Act, beneath: State) -> None:
    for state, hiding in itertools.product(STATES, (None, *HIDDEN)):
        standing = Standing(state, beneath=beneath if state in HIDDEN else None, hiding=hiding)
        if ENDS[what] == state:
            assert act(standing, what) == (hiding or beneath)
        else:
            with pytest.raises(IllegalAct):
                act(standing, what)


@pytest.mark.parametrize("hiding", HIDDEN)
def test_what_is_raised_under_a_shelf_is_shelved(hiding: State) -> None:
    assert act(Standing("normal", hiding=hiding), "raised") == hiding


def test_an_info_asks_nobody_to_see_that_it_is_over() -> None:
    assert act(Standing("unacknowledged", "info"), "cleared") == "normal"


def test_the_second_hand_is_told_who_and_when() -> None:
    with pytest.raises(IllegalAct, match="already acknowledged by Lan at 10:00"):
        act(Standing("acknowledged", "critical", "Lan", "10:00"), "acknowledged")


async def test_the_database_moves_alerts_by_the_same_table(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        cases = itertools.product(("info", "warning"), STATES, ACTS, (None, *LASTING), (None, *HIDDEN))
        for severity, state, what, beneath, hiding in cases:
            there = await connection.fetchval(
                "SELECT alert_next_state($1, $2, $3, $4, $5)", state, what, severity, beneath, hiding
            )
            try:
                here: str | None = act(Standing(state, severity, beneath=beneath, hiding=hiding), what)
            except IllegalAct:
                here = None
            assert there == here, (state, what, severity, beneath, hiding)
    finally:
        await connection.close()
