"""Screens by the clock: silent after thirty seconds, forgotten after a day."""

from center.screens import FORGET_S, MAX_SCREENS, SILENT_S, Screens


def test_a_screen_is_silent_after_thirty_seconds_and_comes_first() -> None:
    screens = Screens()
    screens.painted("a", "x:1", 1, 0, 0.0)
    screens.painted("b", "x:2", 1, 0, SILENT_S)
    assert [(one.name, one.state(SILENT_S)) for one in screens.all(SILENT_S)] == [("a", "painting"), ("b", "painting")]
    later = SILENT_S + 0.1
    assert [(one.name, one.state(later)) for one in screens.all(later)] == [("a", "silent"), ("b", "painting")]


def test_a_screen_that_went_away_stays_known_for_a_day() -> None:
    screens = Screens()
    screens.painted("a", "x:1", 1, 0, 0.0)
    screens.gone("a", "another:1")
    assert screens.all(0.0)[0].connected
    screens.gone("a", "x:1")
    assert not screens.all(FORGET_S)[0].connected
    assert screens.all(FORGET_S + 1) == []


def test_invented_names_do_not_grow_without_end() -> None:
    screens = Screens()
    for number in range(MAX_SCREENS + 10):
        screens.painted(f"s-{number}", f"x:{number}", 1, 0, float(number) / 1000)
    assert len(screens.all(1.0)) == MAX_SCREENS


def test_a_connection_that_invents_names_is_still_one_screen() -> None:
    screens = Screens()
    screens.painted("wall", "x:1", 1, 0, 0.0)
    for number in range(MAX_SCREENS + 10):
        screens.painted(f"s-{number}", "x:2", 1, 0, 1.0)
    assert [one.name for one in screens.all(1.0)] == [f"s-{MAX_SCREENS + 9}", "wall"]
    assert screens.count(SILENT_S + 0.5) == {"painting": 1, "silent": 1}
