"""Partitions read abreast: nothing waits while a worker is up to date; after a time away the oldest record is next."""

from hypothesis import given
from hypothesis import strategies as st

from alerts.abreast import MOST, PATIENCE_S, Abreast
from alerts.arrivals import Arrival, in_order
from alerts.replay import Piece
from city.events import Reading

US = 1_000_000
HOUR = 3_600
NOW = 1_795_331_220 * US


def piece(partition: int, first: int, ages_s: list[float]) -> Piece:
    """Records of one partition, recorded so many seconds ago."""
    arrivals = [
        Arrival(NOW - round(age * US), Reading("river", "A", NOW, {}), partition, first + number)
        for number, age in enumerate(ages_s)
    ]
    return Piece(partition, first, first + len(ages_s), b"end", arrivals)


def ranges(pieces: list[Piece]) -> list[tuple[int, int, int]]:
    return [(one.partition, one.first, one.next) for one in pieces]


def test_what_is_recent_waits_for_nothing() -> None:
    one = Abreast()
    one.read([piece(0, 5, [2, 1]), piece(1, 7, [8])], 0.0)
    assert ranges(one.take({0, 1}, NOW, 0.0, 100)) == [(0, 5, 7), (1, 7, 8)]
    assert one.waiting == 0


def test_what_is_ahead_waits_for_the_partition_that_is_far_behind() -> None:
    one = Abreast()
    one.read([piece(0, 0, [HOUR, 1800, 900, 1]), piece(1, 0, [HOUR, 3000])], 0.0)
    first = one.take({1}, NOW, 0.0, 100)
    assert ranges(first) == [(0, 0, 1), (1, 0, 2)]
    assert (first[0].last_hash, first[1].last_hash) == (b"", b"end")
    one.read([piece(1, 2, [1200])], 0.1)
    assert ranges(one.take({1}, NOW, 0.1, 100)) == [(0, 1, 2), (1, 2, 3)]
    assert ranges(one.take((), NOW, 0.1, 100)) == [(0, 2, 4)]


def test_a_partition_not_heard_yet_is_waited_for_but_not_for_ever() -> None:
    one = Abreast()
    one.read([piece(0, 0, [HOUR])], 10.0)
    assert one.take({1}, NOW, 10.0 + PATIENCE_S - 0.1, 100) == []
    assert ranges(one.take({1}, NOW, 10.0 + PATIENCE_S, 100)) == [(0, 0, 1)]


def test_no_more_is_read_of_what_is_far_ahead() -> None:
    one = Abreast()
    one.read([piece(0, 0, [HOUR - number / 100 for number in range(MOST + 1)]), piece(1, 0, [2 * HOUR])], 0.0)
    one.take({1}, NOW, 0.0, 10_000)
    assert one.ahead() == {0}
    one.take((), NOW, 0.0, 10)
    assert one.ahead() == set()


@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.lists(st.integers(0, HOUR), max_size=6)), max_size=12),
    st.integers(1, 7),
    st.booleans(),
)
def test_every_record_comes_once_and_the_oldest_first(
    read: list[tuple[int, list[int]]], most: int, meanwhile: bool
) -> None:
    """Whatever is read in whatever pieces; if all is there, in order of time over all partitions."""
    one, ends, taken = Abreast(), {0: 0, 1: 0, 2: 0}, {0: 0, 1: 0, 2: 0}
    newest = {0: HOUR, 1: HOUR, 2: HOUR}
    came: list[Arrival] = []

    def take(behind: set[int]) -> None:
        while some := one.take(behind, NOW, 0.0, most):
            for each in some:
                assert each.first == taken[each.partition]
                taken[each.partition] = each.next
                assert [arrival.offset for arrival in each.arrivals] == list(range(each.first, each.next))
            came.extend(in_order([each.arrivals for each in some]))

    for partition, ages in read:
        later = sorted((min(age, newest[partition]) for age in ages), reverse=True)
        newest[partition] = min([*later, newest[partition]])
        one.read([piece(partition, ends[partition], [float(age) for age in later])], 0.0)
        ends[partition] += len(later)
        if meanwhile:
            take({0, 1, 2})
    take(set())
    assert (taken, one.waiting) == (ends, 0)
    if not meanwhile:
        assert came == sorted(came, key=lambda arrival: (arrival.record_time, arrival.partition, arrival.offset))
