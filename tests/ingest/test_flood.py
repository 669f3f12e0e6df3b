"""In a flood every refused record is counted, and every hundredth keeps its bytes."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.flood import FLOOD_PER_SECOND, KEPT_IN_FLOOD, FloodGate


def through(gate: FloodGate, timestamps_us: list[int]) -> tuple[int, int]:
    """How many pass, and how many records the summary stands for."""
    passed = 0
    for offset, timestamp_us in enumerate(timestamps_us):
        if gate.passes(timestamp_us):
            passed += 1
        else:
            gate.count(offset, "late", f"at {offset}")
    return passed, sum(letter.records for letter in gate.summary())


@given(st.lists(st.integers(0, 20_000_000), max_size=600))
def test_none_is_lost_from_the_count(timestamps_us: list[int]) -> None:
    passed, summed = through(FloodGate(), timestamps_us)
    assert passed + summed == len(timestamps_us)


def test_a_hundred_a_second_is_no_flood() -> None:
    assert through(FloodGate(), [second * 1_000_000 for second in range(5) for _ in range(FLOOD_PER_SECOND)]) == (
        500,
        0,
    )


def test_of_a_flood_every_hundredth_passes() -> None:
    assert through(FloodGate(), [7_000_000] * 1_000) == (FLOOD_PER_SECOND + 900 // KEPT_IN_FLOOD, 891)


def test_one_record_from_the_future_does_not_make_a_flood_of_the_rest() -> None:
    gate = FloodGate()
    through(gate, [10**15] * 200)
    assert through(gate, [second * 1_000_000 for second in range(100) for _ in range(10)]) == (1_000, 0)


def test_a_summary_tells_its_range_and_its_last_reason() -> None:
    gate = FloodGate()
    through_many = [gate.passes(0) for _ in range(FLOOD_PER_SECOND)]
    assert all(through_many)
    gate.count(40, "late", "first")
    gate.count(44, "late", "last")
    gate.count(42, "not_json", "alone")
    late, alone = gate.summary()
    assert (late.first_offset, late.next_offset, late.records, late.raw) == (40, 45, 2, None)
    assert late.detail.endswith("the last: last")
    assert (alone.detail, alone.records) == ("alone", 1)
    assert gate.summary() == []
