"""What a client may say, and what it hears when it says something else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from center.protocol import CHANNELS, MAX_MESSAGE, Filter, Listener, Painted, ProtocolError, Subscribe, Unsubscribe

SECTORS = frozenset({"traffic", "environment"})
ZONES = frozenset({"26740", "26743"})


def listener(**options: float) -> Listener:
    return Listener(SECTORS, ZONES, now=0.0, **options)  # type: ignore[arg-type]


def hear(message: object) -> object:
    return listener().hear(json.dumps(message), 0.0)


def code(message: str | bytes | None) -> str:
    with pytest.raises(ProtocolError) as raised:
        listener().hear(message, 0.0)
    assert raised.value.sentence
    return raised.value.code


def test_every_request_is_understood() -> None:
    assert hear({"type": "subscribe", "channel": "live"}) == Subscribe("live")
    assert hear(
        {"type": "subscribe", "channel": "alerts", "filter": {"sectors": ["traffic"]}, "since": 7, "epoch": "e"}
    ) == Subscribe("alerts", Filter(frozenset({"traffic"})), 7, "e")
    assert hear({"type": "unsubscribe", "channel": "city"}) == Unsubscribe("city")
    assert hear({"type": "painted", "seq": 3, "screen": "Tường 1"}) == Painted(3, "Tường 1")


def test_filters_that_mean_the_same_are_one_group() -> None:
    one = hear({"type": "subscribe", "channel": "live", "filter": {"zones": ["26740", "26743"], "sectors": []}})
    other = hear({"type": "subscribe", "channel": "live", "filter": {"zones": ["26743", "26740", "26740"]}})
    assert one == other


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("", "not_json"),
        ("{", "not_json"),
        ("[" * 16_000, "bad_message"),
        ("null", "bad_message"),
        ("[]", "bad_message"),
        ('{"type":"shout"}', "bad_message"),
        ('{"channel":"alerts"}', "bad_message"),
        ('{"type":"subscribe","channel":"weather"}', "bad_message"),
        ('{"type":"subscribe","channel":"alerts","since":"7"}', "bad_message"),
        ('{"type":"subscribe","channel":"alerts","since":-1}', "bad_since"),
        ('{"type":"subscribe","channel":"alerts","since":9223372036854775808}', "bad_since"),
        ('{"type":"subscribe","channel":"live","since":7}', "bad_since"),
        ('{"type":"subscribe","channel":"live","filter":{"sectors":["trafic"]}}', "unknown_sector"),
        ('{"type":"subscribe","channel":"live","filter":{"zones":["1"]}}', "unknown_zone"),
        ('{"type":"painted","seq":-1}', "bad_seq"),
        ('{"type":"painted","seq":1,"screen":""}', "bad_screen"),
        ('{"type":"painted","seq":1,"screen":"a\\u0000b"}', "bad_screen"),
        ('"' + "x" * MAX_MESSAGE + '"', "too_large"),
        (b"\x00\x01", "binary"),
        (None, "binary"),
    ],
)
def test_a_mistake_is_told_by_a_stable_code(message: str | bytes | None, expected: str) -> None:
    assert code(message) == expected


def test_a_client_that_speaks_too_fast_is_let_go_and_one_that_waits_is_not() -> None:
    patient = listener(rate=2.0, burst=3.0)
    for second in range(100):
        patient.hear('{"type":"painted","seq":1}', float(second))
    hasty = listener(rate=2.0, burst=3.0)
    for _ in range(3):
        hasty.hear('{"type":"painted","seq":1}', 0.0)
    with pytest.raises(ProtocolError) as raised:
        hasty.hear('{"type":"painted","seq":1}', 0.1)
    assert (raised.value.code, raised.value.fatal) == ("too_many_messages", True)


def test_a_subscription_costs_what_its_snapshot_does() -> None:
    """A screen may subscribe to everything at once; who asks for all live values again and again may not."""
    screen = listener()
    for channel in CHANNELS:
        screen.hear(json.dumps({"type": "subscribe", "channel": channel}), 0.0)
    greedy = listener()
    for tick in range(3):
        greedy.hear('{"type":"subscribe","channel":"live"}', tick / 2)
    with pytest.raises(ProtocolError) as raised:
        greedy.hear('{"type":"subscribe","channel":"live"}', 1.5)
    assert (raised.value.code, raised.value.fatal) == ("too_many_messages", True)
    calm = listener()
    for tick in range(100):
        calm.hear('{"type":"subscribe","channel":"live"}', tick * 2.0)


def test_patience_ends() -> None:
    one = listener(burst=1000.0, patience=3)
    fatal = []
    for _ in range(3):
        with pytest.raises(ProtocolError) as raised:
            one.hear("nonsense", 0.0)
        fatal.append(raised.value.fatal)
    assert fatal == [False, False, True]


@given(st.one_of(st.text(), st.binary(), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)))
def test_whatever_is_said_is_a_request_or_a_mistake(message: str | bytes) -> None:
    try:
        heard = listener().hear(message, 0.0)
    except ProtocolError:
        return
    else:
        assert isinstance(heard, Subscribe | Unsubscribe | Painted)
