"""Who reads what: each unit once, evenly, and as few moves as evenness allows."""

from collections import Counter

from aiokafka.cluster import ClusterMetadata
from aiokafka.structs import PartitionMetadata
from hypothesis import given
from hypothesis import strategies as st

from city.kafka import PartitionAssignor, StickyAssignor, TopicAssignor
from city.kafka.assignor import Claim, Unit, assign_units

members = st.sets(st.sampled_from("abcdefgh"), min_size=1, max_size=6)
topics = st.dictionaries(st.sampled_from([f"t{n}" for n in range(8)]), st.integers(1, 6), min_size=1)


def units_of(partitions: dict[str, int]) -> list[Unit]:
    return [(topic, number) for topic, count in partitions.items() for number in range(count)]


def everyone(names: set[str], partitions: dict[str, int]) -> dict[str, set[str]]:
    return {name: set(partitions) for name in names}


def claims_of(given_: dict[str, list[Unit]], generation: int = 1) -> dict[str, Claim]:
    return {member: Claim(generation, owned) for member, owned in given_.items()}


@given(members, topics)
def test_every_unit_goes_to_one_member_and_evenly(names: set[str], partitions: dict[str, int]) -> None:
    units = units_of(partitions)
    answer = assign_units(units, everyone(names, partitions), {})
    assert sorted(unit for owned in answer.values() for unit in owned) == sorted(units)
    sizes = [len(owned) for owned in answer.values()]
    assert max(sizes) - min(sizes) <= 1


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from(["t0", "t1", "t2", "t3"])), min_size=1), topics
)
def test_nobody_gets_what_he_did_not_subscribe_to(subscribed: dict[str, set[str]], partitions: dict[str, int]) -> None:
    answer = assign_units(units_of(partitions), subscribed, {})
    for member, owned in answer.items():
        assert {topic for topic, _ in owned} <= subscribed[member]
    wanted = {topic for chosen in subscribed.values() for topic in chosen}
    assert Counter(unit for owned in answer.values() for unit in owned) == Counter(
        unit for unit in units_of(partitions) if unit[0] in wanted
    )


@given(members, topics)
def test_nothing_moves_when_nothing_changes(names: set[str], partitions: dict[str, int]) -> None:
    subscribed = everyone(names, partitions)
    first = assign_units(units_of(partitions), subscribed, {})
    assert assign_units(units_of(partitions), subscribed, claims_of(first)) == first


@given(members, topics, st.sampled_from("xyz"))
def test_a_member_that_joins_takes_only_its_share(names: set[str], partitions: dict[str, int], new: str) -> None:
    units = units_of(partitions)
    before = assign_units(units, everyone(names, partitions), {})
    after = assign_units(units, everyone(names | {new}, partitions), claims_of(before))
    assert len(after[new]) <= len(units) // (len(names) + 1) + 1
    assert all(set(after[member]) <= set(before[member]) for member in names)


def test_a_member_that_joins_takes_a_share_of_every_topic() -> None:
    partitions = {f"t{number:02}": 2 for number in range(12)}
    before = assign_units(units_of(partitions), everyone({"left"}, partitions), {})
    after = assign_units(units_of(partitions), everyone({"left", "right"}, partitions), claims_of(before))
    for owned in after.values():
        assert Counter(topic for topic, _ in owned) == dict.fromkeys(partitions, 1)


@given(members.filter(lambda names: len(names) > 1), topics)
def test_when_one_leaves_the_others_keep_theirs(names: set[str], partitions: dict[str, int]) -> None:
    units = units_of(partitions)
    before = assign_units(units, everyone(names, partitions), {})
    left = names - {min(names)}
    after = assign_units(units, everyone(left, partitions), claims_of(before))
    assert all(set(before[member]) <= set(after[member]) for member in left)


def test_of_two_claims_the_younger_generation_wins() -> None:
    claims = {"a": Claim(3, [("t", 0)]), "b": Claim(7, [("t", 0)])}
    assert assign_units([("t", 0), ("t", 1)], {"a": {"t"}, "b": {"t"}}, claims)["b"] == [("t", 0)]


def cluster(partitions: dict[str, int]) -> ClusterMetadata:
    metadata = ClusterMetadata()
    for topic, count in partitions.items():
        metadata._partitions[topic] = {n: PartitionMetadata(topic, n, 1, [1], [1], None) for n in range(count)}
    return metadata


def test_the_topic_assignor_gives_whole_topics() -> None:
    one, two = TopicAssignor(), TopicAssignor()
    names = ["t0", "t1", "t2"]
    answer = one.assign(cluster({"t0": 6, "t1": 6, "t2": 6}), {"a": one.metadata(names), "b": two.metadata(names)})
    given_ = {member: assignment.partitions() for member, assignment in answer.items()}
    assert {len(partitions) for partitions in given_.values()} == {6, 12}
    assert not {tp.topic for tp in given_["a"]} & {tp.topic for tp in given_["b"]}


def test_what_a_member_owns_rides_along_in_the_join() -> None:
    def joined(assignor: StickyAssignor, owned: list[Unit]) -> StickyAssignor:
        assignor.own(4, owned)
        return assignor

    one, two = joined(PartitionAssignor(), [("t", 2), ("t", 3)]), joined(PartitionAssignor(), [("t", 0), ("t", 1)])
    answer = two.assign(cluster({"t": 4}), {"a": one.metadata(["t"]), "b": two.metadata(["t"])})
    assert [tp.partition for tp in answer["a"].partitions()] == [2, 3]


def test_a_stranger_in_the_group_is_given_its_share_without_a_claim() -> None:
    mine = PartitionAssignor()
    stranger = mine.metadata(["t"])
    stranger.user_data = b"\xffnot ours"
    answer = mine.assign(cluster({"t": 2}), {"a": mine.metadata(["t"]), "b": stranger})
    assert [len(assignment.partitions()) for assignment in answer.values()] == [1, 1]
