"""Names of the topics, and their creation."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

import structlog
from aiokafka import errors as remote
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from city.kafka.errors import BrokerUnavailable, KafkaError, TopicMisconfigured
from city.kafka.log import TIMESTAMP_TYPE
from city.settings import Settings

LIVE: Final = "city.live"
ALERTS: Final = "city.alerts"
DEADLETTERS: Final = "city.deadletters"

_PARTITIONS: Final = 6
_MESSAGE_BYTES: Final = "1048588"  # Kafka's own default, whatever the cluster's is: a batch is read whole into memory

log = structlog.get_logger(__name__)


class _Sector(Protocol):
    @property
    def deep(self) -> bool: ...


class _Catalogue(Protocol):
    @property
    def sectors(self) -> Mapping[str, _Sector]: ...


class TopicPlan(NamedTuple):
    """A topic as it should be."""

    name: str
    partitions: int
    log_append_time: bool


def topic_for(sector: str) -> str:
    """Topic that a sector publishes to."""
    return f"city.{sector}.events"


def sector_of(topic: str) -> str | None:
    """The sector of a topic; None for the topics that are no sector's."""
    parts = topic.split(".")
    return parts[1] if len(parts) == 3 and parts[0] == "city" and parts[2] == "events" else None


def planned_topics(settings: Settings, catalogue: _Catalogue) -> list[TopicPlan]:
    """Every topic of the city: 6 partitions a sector; on the embedded broker 2 for a deep sector, else 1."""
    on_kafka = settings.broker == "kafka"
    plans = [
        TopicPlan(topic_for(name), _PARTITIONS if on_kafka else 2 if sector.deep else 1, on_kafka)
        for name, sector in sorted(catalogue.sectors.items())
    ]
    return [*plans, *(TopicPlan(name, 1, on_kafka) for name in (LIVE, ALERTS, DEADLETTERS))]


async def ensure_topics(settings: Settings, catalogue: _Catalogue) -> list[str]:
    """Create what is missing; returns the names created. Topics that exist are left as they are: nothing is grown.

    Raises:
        TopicMisconfigured: an existing sector topic has no LogAppendTime on Apache Kafka; the message has the command.
        BrokerUnavailable: the broker does not answer.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap, request_timeout_ms=30_000)
    try:
        await admin.start()
        plans = planned_topics(settings, catalogue)
        existing = set(await admin.list_topics())
        created = await _create(admin, settings, [plan for plan in plans if plan.name not in existing])
        present = [plan for plan in plans if plan.name in existing]
        if present:
            await _check_partitions(admin, present)
        if settings.broker == "kafka" and present:
            await _check_timestamps(admin, settings, present)
        return created
    except (remote.KafkaConnectionError, remote.NodeNotReadyError, remote.RequestTimedOutError, OSError) as error:
        raise BrokerUnavailable(f"the broker at {settings.kafka_bootstrap} does not answer: {error}") from error
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, settings: Settings, plans: list[TopicPlan]) -> list[str]:
    if not plans:
        return []
    new = [
        NewTopic(
            plan.name,
            plan.partitions,
            settings.replication_factor,
            topic_configs={
                TIMESTAMP_TYPE: "LogAppendTime" if plan.log_append_time else "CreateTime",
                "max.message.bytes": _MESSAGE_BYTES,
            },
        )
        for plan in plans
    ]
    answer: Any = await admin.create_topics(new, timeout_ms=20_000)
    created = []
    for name, code, *message in answer.topic_errors:
        error = remote.for_code(code)
        if error is remote.NoError:
            created.append(name)
        elif error is not remote.TopicAlreadyExistsError:  # somebody else created it just now
            raise KafkaError(f"topic {name} could not be created: {error.__name__} {' '.join(map(str, message))}")
    if created:
        log.info("topics created", topics=created)
    return created


async def _check_partitions(admin: AIOKafkaAdminClient, plans: list[TopicPlan]) -> None:
    wanted = {plan.name: plan.partitions for plan in plans}
    for topic in await admin.describe_topics(list(wanted)):
        found = len(topic["partitions"])
        if found < wanted[topic["topic"]]:
            log.warning("topic has fewer partitions than planned", topic=topic["topic"], found=found, planned=wanted)


async def _check_timestamps(admin: AIOKafkaAdminClient, settings: Settings, plans: list[TopicPlan]) -> None:
    resources = [ConfigResource(ConfigResourceType.TOPIC, plan.name) for plan in plans]
    answers: list[Any] = await admin.describe_configs(resources)
    for answer in answers:
        for _, _, _, name, entries in answer.resources:
            for key, value, *_ in entries:
                if key == TIMESTAMP_TYPE and value != "LogAppendTime" and sector_of(name) is not None:
                    raise TopicMisconfigured(
                        f"topic {name} has {TIMESTAMP_TYPE}={value}, but events are judged by the broker's time: "
                        f"kafka-configs.sh --bootstrap-server {settings.kafka_bootstrap} --alter --entity-type topics "
                        f"--entity-name {name} --add-config {TIMESTAMP_TYPE}=LogAppendTime"
                    )
