"""Alerts from a real database to a WebSocket: snapshot, deltas, filters, resuming, gaps."""

import asyncio

import asyncpg
import httpx

from center.alertchannel import CATCH_UP
from city.settings import Settings
from tests.center.conftest import Running, move_alert, raise_alert, running


async def test_hello_snapshot_delta_and_heartbeat(center: Running, db: asyncpg.Connection) -> None:
    await raise_alert(db, 1)
    async with center.listen() as client:
        hello = await client.next()
        assert (hello["type"], hello["version"], hello["heartbeat_s"]) == ("hello", "citywatch.v1", 2)
        assert hello["epoch"] == await db.fetchval("SELECT value #>> '{}' FROM city_state WHERE key = 'epoch'")
        await client.say(type="subscribe", channel="alerts")
        snapshot = await client.next("snapshot")
        if not snapshot["alerts"]:  # the center had not seen it yet
            snapshot["alerts"] = [(await client.next("delta"))["alert"]]
        assert [alert["group"] for alert in snapshot["alerts"]] == ["PA-1"]
        await raise_alert(db, 2)
        delta = await client.next("delta")
        assert (delta["seq"], delta["kind"], delta["alert"]["group"]) == (2, "raised", "PA-2")
        beat = await client.next("heartbeat")
        assert beat["alerts_through"] == 2


async def test_every_step_of_a_life_is_told_once_and_in_order(center: Running, db: asyncpg.Connection) -> None:
    async with center.listen() as client:
        await client.say(type="subscribe", channel="alerts")
        await client.next("snapshot")
        await raise_alert(db, 1, notify=False)
        await move_alert(db, 1, "escalated", severity="emergency")
        await move_alert(db, 1, "acknowledged", "Lan")
        await move_alert(db, 1, "cleared")
        told = [await client.next("delta") for _ in range(4)]
        assert [delta["seq"] for delta in told] == [1, 2, 3, 4]
        assert [delta["prev"] for delta in told] == [0, 1, 2, 3]
        assert [delta["alert"]["state"] for delta in told] == [
            "unacknowledged",
            "unacknowledged",
            "acknowledged",
            "normal",
        ]


async def test_without_any_hint_the_poll_finds_it(center: Running, db: asyncpg.Connection) -> None:
    async with center.listen() as client:
        await client.say(type="subscribe", channel="alerts")
        await client.next("snapshot")
        await raise_alert(db, 1, notify=False)
        assert (await client.next("delta"))["seq"] == 1


async def test_a_filter_by_sector_and_its_prev(center: Running, db: asyncpg.Connection) -> None:
    async with center.listen() as client:
        await client.say(type="subscribe", channel="alerts", filter={"sectors": ["traffic"]})
        await client.next("snapshot")
        for number, sector in enumerate(["traffic", "health", "traffic"], 1):
            await raise_alert(db, number, sector=sector)
        told = [await client.next("delta") for _ in range(2)]
        assert [(delta["prev"], delta["seq"]) for delta in told] == [(0, 1), (1, 3)]


async def test_a_reconnect_at_another_instance_misses_nothing(topics: Settings, db: asyncpg.Connection) -> None:
    async with running(topics) as first, running(topics) as second:
        async with first.listen() as client:
            epoch = (await client.next("hello"))["epoch"]
            await client.say(type="subscribe", channel="alerts", filter={"sectors": ["traffic"]})
            await client.next("snapshot")
            await raise_alert(db, 1, sector="traffic")
            assert (await client.next("delta"))["seq"] == 1
        for number in range(2, 41):
            await raise_alert(db, number, sector="traffic" if number % 3 else "health", notify=False)
        async with second.listen() as client:
            wanted = {"sectors": ["traffic"]}
            await client.say(type="subscribe", channel="alerts", filter=wanted, since=1, epoch=epoch)
            await raise_alert(db, 41, sector="traffic")
            expected = [number for number in range(2, 42) if number % 3]
            have, told = 1, []
            for _ in expected:
                delta = await client.until(
                    lambda message: message["type"] != "heartbeat" and message["type"] != "hello"
                )
                assert delta["type"] == "delta"
                assert delta["prev"] <= have < delta["seq"]
                have = delta["seq"]
                told.append(have)
            assert told == expected


async def test_another_epoch_and_too_far_back_are_a_gap_and_a_snapshot(center: Running, db: asyncpg.Connection) -> None:
    for number in range(1, CATCH_UP + 3):
        await raise_alert(db, number, notify=False)
    async with center.listen() as client:
        epoch = (await client.next("hello"))["epoch"]
        await client.until(lambda message: message.get("alerts_through") == CATCH_UP + 2)
        for since, named in ((5, "another database"), (1, epoch), (CATCH_UP + 9, epoch)):
            await client.say(type="subscribe", channel="alerts", since=since, epoch=named)
            gap = await client.next("gap")
            assert (gap["channel"], gap["from"], gap["to"]) == ("alerts", since, CATCH_UP + 2)
            assert len((await client.next("snapshot"))["alerts"]) == CATCH_UP + 2


async def test_the_follower_outlives_its_connection(center: Running, db: asyncpg.Connection) -> None:
    async with center.listen() as client:
        await client.say(type="subscribe", channel="alerts")
        await client.next("snapshot")
        ended = await db.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'center follower' AND datname = current_database()"
        )
        assert ended == 1
        await raise_alert(db, 1)
        assert (await client.next("delta"))["seq"] == 1


async def test_another_database_behind_the_same_address_is_noticed(center: Running, db: asyncpg.Connection) -> None:
    await raise_alert(db, 1)
    async with center.listen() as client:
        await client.say(type="subscribe", channel="alerts")
        await client.until(lambda message: message.get("alerts_through") == 1)
        await db.execute("DELETE FROM alert_history; DELETE FROM alert; UPDATE alert_sequence SET seq = 0")
        await db.execute("UPDATE city_state SET value = to_jsonb('another'::text) WHERE key = 'epoch'")
        gap = await client.next("gap")
        assert gap["channel"] == "alerts"
        assert (await client.next("snapshot"))["alerts"] == []
    async with center.listen() as client:
        assert (await client.next("hello"))["epoch"] == "another"


async def test_acknowledging_by_rest_is_told_and_only_the_first_hand_counts(
    center: Running, http: httpx.AsyncClient, db: asyncpg.Connection
) -> None:
    await raise_alert(db, 1)
    path = "/api/v1/alerts/00000000-0000-0000-0000-000000000001"
    async with center.listen() as client:
        await client.say(type="subscribe", channel="alerts")
        await client.next("snapshot")
        first, second = await asyncio.gather(http.post(f"{path}/acknowledge"), http.post(f"{path}/acknowledge"))
        won, lost = sorted((first, second), key=lambda answer: answer.status_code)
        assert (won.status_code, lost.status_code) == (200, 409)
        name = won.json()["acknowledged_by"]
        assert name in lost.json()["error"]["message"]
        delta = await client.until(lambda message: message.get("kind") == "acknowledged")
        assert delta["alert"]["acknowledged_by"] == name
    kinds = [step["kind"] for step in (await http.get(f"{path}/history")).json()["transitions"]]
    assert kinds == ["raised", "acknowledged"]


async def test_a_restart_is_announced(topics: Settings) -> None:
    async with running(topics) as center, center.listen() as client:
        await client.next("hello")
        center.stop.set()
        assert (await client.next("restarting"))["in_s"] > 0
