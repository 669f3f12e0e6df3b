"""The exceptions of this package; each has a stable code and a sentence for a person."""

from typing import ClassVar

from city.kafka.records import TopicPartition


class KafkaError(Exception):
    """Base of what this package raises."""

    code: ClassVar[str] = "kafka"


class BrokerUnavailable(KafkaError):
    """No broker answered in time; what was asked may be tried again."""

    code = "broker_unavailable"


class OffsetGone(KafkaError):
    """The broker no longer has `position`: its log starts at `log_start`. Book the range as expired, then seek."""

    code = "offset_gone"

    def __init__(self, tp: TopicPartition, position: int, log_start: int) -> None:
        super().__init__(
            f"{tp.topic}/{tp.partition}: offsets {position} to {log_start - 1} are gone, retention took them unread"
        )
        self.tp = tp
        self.position = position
        self.log_start = log_start


class TopicMisconfigured(KafkaError):
    """A topic that exists is not as the services need it; the message says what to change."""

    code = "topic_misconfigured"


class PublishRefused(KafkaError):
    """The broker refused a record: it was not stored, and sending the same again would not help."""

    code = "publish_refused"


class PublishUnknown(KafkaError):
    """No acknowledgement came in time: the record may or may not be stored; it is safe to send it again."""

    code = "publish_unknown"
