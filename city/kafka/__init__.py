"""Kafka as the services need it: offsets in our database, every one accounted for, nothing hostile blocks."""

from city.kafka.assignor import PartitionAssignor, StickyAssignor, TopicAssignor
from city.kafka.consumer import GroupConsumer
from city.kafka.errors import (
    BrokerUnavailable,
    KafkaError,
    OffsetGone,
    PublishRefused,
    PublishUnknown,
    TopicMisconfigured,
)
from city.kafka.log import LogReader, TimestampType, open_log_reader
from city.kafka.partition import Progress
from city.kafka.producer import Producer, Sent
from city.kafka.records import Batch, Record, Refused, TopicPartition, record_hash
from city.kafka.topics import ALERTS, DEADLETTERS, LIVE, ensure_topics, planned_topics, sector_of, topic_for

__all__ = [
    "ALERTS",
    "DEADLETTERS",
    "LIVE",
    "Batch",
    "BrokerUnavailable",
    "GroupConsumer",
    "KafkaError",
    "LogReader",
    "OffsetGone",
    "PartitionAssignor",
    "Producer",
    "Progress",
    "PublishRefused",
    "PublishUnknown",
    "Record",
    "Refused",
    "Sent",
    "StickyAssignor",
    "TimestampType",
    "TopicAssignor",
    "TopicMisconfigured",
    "TopicPartition",
    "ensure_topics",
    "open_log_reader",
    "planned_topics",
    "record_hash",
    "sector_of",
    "topic_for",
]
