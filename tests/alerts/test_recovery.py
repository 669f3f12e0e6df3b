"""What happens between owners: nothing is raised twice or forgotten, whatever stops, is lost or is replaced."""

import asyncio
import json
import uuid
from collections.abc import Sequence

import pytest

from alerts import recovery, snapshot, store
from alerts.body import Change
from alerts.freeze import freeze
from alerts.frozen import encode
from alerts.journal import Entry, Fenced, Journal, Place, Step
from alerts.lifecycle import IllegalAct
from city.actor import Actor
from city.kafka import ALERTS, GroupConsumer, TopicPartition, ensure_topics
from citywatch.embedded.broker import EmbeddedBroker
from tests.alerts.conftest import City
from tests.alerts.town import ALL, at, engine, feed, told, town


def raised(group: str, sector: str = "environment") -> Change:
    alert_id = str(uuid.uuid5(uuid.NAMESPACE_OID, group))
    body: dict[str, object] = {
        "id": alert_id,
        "rule": "flooded",
        "rule_version": 1,
        "group": group,
        "sector": sector,
        "asset": group,
        "zone": None,
        "severity": "warning",
        "raised_at": "2026-11-22T00:00:00.000000Z",
        "acknowledged_at": None,
        "acknowledged_by": None,
    }
    return Change("raised", alert_id, 1_795_331_220_000_000, body)


def cleared(change: Change) -> Change:
    return Change("cleared", change.id, change.event_us + 1, {"severity": "warning"})


def entry(journal: Journal) -> Entry:
    return Entry((Step("records", 0),), Place(journal.step + 1, 1, "", "", 0, {}))


async def commit(journal: Journal, *changes: Change) -> Sequence[int | None]:
    return await journal.commit(entry(journal), changes)


async def test_an_owner_that_was_replaced_writes_nothing(city: City) -> None:
    old = await Journal.take(city.pool, "environment", "old")
    await commit(old, raised("A"))
    new = await Journal.take(city.pool, "environment", "new")
    with pytest.raises(Fenced):
        await commit(old, raised("B"))
    assert await commit(new, raised("C")) == [2]
    assert [group for _, _, group in await city.history()] == ["A", "C"]


async def test_a_commit_that_is_tried_again_counts_once(city: City) -> None:
    journal = await Journal.take(city.pool, "environment", "one")
    assert await commit(journal, raised("A")) == [1]
    journal.step -= 1  # as if the answer had been lost
    assert await commit(journal, raised("A")) == []
    assert len(await city.history()) == 1


async def test_an_alert_that_existed_is_not_raised_again_by_a_replay(city: City) -> None:
    journal = await Journal.take(city.pool, "environment", "one")
    await commit(journal, raised("A"), cleared(raised("A")))
    assert await commit(journal, raised("A"), cleared(raised("A"))) == [None, None]
    assert len(await city.history()) == 2


async def test_what_returned_unseen_is_superseded_by_the_same_cause(city: City) -> None:
    journal = await Journal.take(city.pool, "environment", "one")
    again = raised("A")
    again = Change("raised", str(uuid.uuid4()), again.event_us + 10, {**again.body})
    again.body["id"] = again.id
    await commit(journal, raised("A"), cleared(raised("A")), again)
    assert [kind for kind, _, _ in await city.history()] == ["raised", "cleared", "superseded", "raised"]
    (shown,) = await store.shown_alerts(city.pool)
    assert json.loads(shown)["id"] == again.id


async def test_numbers_have_no_gap_with_many_writers_and_hands(city: City) -> None:
    sectors = list(city.catalogue.sectors)[:6]

    async def evaluate(sector: str) -> None:
        journal = await Journal.take(city.pool, sector, "one")
        for number in range(30):
            change = raised(f"{sector}-{number}", sector)
            await commit(journal, change)
            if number % 3 == 0:
                await commit(journal, cleared(change))

    async def acknowledge(hand: str) -> None:
        for _ in range(20):
            for text in await store.shown_alerts(city.pool):
                try:
                    await store.acknowledge(city.pool, uuid.UUID(json.loads(text)["id"]), Actor("person", hand, hand))
                    break
                except IllegalAct:
                    continue
            await asyncio.sleep(0)

    await asyncio.gather(*(evaluate(sector) for sector in sectors), acknowledge("Lan"), acknowledge("Minh"))
    history = await city.history()  # asserts 1, 2, 3, …
    assert sum(kind == "raised" for kind, _, _ in history) == 180
    assert len({group for kind, _, group in history if kind == "raised"}) == 180
    times = [row["at"] for row in await city.pool.fetch("SELECT at FROM alert_history ORDER BY seq")]
    assert times == sorted(times)


