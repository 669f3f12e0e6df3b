"""A log of many small batches: the embedded broker needs longer to find a place in it than a short wait allows."""

from confluent_kafka import Producer

from city.kafka import TopicPartition, open_log_reader, record_hash
from city.kafka.records import Record
from city.settings import Settings
from tests.kafka.conftest import MakeTopic

RECORDS = 12_000
TP = TopicPartition("city.traffic.events", 0)


async def test_the_last_record_is_found_again_in_a_long_log(kafka_settings: Settings, make_topic: MakeTopic) -> None:
    await make_topic(TP.topic, 1)
    producer = Producer({"bootstrap.servers": kafka_settings.kafka_bootstrap, "linger.ms": 0, "batch.num.messages": 5})
    for number in range(RECORDS):
        producer.produce(TP.topic, b"x" * 300, key=b"%d" % number, timestamp=1_700_000_000_000, partition=0)
        if number % 1000 == 0:
            producer.poll(0)
    assert producer.flush(60) == 0

    async with open_log_reader(kafka_settings, [TP.topic]) as log:
        for offset in (1, RECORDS // 2, RECORDS - 1):
            found = await log.last_record_hash(TP, offset)
            assert found is not None
            if kafka_settings.broker == "embedded":
                whole = Record(offset, 1_700_000_000_000_000, b"%d" % offset, b"x" * 300, ())
                assert found == record_hash(whole)
            told = await log.record_time(TP, offset)
            assert told is not None
            assert told == 1_700_000_000_000_000 or kafka_settings.broker == "kafka"
        assert await log.last_record_hash(TP, RECORDS) is None
        assert await log.record_time(TP, RECORDS) is None
