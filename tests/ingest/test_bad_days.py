"""Another log, lost records, an absent database or broker, several workers: nothing is lost, nothing counts twice."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import yaml
from aiokafka.admin import AIOKafkaAdminClient

from city.actor import Actor
from city.kafka import ensure_topics, open_log_reader, topic_for
from city.migrations import migrate
from city.settings import Settings
from citywatch.embedded.broker import EmbeddedBroker
from citywatch.embedded.postgres import FOR_TESTS, EmbeddedPostgres
from ingest import ledger
from ingest.worker import run
from tests.ingest.conftest import City, event, now_us

TRAFFIC = topic_for("traffic")
embedded_only = pytest.mark.only(broker="embedded")


def readings(first: int, count: int, *, start_us: int) -> list[bytes | None]:
    return [event(f"VVK-{i % 50:03}", start_us + i * 1000, {"speed_kmh": i % 90}) for i in range(first, first + count)]


async def differences(city: City, wait_s: float = 5) -> list[tuple[str, str, int]]:
    async with open_log_reader(city.settings, [TRAFFIC]) as reader:
        found = await ledger.verify(city.pool, reader, [TRAFFIC], wait_s=wait_s)
    return [(difference.code, difference.topic, difference.partition) for difference in found]


async def test_two_workers_share_and_a_third_takes_over_what_one_leaves(city: City) -> None:
    now, sent, owners = now_us(), 0, set[str]()
    async with city.worker("left"):
        async with city.worker("right"), asyncio.timeout(120):
            while owners != {"left", "right"}:
                await city.publish(readings(sent, 50, start_us=now))
                sent += 50
                await asyncio.sleep(0.15)
                rows = await city.pool.fetch("SELECT DISTINCT owner FROM ledger WHERE topic = $1", TRAFFIC)
                owners = {row["owner"] for row in rows}
            await city.until_total(sent)
        await city.publish(readings(sent, 500, start_us=now))
        sent += 500
        books = await city.until_total(sent)
    assert (books["stored"], books["duplicate"]) == (sent, 0)
    assert await city.pool.fetchval("SELECT count(*) FROM reading") == sent
    assert await differences(city) == []


async def test_the_same_readings_through_two_workers_at_once_are_stored_once(city: City) -> None:
    now = now_us()
    async with city.worker("left"), city.worker("right"):
        for part in range(20):
            same = readings(part * 200, 200, start_us=now)
            await asyncio.gather(*(city.publish(order, partition=p) for p, order in enumerate((same, same[::-1]))))
        books = await city.until_total(8000)
    assert books["readings_stored"] == 4000 == await city.pool.fetchval("SELECT count(*) FROM reading")
    assert (books["stored"], books["duplicate"], books["readings_conflict"]) == (4000, 4000, 0)


@embedded_only
@pytest.mark.parametrize("given", ["same cluster", "another cluster"])
async def test_a_restarted_broker_is_another_log_and_nothing_of_it_is_skipped(
    city: City, embedded_broker: EmbeddedBroker, given: str
) -> None:
    now = now_us()
    async with city.worker():
        await city.publish(readings(0, 1000, start_us=now))
        await city.until_total(1000)
        if given == "same cluster":
            embedded_broker._given_cluster = True
        await asyncio.to_thread(embedded_broker.stop)
        embedded_broker.launch()
        await asyncio.to_thread(embedded_broker.wait_ready)
        await ensure_topics(city.settings, city.catalogue)
        await city.publish(readings(1000, 1500, start_us=now))
        books = await city.until_total(2500)
    assert (books["stored"], books["duplicate"]) == (2500, 0)
    logs = "count(DISTINCT cluster)" if given == "another cluster" else "max(generation)"
    assert await city.pool.fetchval(f"SELECT {logs} FROM ledger WHERE topic = $1", TRAFFIC) == 2
    assert await differences(city) == []


async def test_a_topic_created_anew_is_another_generation(city: City) -> None:
    now = now_us()
    async with city.worker():
        await city.publish(readings(0, 300, start_us=now))
        await city.until_total(300)
    admin = AIOKafkaAdminClient(bootstrap_servers=city.settings.kafka_bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([TRAFFIC])
    finally:
        await admin.close()
    await asyncio.sleep(1)
    await ensure_topics(city.settings, city.catalogue)
    async with city.worker():
        await city.publish(readings(300, 700, start_us=now))
        books = await city.until_total(1000)
    assert books["stored"] == 1000
    assert await city.pool.fetchval("SELECT max(generation) FROM ledger WHERE topic = $1", TRAFFIC) == 2
    assert await differences(city) == []


async def test_what_retention_took_unread_is_booked_and_shown_until_accepted(city: City) -> None:
    now = now_us()
    await city.publish(readings(0, 500, start_us=now), partition=0)
    async with city.worker():
        await city.until_total(500)
    # Books that stand before the log's start, as after retention: the broker of the test cannot be made to forget.
    await city.pool.execute(
        "UPDATE ledger SET first_offset = -40, next_offset = -30, stored = 10, readings_stored = 10 "
        "WHERE topic = $1 AND partition = 0",
        TRAFFIC,
    )
    await city.pool.execute("TRUNCATE reading")
    async with city.worker():
        books = await city.until_total(540)
    assert books["expired"] == 30
    assert books["stored"] == 510
    assert await differences(city) == [("expired", TRAFFIC, 0)]
    assert await ledger.accept_expired(city.pool, Actor("local", "1000", "an operator")) == 30
    assert await differences(city) == []
    audit = await city.pool.fetchrow("SELECT actor, action, after ->> 'records' AS records FROM audit")
    assert audit is not None
    assert tuple(audit) == ("an operator", "ledger.accept", "30")


async def test_verify_tells_of_unread_records(city: City) -> None:
    await city.publish(readings(0, 10, start_us=now_us()), partition=0)
    assert await differences(city, wait_s=0) == [("unread", TRAFFIC, 0)]
    async with city.worker():
        await city.until_total(10)
        assert await differences(city) == []
    await city.publish(readings(10, 10, start_us=now_us()), partition=0)
    assert await differences(city, wait_s=0) == [("unread", TRAFFIC, 0)]


@pytest.fixture
async def own_database(tmp_path: Path, settings: Settings) -> AsyncIterator[tuple[EmbeddedPostgres, City]]:
    """A city with a database server of its own, which the test may kill."""
    server = EmbeddedPostgres(tmp_path / "pg", tuning=FOR_TESTS)
    server.start()
    server.create_database("citywatch")
    changed = settings.model_copy(update={"database_dsn": server.dsn()})
    await migrate(server.dsn(), "plain")
    pool = await asyncpg.create_pool(server.dsn(), min_size=0, max_size=2)
    city = City(changed, pool)
    await ensure_topics(changed, city.catalogue)
    try:
        yield server, city
    finally:
        pool.terminate()
        server.stop()


async def test_a_killed_database_is_waited_for_and_resumed(own_database: tuple[EmbeddedPostgres, City]) -> None:
    server, city = own_database
    now = now_us()
    async with city.worker():
        await city.publish(readings(0, 500, start_us=now))
        await city.until_total(500)
        publishing = asyncio.create_task(_trickle(city, now))
        await asyncio.sleep(0.5)
        assert server.process is not None
        server.process.send_signal(signal.SIGQUIT)  # no farewell: sessions break, recovery from the log
        await asyncio.to_thread(server.process.wait)
        await publishing
        server.launch()
        await asyncio.to_thread(server.wait_ready)
        await city.pool.expire_connections()
        books = await city.until_total(2500)
    assert (books["stored"], books["duplicate"]) == (2500, 0)
    assert await city.pool.fetchval("SELECT count(*) FROM reading") == 2500
    assert await differences(city) == []


async def _trickle(city: City, now: int) -> None:
    for part in range(20):
        await city.publish(readings(500 + part * 100, 100, start_us=now))
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("absent", ["database", "broker"])
async def test_a_worker_waits_for_its_servers_and_stops_without_them(settings: Settings, absent: str) -> None:
    nowhere = {
        "database": {"database_dsn": "postgresql://nobody@127.0.0.1:1/none"},
        "broker": {"kafka_bootstrap": "127.0.0.1:1"},
    }
    stop = asyncio.Event()
    worker = asyncio.create_task(run(settings.model_copy(update=nowhere[absent]), stop))
    await asyncio.sleep(0.5)
    assert not worker.done()
    stop.set()
    async with asyncio.timeout(5):
        await worker


@embedded_only
async def test_a_worker_stops_while_the_broker_is_away(city: City, embedded_broker: EmbeddedBroker) -> None:
    async with city.worker() as worker:
        await city.publish(readings(0, 10, start_us=now_us()))
        await city.until_total(10)
        await asyncio.to_thread(embedded_broker.stop)
        await asyncio.sleep(1)
        assert not worker.done()


@embedded_only  # whose record time the producer sets
async def test_a_flood_of_late_records_is_counted_whole_and_kept_in_part(city: City) -> None:
    second = (now_us() // 1_000_000 + 1) * 1_000_000
    old = second - (city.settings.raw_retention_days + 2) * 86_400_000_000
    values = [event("VVK-1", old + i, {"speed_kmh": 1}) for i in range(1100)]
    async with city.worker():
        await city.publish(values, partition=0, timestamp_us=second)
        books = await city.until_total(1100)
    assert books["late"] == 1100
    row = await city.pool.fetchrow(
        "SELECT sum(records)::int AS records, count(raw) AS kept, count(*) AS rows FROM dead_letter"
    )
    assert row is not None
    assert (row["records"], row["kept"]) == (1100, 110)
    assert row["rows"] < 130


async def test_series_beyond_the_limit_are_refused_whole_and_the_known_go_on(city: City, tmp_path: Path) -> None:
    now = now_us()
    limited = _limited_city(city.settings, tmp_path)
    many = [event(f"X-{i}", now + i, {"speed_kmh": 1, "flow_vph": 2}) for i in range(30)]
    async with city.worker(city=limited):
        await city.publish(many, partition=0)
        await city.until_total(30)
        await city.publish([event("X-0", now + 99, {"speed_kmh": 3})], partition=0)
        books = await city.until_total(31)
    assert (books["stored"], books["dead"]) == (11, 20)
    assert await city.pool.fetchval("SELECT count(*) FROM series") == 20
    assert await city.pool.fetchval("SELECT count(*) FROM asset") == 10
    assert await city.pool.fetchval("SELECT count(*) FROM dead_letter WHERE reason = 'too_many_series'") == 20


def _limited_city(settings: Settings, tmp_path: Path) -> Path:
    folder = tmp_path / "city"
    shutil.copytree(settings.city, folder)
    path = folder / "sectors.yaml"
    text = yaml.safe_load(path.read_text())
    text.get("sectors", text)["traffic"]["series_limit"] = 20
    path.write_text(yaml.safe_dump(text, allow_unicode=True))
    return folder


@embedded_only  # whose record time the producer sets
async def test_a_producer_that_dates_its_records_to_the_end_of_time_harms_nobody(city: City) -> None:
    end_us, now = 253_402_300_799_000_000, now_us()
    async with city.worker():
        await city.publish([event("VVK-1", end_us, {"speed_kmh": 1})], partition=0, timestamp_us=end_us)
        await city.publish([event("VVK-1", now, {"speed_kmh": 2})], partition=0, timestamp_us=end_us)
        await city.publish([event("VVK-1", now + 1, {"speed_kmh": 3})], partition=0)
        books = await city.until_total(3)
    assert (books["stored"], books["dead"]) == (2, 1)
    assert await city.pool.fetchval("SELECT reason FROM dead_letter") == "future_time"
    assert await city.pool.fetchval("SELECT to_us(max(time)) FROM reading") == now + 1
    assert await differences(city) == []
