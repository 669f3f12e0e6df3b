"""Topics by their ids (KIP-516): a topic deleted and created anew under the same name has another id.

A fetch that names the id of the topic that was verified can't be answered from any other log, however fast that one was
filled. A broker that doesn't speak these versions is asked by name, as before.
"""

from collections.abc import Mapping
from typing import Any, Final

from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

UNKNOWN_TOPIC_ID: Final = 100
INCONSISTENT_TOPIC_ID: Final = 103
_NO_ID: Final = bytes(16)
_TAGS: Final = ("tags", TaggedFields)

Wanted = list[tuple[str, list[tuple[int, int, int]]]]
"""What to fetch: (topic, [(partition, offset, bytes at most), …])."""


class Uuid(AbstractType[bytes]):
    """Sixteen bytes as they are."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: Any) -> bytes:
        return bytes(data.read(16))


class MetadataResponse_v12(Response):
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32), ("host", CompactString()), ("port", Int32), ("rack", CompactString()), _TAGS
            ),
        ),
        ("cluster_id", CompactString()),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString()),
                ("topic_id", Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        _TAGS,
                    ),
                ),
                ("authorized_operations", Int32),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class MetadataRequest_v12(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = MetadataResponse_v12
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", Uuid), ("topic", CompactString()), _TAGS)),
        ("allow_auto_topic_creation", Boolean),
        ("include_authorized_operations", Boolean),
        _TAGS,
    )


class FetchResponse_v13(Response):
    API_KEY = 1
    API_VERSION = 13
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("session_id", Int32),
        (
            "topics",
            CompactArray(
                ("topic_id", Uuid),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("highwater_offset", Int64),
                        ("last_stable_offset", Int64),
                        ("log_start_offset", Int64),
                        ("aborted", CompactArray(("producer_id", Int64), ("first_offset", Int64), _TAGS)),
                        ("preferred_read_replica", Int32),
                        ("records", CompactBytes),
                        _TAGS,
                    ),
                ),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class FetchRequest_v13(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 1
    API_VERSION = 13
    RESPONSE_TYPE = FetchResponse_v13
    SCHEMA = Schema(
        ("replica_id", Int32),
        ("max_wait_ms", Int32),
        ("min_bytes", Int32),
        ("max_bytes", Int32),
        ("isolation_level", Int8),
        ("session_id", Int32),
        ("session_epoch", Int32),
        (
            "topics",
            CompactArray(
                ("topic_id", Uuid),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("current_leader_epoch", Int32),
                        ("fetch_offset", Int64),
                        ("last_fetched_epoch", Int32),
                        ("log_start_offset", Int64),
                        ("max_bytes", Int32),
                        _TAGS,
                    ),
                ),
                _TAGS,
            ),
        ),
        ("forgotten", CompactArray(("topic_id", Uuid), ("partitions", CompactArray(Int32)), _TAGS)),
        ("rack_id", CompactString()),
        _TAGS,
    )


class TopicIds(Request[MetadataRequest_v12]):
    """Asks for the ids of topics, without creating them; `ids_of` reads the answer."""

    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def prepare(self, versions: Any) -> Any:
        """By name alone where the broker doesn't speak of ids."""
        if _speaks(versions, MetadataRequest_v12):
            return self.build(MetadataRequest_v12)
        return MetadataRequest(self._topics, False).prepare(versions)

    def build(self, request_struct_class: type[MetadataRequest_v12]) -> MetadataRequest_v12:
        return request_struct_class([(_NO_ID, topic, {}) for topic in self._topics], False, False, {})


def ids_of(answer: Any) -> dict[str, bytes]:
    """Topic ids of an answer to `TopicIds`: of the topics that exist, empty from a broker that has no ids."""
    if answer.API_VERSION < MetadataResponse_v12.API_VERSION:
        return {}
    return {name: id_ for error, name, id_, *_ in answer.topics if error == 0 and id_ != _NO_ID}


class Fetch(Request[FetchRequest_v13]):
    """A fetch by ids where every topic's is known and the broker takes them, else by names."""

    API_KEY = 1

    def __init__(self, wait_ms: int, most: int, isolation: int, wanted: Wanted, ids: Mapping[str, bytes]) -> None:
        self._wait_ms = wait_ms
        self._most = most
        self._isolation = isolation
        self._wanted = wanted
        self._ids = ids

    def prepare(self, versions: Any) -> Any:
        """By name where an id is missing or the broker doesn't take them."""
        if all(topic in self._ids for topic, _ in self._wanted) and _speaks(versions, FetchRequest_v13):
            return self.build(FetchRequest_v13)
        return FetchRequest(self._wait_ms, 1, self._most, self._isolation, self._wanted).prepare(versions)

    def build(self, request_struct_class: type[FetchRequest_v13]) -> FetchRequest_v13:
        topics: list[tuple[Any, ...]] = [
            (self._ids[topic], [(partition, -1, offset, -1, -1, most, {}) for partition, offset, most in parts], {})
            for topic, parts in self._wanted
        ]
        return request_struct_class(-1, self._wait_ms, 1, self._most, self._isolation, 0, -1, topics, [], "", {})


def _speaks(versions: dict[int, tuple[int, int]], request: type[RequestStruct]) -> bool:
    least, most = versions.get(request.API_KEY, (0, -1))
    return least <= request.API_VERSION <= most
