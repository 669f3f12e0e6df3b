"""Who reads what: sticky, balanced assignors, of single partitions and of whole topics."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

Unit = tuple[str, int]
"""What is assigned as one: (topic, partition), or (topic, -1) for all of a topic."""


class Claim(msgspec.Struct, frozen=True):
    """What a member says that it owns, since which generation of the group."""

    generation: int
    owned: list[Unit]


def assign_units(
    units: Iterable[Unit], subscribed: Mapping[str, set[str]], claims: Mapping[str, Claim]
) -> dict[str, list[Unit]]:
    """Give every unit of a topic that somebody subscribed to exactly one subscriber.

    Members keep what they own (where two claim the same, the younger generation wins) as far as balance allows:
    with equal subscriptions the numbers of units differ by at most one. The same input always gives the same answer.
    """
    members = sorted(subscribed)
    given: dict[str, list[Unit]] = {member: [] for member in members}
    open_units = sorted({unit for unit in units if any(unit[0] in subscribed[member] for member in members)})
    owner: dict[Unit, tuple[int, str]] = {}
    for member in members:
        claim = claims.get(member)
        for unit in claim.owned if claim is not None else ():
            generation = claim.generation if claim is not None else -1
            if unit[0] in subscribed[member] and generation > owner.get(unit, (-1, ""))[0]:
                owner[unit] = (generation, member)
    free: list[Unit] = []
    for unit in open_units:
        if unit in owner:
            given[owner[unit][1]].append(unit)
        else:
            free.append(unit)
    for unit in free:
        least = min((m for m in members if unit[0] in subscribed[m]), key=lambda m: (len(given[m]), m))
        given[least].append(unit)
    while (move := _one_move(given, members, subscribed)) is not None:
        unit, source, target = move
        given[source].remove(unit)
        given[target].append(unit)
    return {member: sorted(owned) for member, owned in given.items()}


def _one_move(
    given: Mapping[str, list[Unit]], members: Sequence[str], subscribed: Mapping[str, set[str]]
) -> tuple[Unit, str, str] | None:
    """A unit whose move makes the numbers more even, from the fullest member that has one to the emptiest.

    It is one of the topic that the fuller member has most more of: who joins gets a share of every sector's load,
    not the whole of some sectors.
    """
    for source in sorted(members, key=lambda m: (-len(given[m]), m)):
        for target in sorted(members, key=lambda m: (len(given[m]), m)):
            if len(given[source]) - len(given[target]) < 2:
                break
            movable = [unit for unit in given[source] if unit[0] in subscribed[target]]
            if movable:
                more = Counter(topic for topic, _ in given[source])
                more.subtract(topic for topic, _ in given[target])
                return max(movable, key=lambda unit: (more[unit[0]], unit)), source, target
    return None


class StickyAssignor(AbstractPartitionAssignor):
    """Speaks the group protocol for one member; what it owns rides along in each join."""

    def __init__(self, *, whole_topics: bool) -> None:
        self._whole_topics = whole_topics
        self._claim = Claim(-1, [])

    @property
    def name(self) -> str:
        return "citywatch-topics" if self._whole_topics else "citywatch-partitions"

    def own(self, generation: int, partitions: Iterable[Unit]) -> None:
        """Note what this member was given, to claim it at the next join."""
        self._claim = Claim(generation, sorted({self._unit(topic, partition) for topic, partition in partitions}))

    def _unit(self, topic: str, partition: int) -> Unit:
        return topic, -1 if self._whole_topics else partition

    def assign(  # type: ignore[override]
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Called on the group's leader."""
        subscribed = {member: set(metadata.subscription) for member, metadata in members.items()}
        partitions = {
            topic: sorted(cluster.partitions_for_topic(topic) or ()) for topic in set().union(*subscribed.values())
        }
        units = {self._unit(topic, partition) for topic, numbers in partitions.items() for partition in numbers}
        claims = {member: _decode(metadata.user_data) for member, metadata in members.items()}
        answer = {}
        for member, owned in assign_units(units, subscribed, claims).items():
            by_topic: dict[str, list[int]] = {}
            for topic, partition in owned:
                by_topic.setdefault(topic, []).extend(partitions[topic] if partition == -1 else [partition])
            answer[member] = ConsumerProtocolMemberAssignment(0, sorted(by_topic.items()), b"")
        return answer

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:  # type: ignore[override]
        """Called at each join."""
        return ConsumerProtocolMemberMetadata(0, sorted(topics), msgspec.json.encode(self._claim))

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:  # type: ignore[override]
        """Called with what this member was given; `own` notes it, with the generation."""


class PartitionAssignor(StickyAssignor):
    """Spreads partitions over the members: for ingest."""

    def __init__(self) -> None:
        super().__init__(whole_topics=False)


class TopicAssignor(StickyAssignor):
    """Gives all partitions of a topic to one member: for the alert workers, whose unit is the sector."""

    def __init__(self) -> None:
        super().__init__(whole_topics=True)


def _decode(user_data: bytes | None) -> Claim:
    try:
        return msgspec.json.decode(user_data or b"", type=Claim)
    except msgspec.MsgspecError:
        return Claim(-1, [])
