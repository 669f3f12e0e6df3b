"""Apache Kafka for tests: a new folder is an empty cluster, a restart keeps the log, its jars are the pinned ones."""

import shutil
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from citywatch.embedded import kafka_jars
from citywatch.embedded.kafka import ApacheKafka
from citywatch.embedded.process import EmbeddedError

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.skipif(shutil.which("java") is None or shutil.which("mvn") is None, reason="needs Java and Maven"),
]


async def test_a_restart_keeps_the_log_and_another_folder_is_another_cluster(tmp_path: Path) -> None:
    first, second = ApacheKafka(tmp_path / "a"), ApacheKafka(tmp_path / "b")
    first.start()
    try:
        admin = AIOKafkaAdminClient(bootstrap_servers=first.bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic("city.traffic.events", num_partitions=1, replication_factor=1)])
        assert (await admin.describe_cluster())["cluster_id"] == first.cluster_id
        await admin.close()
        async with AIOKafkaProducer(bootstrap_servers=first.bootstrap, acks="all") as producer:
            sent = await producer.send_and_wait("city.traffic.events", b"kept")
        assert sent.timestamp_type == 1, "LogAppendTime, as in production"

        first.stop()
        first.start()
        async with AIOKafkaConsumer(bootstrap_servers=first.bootstrap, auto_offset_reset="earliest") as consumer:
            consumer.assign([TopicPartition("city.traffic.events", 0)])
            assert (await consumer.getone()).value == b"kept"
    finally:
        first.stop()
    second.start()
    second.stop()
    assert second.cluster_id != first.cluster_id


def test_a_jar_with_another_hash_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [jar._replace(sha256="0" * 64) for jar in kafka_jars.pinned() if jar.artifact == "kafka-server"]
    monkeypatch.setattr(kafka_jars, "pinned", lambda: wrong)
    with pytest.raises(EmbeddedError, match=r"kafka-server-.*\.jar is not the file that kafka-jars\.txt pins"):
        kafka_jars.jars(tmp_path)
    assert not list(tmp_path.glob("*/*.jar"))
