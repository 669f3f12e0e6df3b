"""Every state and every act: what is legal leads where ISA-18.2 says, everything else is refused, here and in SQL."""

import asyncpg
import pytest

from alerts.lifecycle import ACTS, STATES, Act, IllegalAct, Standing, State, act

LEGAL = {
    ("unacknowledged", "escalated"): "unacknowledged",
    ("unacknowledged", "eased"): "unacknowledged",
    ("unacknowledged", "cleared"): "returned_unacknowledged",
    ("unacknowledged", "acknowledged"): "acknowledged",
    ("acknowledged", "escalated"): "unacknowledged",
    ("acknowledged", "eased"): "acknowledged",
    ("acknowledged", "cleared"): "normal",
    ("returned_unacknowledged", "acknowledged"): "normal",
    ("returned_unacknowledged", "superseded"): "normal",
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("what", ACTS)
def test_every_pair_of_state_and_act(state: State, what: Act) -> None:
    if (state, what) in LEGAL:
        assert act(Standing(state), what) == LEGAL[state, what]
    else:
        with pytest.raises(IllegalAct) as refused:
            act(Standing(state, acknowledged_by="Lan", acknowledged_at="10:00"), what)
        assert (refused.value.state, refused.value.act) == (state, what)


def test_an_info_asks_nobody_to_see_that_it_is_over() -> None:
    assert act(Standing("unacknowledged", "info"), "cleared") == "normal"


def test_the_second_hand_is_told_who_and_when() -> None:
    with pytest.raises(IllegalAct, match="already acknowledged by Lan at 10:00"):
        act(Standing("acknowledged", "critical", "Lan", "10:00"), "acknowledged")


async def test_the_database_moves_alerts_by_the_same_table(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        for severity in ("info", "warning"):
            for state in STATES:
                for what in ACTS:
                    there = await connection.fetchval("SELECT alert_next_state($1, $2, $3)", state, what, severity)
                    try:
                        here: str | None = act(Standing(state, severity), what)
                    except IllegalAct:
                        here = None
                    assert there == here, (state, what, severity)
    finally:
        await connection.close()
