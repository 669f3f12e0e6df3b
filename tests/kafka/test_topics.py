"""Topics are created as planned, once, and nothing that exists is changed."""

from types import SimpleNamespace

import pytest

from city.kafka import BrokerUnavailable, TopicMisconfigured, ensure_topics, open_log_reader, sector_of, topic_for
from city.settings import Settings
from tests.kafka.conftest import create_topic, only_on_kafka

CATALOGUE = SimpleNamespace(sectors={"traffic": SimpleNamespace(deep=True), "energy": SimpleNamespace(deep=False)})
OTHERS = ["city.alerts", "city.deadletters", "city.live"]


async def test_topics_are_created_once_with_the_planned_partitions(kafka_settings: Settings) -> None:
    created = await ensure_topics(kafka_settings, CATALOGUE)
    assert sorted(created) == sorted(["city.energy.events", "city.traffic.events", *OTHERS])
    assert await ensure_topics(kafka_settings, CATALOGUE) == []
    deep, other = (6, 6) if kafka_settings.broker == "kafka" else (2, 1)
    async with open_log_reader(kafka_settings) as log:
        assert len(await log.partitions("city.traffic.events")) == deep
        assert len(await log.partitions("city.energy.events")) == other
        assert [len(await log.partitions(name)) for name in OTHERS] == [1, 1, 1]
        assert await log.partitions("city.nothing.events") == []
        assert await log.cluster_id()


async def test_what_exists_is_not_grown(kafka_settings: Settings) -> None:
    await create_topic(kafka_settings, "city.traffic.events", 1)
    assert "city.traffic.events" not in await ensure_topics(kafka_settings, CATALOGUE)
    async with open_log_reader(kafka_settings) as log:
        assert len(await log.partitions("city.traffic.events")) == 1


@only_on_kafka
async def test_a_sector_topic_in_the_producers_time_is_refused_with_the_command(kafka_settings: Settings) -> None:
    await create_topic(kafka_settings, "city.traffic.events", 6, {"message.timestamp.type": "CreateTime"})
    with pytest.raises(TopicMisconfigured, match=r"kafka-configs\.sh .*--entity-name city\.traffic\.events"):
        await ensure_topics(kafka_settings, CATALOGUE)


async def test_without_a_broker_it_says_so() -> None:
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1 does not answer"):
        await ensure_topics(Settings(kafka_bootstrap="127.0.0.1:1", broker="kafka", _env_file=None), CATALOGUE)


def test_names() -> None:
    assert topic_for("health") == "city.health.events"
    assert sector_of("city.health.events") == "health"
    assert sector_of("city.live") is None