async def test_the_first_start_begins_at_the_brokers_end(city: City) -> None:
    await city.send("OLD", flood_cm=90)
    async with city.worker():
        await city.owned()
        await city.send("NEW", flood_cm=20)
        await city.until(lambda seen: len(seen) == 1)
    assert await city.alarms() == [("raised", "NEW")]


async def test_sessions_that_the_database_ends_cost_nothing(city: City) -> None:
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'citywatch-alerts%'"
    async with city.worker():
        await city.owned()
        for number in range(60):
            await city.send(f"F-{number}", flood_cm=20)
            if number % 10 == 5:
                await city.pool.execute(end)
        await city.until(lambda seen: len(seen) == 60)
    assert sorted(await city.alarms()) == sorted(("raised", f"F-{number}") for number in range(60))


@pytest.mark.only(broker="embedded")  # Apache Kafka keeps its log
async def test_another_log_neither_repeats_nor_forgets(city: City, embedded_broker: EmbeddedBroker) -> None:
    async with city.worker():
        await city.owned()
        for number in range(5):
            await city.send(f"F-{number}", flood_cm=20)
        await city.until(lambda seen: len(seen) == 5)
        await asyncio.to_thread(embedded_broker.stop)
    embedded_broker.start()
    await ensure_topics(city.settings, city.catalogue)
    await city.send("F-0", flood_cm=20)  # still flooded: no second alert
    await city.send("F-1", flood_cm=0)
    await city.send("F-2", age_s=30, flood_cm=0)  # from before its alarm
    await city.send("F-9", flood_cm=20)  # before anybody watches the new log
    async with city.worker():
        await city.until(lambda seen: len(seen) == 7, 30)
    assert sorted((await city.alarms())[5:]) == [("cleared", "F-1"), ("raised", "F-9")]


async def test_a_journal_of_another_engine_is_not_replayed(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    async with city.worker():
        await city.owned()
        await city.send("F-0", flood_cm=20)
        await city.until(lambda seen: len(seen) == 1)
    for module in ("engine", "freeze", "frozen", "recovery", "runner"):
        monkeypatch.setattr(f"alerts.{module}.ENGINE_VERSION", 999)
    await city.send("F-1", flood_cm=20)
    async with city.worker():
        await city.send("F-0", flood_cm=0)
        await city.until(lambda seen: len(seen) == 3)
    assert sorted(await city.alarms()) == [("cleared", "F-0"), ("raised", "F-0"), ("raised", "F-1")]


async def test_outsiders_get_every_transition_in_order(city: City) -> None:
    async def start(partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    seen: list[int] = []
    kinds: list[str] = []
    async with city.worker():
        await city.owned()
        for number in range(10):
            await city.send(f"F-{number}", flood_cm=20)
        async with GroupConsumer(city.settings, "outsider", [ALERTS], on_assigned=start) as consumer:
            async with asyncio.timeout(30):
                while len(seen) < 10:
                    for batch in await consumer.getmany(100, 0.5):
                        for record in batch.records:
                            told = json.loads(record.value or b"")
                            seen.append(told["data"]["seq"])
                            kinds.append(told["type"])
    assert seen == list(range(1, 11))
    assert set(kinds) == {"city.alert.raised.v1"}


async def test_snapshots_and_journal_stay_small(city: City) -> None:
    journal = await Journal.take(city.pool, "environment", "one")
    save = (snapshot.SAVE, "environment", journal.epoch)
    for _ in range(4):
        for _ in range(5):
            await commit(journal)
        assert await city.pool.fetchval(*save, journal.step, b"place", b"state") == "done"
        assert await city.pool.fetchval(*save, journal.step + 1, b"place", b"state") == "fenced"
    rows = await city.pool.fetch("SELECT step FROM engine_journal ORDER BY step")
    assert [row["step"] for row in rows] == [16, 17, 18, 19, 20]
    assert await city.pool.fetchval("SELECT count(*) FROM engine_snapshot") == 2


def test_timers_of_an_older_snapshot_count_for_nothing() -> None:
    """The readings between the snapshot and the place where reading goes on may have ended what was under way."""
    before = engine()
    feed(before, at(0, rain_mm_h=120))  # an emergency after 30 s of it; the warning is there at once
    feed(before, at(0, asset="PA-2", level_m=1.7))
    kept = snapshot.Snapshot(Place(1, 1, "", "", 0, {}), encode(freeze(before)))
    after = recovery._warmed(kept, town(), "river", ALL, ALL)
    assert told(feed(after, at(50, rain_mm_h=120))) == []
    assert told(feed(after, at(70, asset="PA-2", level_m=1.7))) == []
    assert told(feed(after, at(80, rain_mm_h=120))) == ["escalated rain emergency @80"]
    assert told(feed(before, at(40, rain_mm_h=120))) == ["escalated rain emergency @40"]
