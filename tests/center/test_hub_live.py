"""The fan-out of live values, with wires that record: conflation, filters, and what is withheld until it is loaded."""

from center.book import AlertBook
from center.hub import Hub
from center.latest import LatestValues, SeriesPlace
from center.protocol import Filter, Unsubscribe
from tests.center.hub_screens import Nothing, Screen


def places(*sectors: str) -> list[SeriesPlace]:
    return [
        SeriesPlace(number, sector, f"A-{number}", "speed_kmh", None, None, None)
        for number, sector in enumerate(sectors, 1)
    ]


def live_values(screen: Screen) -> dict[int, float]:
    """Newest values by the rule of prev."""
    values: dict[int, float] = {}
    have = 0
    for message in screen.wire.messages():
        if message.get("channel") == "live":
            if message["type"] == "snapshot":
                values = {}
            else:
                assert message["prev"] <= have < message["seq"]
            have = message["seq"]
            values |= {series: value for series, _, value in message["values"]}
    return values


def test_a_slow_client_gets_conflated_live_values_and_the_others_one_frame() -> None:
    latest = LatestValues()
    latest.ready = True
    one = Hub(AlertBook(), latest, Nothing())
    latest.place(places("traffic", "traffic", "health"))
    slow, quick = Screen(one), Screen(one)
    for screen in (slow, quick):
        screen.subscribe("live")
    slow.wire.full = True
    for tick in range(1, 21):
        latest.offer([(1, tick, float(tick)), (2, tick, tick * 2.0)])
        one.live.publish()
    assert len(quick.wire.messages("delta")) == 20
    slow.wire.full = False
    latest.offer([(3, 1, 7.0)])
    one.live.publish()
    assert len(slow.wire.messages("delta")) == 1
    assert live_values(slow) == live_values(quick) == {1: 20.0, 2: 40.0, 3: 7.0}


def test_a_state_that_is_not_loaded_is_withheld_and_then_told_whole() -> None:
    latest = LatestValues()
    one = Hub(AlertBook(), latest, Nothing())
    early, gone = Screen(one), Screen(one)
    for screen in (early, gone):
        screen.subscribe("live")
    latest.place(places("traffic"))
    one.live.publish()
    one.unsubscribe(gone.client, Unsubscribe("live"))
    assert early.wire.messages("snapshot") == early.wire.messages("delta") == []
    latest.offer([(1, 1, 7.0)])
    latest.ready = True
    late = Screen(one)
    late.subscribe("live")
    one.live.publish()
    latest.offer([(1, 2, 8.0)])
    one.live.publish()
    assert [len(screen.wire.messages("snapshot")) for screen in (early, late, gone)] == [1, 1, 0]
    assert early.wire.messages("snapshot")[0]["values"] == [[1, 0, 7.0]]
    assert live_values(early) == live_values(late) == {1: 8.0}


def test_live_frames_hold_only_what_the_filter_takes() -> None:
    latest = LatestValues()
    latest.ready = True
    one = Hub(AlertBook(), latest, Nothing())
    latest.place(places("traffic", "health"))
    screen = Screen(one, Filter(sectors=frozenset({"health"})))
    screen.subscribe("live")
    latest.offer([(1, 1, 1.0)])
    one.live.publish()
    assert screen.wire.messages("delta") == []
    latest.offer([(2, 1, 2.0)])
    latest.place([SeriesPlace(3, "health", "A-3", "er_wait_min", None, None, None)])
    one.live.publish()
    delta = screen.wire.messages("delta")[0]
    assert delta["values"] == [[2, 0, 2.0]]
    assert [series[0] for series in delta["series"]] == [3]


def test_of_two_values_the_newer_time_stays_and_of_equal_times_the_first() -> None:
    latest = LatestValues()
    latest.place(places("traffic"))
    assert latest.offer([(1, 10_000, 1.0), (1, 5_000, 2.0), (1, 10_000, 3.0), (99, 1, 4.0)]) == 1
    assert latest.snapshot(Filter())["values"] == [(1, 10, 1.0)]
