"""The worker on a real broker and database: from a reading to history, through restarts, takeovers and renewals."""

import asyncio
import json
import time

from alerts import store
from city.actor import Actor
from city.timestamps import parse_time
from tests.alerts.conftest import City
from tests.alerts.streets import FLOOD, LASTING


async def test_a_reading_becomes_an_alert_and_clears(city: City) -> None:
    async with city.worker():
        await city.owned()
        await city.send("F-1", flood_cm=20)
        await city.until(lambda seen: seen == [("raised", "F-1")])
        await city.send("F-1", flood_cm=40)
        await city.send("F-1", flood_cm=5)
        await city.until(lambda seen: [kind for kind, _ in seen] == ["raised", "escalated", "cleared"])
    (row, *_) = await store.history_since(city.pool, 0, 10)
    alert = json.loads(row.body)
    assert alert["title"] == {"vi": "Ngập đường", "en": "Street flooded"}
    assert (alert["severity"], alert["state"], alert["value"], alert["limit"]) == ("warning", "unacknowledged", 20, 15)
    assert alert["raised_at"].endswith("Z")
    (shown,) = await store.shown_alerts(city.pool)
    assert json.loads(shown)["state"] == "returned_unacknowledged"


async def test_a_clock_that_is_ahead_neither_hides_what_is_true_nor_holds_it(city: City) -> None:
    async with city.worker():
        await city.owned()
        now = time.time_ns() // 1000
        await city.send("F-1", age_s=-280, flood_cm=0)
        await city.send("F-2", age_s=-280, flood_cm=20)
        await city.until(lambda seen: seen == [("raised", "F-2")])
        await city.send("F-1", flood_cm=20)
        await city.send("F-2", flood_cm=5)
        await city.until(lambda seen: seen[1:] == [("raised", "F-1"), ("cleared", "F-2")])
    ahead, true, _ = [json.loads(row.body) for row in await store.history_since(city.pool, 0, 10)]
    for alert in (ahead, true):
        assert 0 <= parse_time(alert["raised_at"]) - now < 10_000_000
        assert 0 < parse_time(alert["recorded_at"]) - now < 10_000_000


async def test_latency_from_send_to_history(city: City) -> None:
    async with city.worker():
        await city.owned()
        took = []
        for number in range(40):
            began = time.perf_counter()
            await city.send(f"L-{number}", flood_cm=20)
            while await store.newest_seq(city.pool) < number + 1:
                await asyncio.sleep(0.001)
            took.append(time.perf_counter() - began)
        median = sorted(took)[len(took) // 2]
    print(f"\nsend to history p50 {median * 1e3:.1f} ms, worst {max(took) * 1e3:.1f} ms")
    assert median < 0.1


async def test_a_restart_neither_forgets_nor_repeats(city: City) -> None:
    async with city.worker():
        await city.owned()
        await city.send("F-1", flood_cm=20)
        await city.until(lambda seen: len(seen) == 1)
    await city.send("F-2", flood_cm=20)  # while nobody watches
    async with city.worker():
        await city.until(lambda seen: ("raised", "F-2") in seen)
        await city.send("F-1", flood_cm=0)
        await city.until(lambda seen: len(seen) == 3)
    assert sorted(await city.alarms()) == [("cleared", "F-1"), ("raised", "F-1"), ("raised", "F-2")]


async def test_a_for_in_progress_survives_a_restart(city: City) -> None:
    await city.apply(LASTING, FLOOD)
    async with city.worker():
        await city.owned()
        await city.send("F-1", age_s=4, flood_cm=20)
        await city.until(lambda seen: seen == [("raised", "F-1")])  # the other rule: the reading was judged
    assert len(await city.history()) == 1
    async with city.worker():
        await city.send("F-1", flood_cm=20)
        began = time.monotonic()
        while await store.newest_seq(city.pool) == 1:
            assert time.monotonic() - began < 20
            await asyncio.sleep(0.05)
    assert [(kind, rule) for kind, rule, _ in await city.history()] == [("raised", "flooded"), ("raised", "lasting")]


async def test_two_workers_share_the_sectors_and_one_takes_over(city: City) -> None:
    async with city.worker("one") as one:
        await city.owned()
        async with city.worker("two"):
            async with asyncio.timeout(30):
                while len(await city.pool.fetch("SELECT DISTINCT owner FROM alert_owner")) < 2:
                    await asyncio.sleep(0.1)
            for number in range(20):
                await city.send(f"F-{number}", flood_cm=20)
                await city.send(f"C-{number}", sector="hotline", calls_ph=1)
            await city.until(lambda seen: len(seen) == 20)
            one.cancel()
            for number in range(20):
                await city.send(f"F-{number}", flood_cm=0)
            await city.until(lambda seen: len(seen) == 40, 30)
    history = await city.alarms()
    assert sorted(history[:20]) == sorted(("raised", f"F-{n}") for n in range(20))
    assert sorted(history[20:]) == sorted(("cleared", f"F-{n}") for n in range(20))


async def test_new_rules_take_effect_without_a_restart(city: City) -> None:
    async with city.worker():
        await city.owned()
        await city.send("F-1", flood_cm=20)
        await city.until(lambda seen: len(seen) == 1)
        await city.apply(FLOOD.replace("above: 15", "above: 25").replace("Ngập đường", "Ngập sâu"))
        await city.ruled()
        await city.send("F-2", flood_cm=20)
        await city.send("F-3", flood_cm=26)
        await city.until(lambda seen: ("raised", "F-3") in seen)
        assert ("raised", "F-2") not in await city.alarms()
        await city.apply(LASTING)  # the old rule is retired: its alerts clear
        await city.until(lambda seen: sorted(seen[2:]) == [("cleared", "F-1"), ("cleared", "F-3")])


async def test_acknowledging_tells_the_second_hand_who_was_first(city: City) -> None:
    import uuid

    import pytest

    from alerts.lifecycle import IllegalAct

    async with city.worker():
        await city.owned()
        await city.send("F-1", flood_cm=20)
        await city.until(lambda seen: len(seen) == 1)
    alert_id = uuid.UUID((await store.history_since(city.pool, 0, 1))[0].alert_id)
    done = await store.acknowledge(city.pool, alert_id, Actor("person", "1", "Lan", "10.0.0.7"))
    assert (done.seq, json.loads(done.body)["acknowledged_by"]) == (2, "Lan")
    with pytest.raises(IllegalAct, match="already acknowledged by Lan at 20"):
        await store.acknowledge(city.pool, alert_id, Actor("person", "2", "Minh"))
    with pytest.raises(store.UnknownAlert):
        await store.acknowledge(city.pool, uuid.uuid4(), Actor("person", "2", "Minh"))
    trail = "SELECT actor, address, action, object, before, after FROM audit WHERE action LIKE 'alert.%' ORDER BY seq"
    audit = await city.pool.fetch(trail)
    assert [tuple(row)[:4] for row in audit] == [("Lan", "10.0.0.7", "alert.acknowledge", f"alert {alert_id}")]
    assert (json.loads(audit[0]["before"])["state"], json.loads(audit[0]["after"])["state"]) == (
        "unacknowledged",
        "acknowledged",
    )
