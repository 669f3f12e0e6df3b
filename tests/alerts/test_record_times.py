"""A topic that keeps its producers' times is one alert of its sector, whatever the workers do, until it is mended."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from alerts.record_times import RecordTimes
from city.kafka import open_log_reader, topic_for
from city.zones import ZoneMap
from tests.alerts.conftest import City

TRAFFIC, HEALTH = topic_for("traffic"), topic_for("health")
SHOWN = "SELECT group_key, state, body FROM alert WHERE rule = 'system-record-times' ORDER BY raised_at, group_key"

SetType = Callable[[str, str], Awaitable[None]]


async def states(city: City) -> list[tuple[str, str]]:
    return [(row["group_key"], row["state"]) for row in await city.pool.fetch(SHOWN)]


async def until(city: City, wanted: list[tuple[str, str]]) -> None:
    deadline = time.monotonic() + 60
    while await states(city) != wanted:
        assert time.monotonic() < deadline, await states(city)
        await asyncio.sleep(0.1)


@pytest.fixture
async def set_type(city: City) -> AsyncIterator[SetType]:
    """Sets message.timestamp.type of a topic, as somebody does who runs Kafka."""
    admin = AIOKafkaAdminClient(bootstrap_servers=city.settings.kafka_bootstrap)
    await admin.start()

    async def change(topic: str, value: str) -> None:
        configs = {"message.timestamp.type": value}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])

    yield change
    await admin.close()


@pytest.mark.only(broker="kafka")
async def test_workers_open_it_keep_it_through_restarts_and_clear_it(city: City, set_type: SetType) -> None:
    await set_type(TRAFFIC, "CreateTime")
    async with city.worker():
        await until(city, [(TRAFFIC, "unacknowledged")])
        await city.owned()
    body = json.loads((await city.pool.fetch(SHOWN))[0]["body"])
    assert (body["sector"], body["severity"], body["metric"]) == ("traffic", "warning", "record_times")
    assert (body["value"], body["limit"], body["unit"]) == (None, None, "")
    assert body["title"]["en"] == "Record times not the broker's: Traffic"
    async with city.worker():  # recovery of the sector neither clears what no engine holds nor raises it again
        await city.owned()
        await set_type(HEALTH, "CreateTime")
        await until(city, [(TRAFFIC, "unacknowledged"), (HEALTH, "unacknowledged")])
        await set_type(TRAFFIC, "LogAppendTime")
        await until(city, [(TRAFFIC, "returned_unacknowledged"), (HEALTH, "unacknowledged")])
        await set_type(HEALTH, "LogAppendTime")
        await until(city, [(TRAFFIC, "returned_unacknowledged"), (HEALTH, "returned_unacknowledged")])
    assert [kind for kind, _, _ in await city.history()] == ["raised", "raised", "cleared", "cleared"]


@pytest.mark.only(broker="kafka")
async def test_the_broker_tells_whose_times_a_topic_has(city: City, set_type: SetType) -> None:
    await set_type(TRAFFIC, "CreateTime")
    wanted = {TRAFFIC: "CreateTime", HEALTH: "LogAppendTime", "city.nowhere.events": "none"}
    deadline = time.monotonic() + 40
    async with open_log_reader(city.settings) as reader:
        while (told := await reader.timestamp_types(wanted)) != wanted:  # the broker follows the change a moment later
            assert time.monotonic() < deadline, told
            await asyncio.sleep(0.1)


async def test_two_who_look_at_once_open_one_and_what_is_not_told_of_changes_nothing(city: City) -> None:
    zones = ZoneMap.load(city.settings.city)
    one, other = (RecordTimes(city.settings, city.pool, city.catalogue, zones, name) for name in ("one", "two"))
    await asyncio.gather(one.look({TRAFFIC: "CreateTime"}, 1_000_000), other.look({TRAFFIC: "CreateTime"}, 2_000_000))
    await one.look({}, 3_000_000)
    assert await states(city) == [(TRAFFIC, "unacknowledged")]
    await other.look({TRAFFIC: "none"}, 4_000_000)  # the topic was deleted
    assert await states(city) == [(TRAFFIC, "returned_unacknowledged")]
    await one.look({TRAFFIC: "CreateTime"}, 5_000_000)
    assert await states(city) == [(TRAFFIC, "normal"), (TRAFFIC, "unacknowledged")]
