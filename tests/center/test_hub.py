"""The fan-out of alerts, with wires that record: order, filters, gaps, and what a slow client costs the others."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from center import frames
from center.alertchannel import CATCH_UP
from center.client import QUEUE, STALLED_S, AlertMember, Client
from center.protocol import Filter, Unsubscribe
from tests.center.builders import payload, transition
from tests.center.hub_screens import Screen, hub


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 100_000])
def test_frames_of_every_length_are_framed_as_the_standard_says(size: int) -> None:
    assert payload(frames.text_frame(b"x" * size)) == b"x" * size


def test_hello_comes_first_and_names_the_epoch() -> None:
    screen = Screen(hub())
    assert screen.wire.messages() == [
        {
            "type": "hello",
            "server_time": "2026-11-22T07:00:00Z",
            "epoch": "epoch-1",
            "heartbeat_s": 2,
            "version": "citywatch.v1",
        }
    ]


def test_a_subscriber_gets_what_stands_and_then_every_transition() -> None:
    one = hub()
    one.publish_alert(transition(1))
    screen = Screen(one)
    screen.subscribe()
    one.publish_alert(transition(2))
    one.publish_alert(transition(3, "cleared", number=1, state="normal"))
    snapshot, second, third = screen.wire.messages()[1:]
    assert (snapshot["type"], snapshot["seq"], len(snapshot["alerts"])) == ("snapshot", 1, 1)
    assert (second["seq"], second["kind"]) == (2, "raised")
    assert (third["seq"], third["prev"], third["kind"]) == (3, 2, "cleared")
    assert screen.told() == ({second["alert"]["id"]}, 3)


def test_prev_is_the_one_before_under_the_same_filter() -> None:
    one = hub()
    screen = Screen(one, Filter(sectors=frozenset({"traffic"})))
    screen.subscribe()
    for seq, sector in enumerate(["traffic", "health", "traffic", "health", "health", "traffic"], 1):
        one.publish_alert(transition(seq, sector=sector))
    deltas = screen.wire.messages("delta")
    assert [(delta["prev"], delta["seq"]) for delta in deltas] == [(0, 1), (1, 3), (3, 6)]


def test_an_alert_that_leaves_a_zone_is_told_to_those_who_had_it() -> None:
    one = hub()
    screen = Screen(one, Filter(zones=frozenset({"26740"})))
    screen.subscribe()
    one.publish_alert(transition(1, number=1, zone="26740"))
    one.publish_alert(transition(2, "escalated", number=1, zone="26743"))
    one.publish_alert(transition(3, "eased", number=1, zone="26743"))
    assert [delta["alert"]["zone"] for delta in screen.wire.messages("delta")] == ["26740", "26743"]


def test_clients_with_one_filter_share_the_very_same_frame() -> None:
    one = hub()
    screens = [Screen(one, Filter(sectors=frozenset({"environment"}))) for _ in range(3)]
    for screen in screens:
        screen.subscribe()
    one.publish_alert(transition(1))
    first, second, third = (screen.wire.frames[-1] for screen in screens)
    assert first is second is third


def test_alerts_wait_in_order_for_a_slow_client_and_disturb_nobody_else() -> None:
    one = hub()
    slow, quick = Screen(one), Screen(one)
    slow.subscribe()
    quick.subscribe()
    slow.wire.full = True
    for seq in range(1, 11):
        one.publish_alert(transition(seq))
    assert len(slow.wire.messages("delta")) == 0
    assert len(quick.wire.messages("delta")) == 10
    slow.resume()
    assert [delta["seq"] for delta in slow.wire.messages("delta")] == list(range(1, 11))
    assert slow.told() == quick.told()


def test_a_line_that_overflows_becomes_a_gap_and_a_snapshot() -> None:
    one = hub()
    slow = Screen(one)
    slow.subscribe()
    one.publish_alert(transition(1))
    slow.wire.full = True
    for seq in range(2, QUEUE + 10):
        one.publish_alert(transition(seq))
    member = slow.client.members["alerts"]
    assert isinstance(member, AlertMember)
    assert len(member.waiting) == 0
    slow.resume()
    gap = slow.wire.messages("gap")[0]
    assert (gap["channel"], gap["from"], gap["to"]) == ("alerts", 1, QUEUE + 9)
    assert slow.wire.messages()[-1]["type"] == "snapshot"
    one.publish_alert(transition(QUEUE + 10))
    assert slow.told()[1] == QUEUE + 10


def test_a_returning_client_is_told_exactly_what_it_missed() -> None:
    one = hub()
    missed = [transition(seq) for seq in range(1, 6)]
    for each in missed:
        one.publish_alert(each)
    back = Screen(one)
    member = back.subscribe(since=2, epoch="epoch-1")
    assert member is not None
    one.publish_alert(transition(6))  # while history is being read
    assert back.wire.messages("delta") == []
    one.alerts.catch_up(member, 2, 5, missed[2:])
    assert [(delta["prev"], delta["seq"]) for delta in back.wire.messages("delta")] == [(2, 3), (3, 4), (4, 5), (0, 6)]


def test_a_client_that_missed_nothing_is_told_nothing_and_goes_on() -> None:
    one = hub(seq=7)
    back = Screen(one)
    assert back.subscribe(since=7, epoch="epoch-1") is None
    assert len(back.wire.frames) == 1
    one.publish_alert(transition(8))
    assert back.wire.messages("delta")[0]["seq"] == 8


def test_a_client_ahead_of_this_instance_is_told_nothing_twice() -> None:
    one = hub(seq=3)
    back = Screen(one)
    member = back.subscribe(since=5, epoch="epoch-1")
    assert member is not None
    one.alerts.catch_up(member, 5, 6, [transition(6)])
    for seq in (4, 5, 6, 7):
        one.publish_alert(transition(seq))
    assert [delta["seq"] for delta in back.wire.messages("delta")] == [6, 7]


@pytest.mark.parametrize(
    ("since", "epoch", "head", "missed"),
    [
        (2, "another", 5, None),
        (9, "epoch-1", 5, []),
        (0, "epoch-1", 5, [transition(seq) for seq in (4, 5)]),
        (0, "epoch-1", CATCH_UP + 1, [transition(seq) for seq in range(1, CATCH_UP + 2)]),
    ],
    ids=["another epoch", "beyond the head", "history was cut", "too far back"],
)
def test_what_cannot_be_told_is_a_gap_and_a_snapshot(since: int, epoch: str, head: int, missed: Any) -> None:
    one = hub(seq=5)
    back = Screen(one)
    member = back.subscribe(since=since, epoch=epoch)
    if missed is not None:
        assert member is not None
        one.alerts.catch_up(member, since, head, missed)
    assert [message["type"] for message in back.wire.messages()] == ["hello", "gap", "snapshot"]
    assert back.wire.messages("gap")[0]["from"] == since


def test_another_database_is_a_gap_and_a_snapshot_for_everyone() -> None:
    one = hub()
    screen = Screen(one)
    screen.subscribe()
    one.publish_alert(transition(1))
    one.alerts.book.load("epoch-2", 40, [], [])
    one.alerts.reset()
    assert [message["type"] for message in screen.wire.messages()[-2:]] == ["gap", "snapshot"]
    one.publish_alert(transition(41))
    assert screen.told()[1] == 41


def test_the_heartbeat_waits_for_the_alerts_before_it() -> None:
    one = hub()
    slow = Screen(one)
    slow.subscribe()
    slow.wire.full = True
    one.publish_alert(transition(1))
    one.beat("2026-11-22T07:00:02Z", None)
    assert slow.wire.messages("heartbeat") == []
    slow.resume()
    one.beat("2026-11-22T07:00:04Z", "2026-11-22T07:00:03Z")
    assert slow.wire.messages()[-1] == {
        "type": "heartbeat",
        "server_time": "2026-11-22T07:00:04Z",
        "alerts_through": 1,
        "engine_through": "2026-11-22T07:00:03Z",
    }


def test_after_unsubscribing_nothing_comes() -> None:
    one = hub()
    screen = Screen(one)
    screen.subscribe()
    one.unsubscribe(screen.client, Unsubscribe("alerts"))
    one.unsubscribe(screen.client, Unsubscribe("live"))
    one.publish_alert(transition(1))
    assert screen.wire.messages("delta") == []


def test_a_client_that_takes_nothing_is_let_go_after_a_while_and_one_that_takes_a_little_is_not() -> None:
    one = hub()
    stalled, slow, well = Screen(one), Screen(one), Screen(one)
    for screen in (stalled, slow):
        screen.wire.full, screen.wire.held = True, 1_000_000
    gone: list[Client] = []
    for second in range(int(STALLED_S) + 5):
        slow.wire.held -= 1
        gone += one.sweep(float(second))
    assert gone == [stalled.client]
    assert stalled.wire.aborted
    assert one.clients == {slow.client, well.client}


@settings(max_examples=60)
@given(st.data())
def test_however_slow_a_client_is_it_ends_with_the_truth(data: st.DataObject) -> None:
    """Any interleaving of transitions, stalls and resumptions leaves every screen with the book's open alerts."""
    one = hub()
    screens = [Screen(one, wanted) for wanted in (None, Filter(sectors=frozenset({"traffic"})))]
    for screen in screens:
        screen.subscribe()
    seq = 0
    for act in data.draw(st.lists(st.sampled_from(["alert", "clear", "stall", "resume", "many"]), max_size=20)):
        if act in ("alert", "clear", "many"):
            for _ in range(QUEUE + 2 if act == "many" else 1):
                seq += 1
                number = data.draw(st.integers(1, 5)) if act != "many" else seq % 5 + 1
                state = "normal" if act == "clear" else "unacknowledged"
                sector = "traffic" if number % 2 else "health"
                one.publish_alert(transition(seq, "raised", number=number, state=state, sector=sector))
        else:
            screen = data.draw(st.sampled_from(screens))
            if act == "stall":
                screen.wire.full = True
            else:
                screen.resume()
    for screen in screens:
        screen.resume()
        sector = None if screen.filter is None else "traffic"
        truth = {head.id for head in one.alerts.book.heads() if sector in (None, head.sector)}
        assert screen.told()[0] == truth
