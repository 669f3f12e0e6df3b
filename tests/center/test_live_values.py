"""`live` and `city` from the database and the broker to a WebSocket."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx
import pytest

from city.kafka import LIVE, LogReader, Producer, ensure_topics
from city.sectors import Catalogue
from city.settings import Settings
from citywatch.embedded.broker import EmbeddedBroker
from tests.center.conftest import Listening, Running, raise_alert, running

ASSET = "INSERT INTO asset (sector, name, zone, lon, lat) VALUES ($1, $2, $3, 106.7, 10.78) RETURNING id"
SERIES = "INSERT INTO series (asset_id, metric, unit) VALUES ($1, $2, $3) RETURNING id"
READING = "INSERT INTO reading (time, series_id, value) VALUES (from_us($1), $2, $3)"
REPORT = """
INSERT INTO report (sector, source, subject, time, first_time, zone, category, severity, title, description, status)
VALUES ('hotline', '//1022', $1, now(), now(), $2, 'other', 'info', 'Cây đổ', '', 'open')
"""


def now_us() -> int:
    return time.time_ns() // 1000


async def new_series(db: asyncpg.Connection, name: str, metric: str = "speed_kmh", zone: str | None = None) -> int:
    asset = await db.fetchval(ASSET, "traffic", name, zone)
    series: int = await db.fetchval(SERIES, asset, metric, "km/h")
    return series


async def frame(producer: Producer, *rows: tuple[int, int, float]) -> None:
    await producer.publish(LIVE, json.dumps(rows).encode())


async def test_what_the_database_has_comes_first_and_then_what_the_broker_says(
    topics: Settings, db: asyncpg.Connection
) -> None:
    first = await new_series(db, "VVK-1")
    at = now_us()
    await db.execute(READING, at - 10_000_000, first, 1.0)
    await db.execute(READING, at - 5_000_000, first, 2.0)
    async with running(topics) as center, Producer(topics) as producer, center.listen() as client:
        await center.ready()
        await client.say(type="subscribe", channel="live")
        snapshot = await client.next("snapshot")
        assert snapshot["series"] == [[first, "traffic", "VVK-1", "speed_kmh", None, 106.7, 10.78]]
        assert snapshot["values"] == [[first, (at - 5_000_000) // 1000, 2.0]]
        await frame(producer, (first, at - 7_000_000, 9.0), (first, at, 3.0))
        delta = await client.next("delta", "live")
        assert (delta["values"], delta["prev"] <= snapshot["seq"] < delta["seq"]) == ([[first, at // 1000, 3.0]], True)
        second = await new_series(db, "VVK-2")
        await frame(producer, (second, at, 4.0))
        delta = await client.next("delta", "live")
        assert [row[:3] for row in delta["series"]] == [[second, "traffic", "VVK-2"]]
        assert delta["values"] == [[second, at // 1000, 4.0]]


async def test_rows_that_are_no_readings_are_dropped_and_counted_and_the_rest_is_shown(
    center: Running, http: httpx.AsyncClient, db: asyncpg.Connection
) -> None:
    """Whoever may write to `city.live` can't end a center: numbers beyond every type, years beyond 9999, nonsense."""
    series = await new_series(db, "VVK-1")
    at = now_us()
    good = f"[{series},{at},%s]"
    wrong = (
        f"[{series},99999999999999999999,1.0]",
        f"[{series},9000000000000000000,1.0]",
        f"[{series},{at},1e999]",
        f"[99999999999999999999,{at},1.0]",
        f"[0,{at},1.0]",
        f"[{series},{at}]",
        "7",
    )
    frames = [f"[{','.join((one, good % number))}]" for number, one in enumerate(wrong, 1)]
    frames += ["{", "[" * 100_000, '"\\ud800"', "[NaN]"]
    async with Producer(center.settings, linger_ms=0) as producer, center.listen() as client:
        await client.say(type="subscribe", channel="live")
        await client.next("snapshot")
        for one in frames:
            await producer.publish(LIVE, one.encode())
        await frame(producer, (series, at + 1_000_000, 99.0))
        seen: list[Any] = []
        while not seen or seen[-1][2] != 99.0:
            seen += (await client.next("delta", "live"))["values"]
        assert seen[-1] == [series, (at + 1_000_000) // 1000, 99.0]
        counted = re.search(r"^citywatch_live_unreadable_total (\S+)", (await http.get("/metrics")).text, re.MULTILINE)
        assert counted is not None
        assert float(counted[1]) >= len(frames)
        assert (await http.get("/api/v1/ready")).status_code == 200


async def test_frames_come_at_most_twice_a_second(center: Running, db: asyncpg.Connection) -> None:
    series = await new_series(db, "VVK-1")
    async with Producer(center.settings, linger_ms=0) as producer, center.listen() as client:
        await client.say(type="subscribe", channel="live")
        await client.next("snapshot")
        began = now_us()
        for step in range(40):
            await frame(producer, (series, began + step, float(step)))
        values: list[Any] = []
        times = []
        while not values or values[-1][2] != 39.0:
            values += (await client.next("delta", "live"))["values"]
            times.append(time.monotonic())
        assert len(times) <= 2 + 2 * (times[-1] - times[0] + 0.6)
        assert len(values) < 40


@pytest.mark.only(broker="embedded")  # the test restarts its own
async def test_a_broker_that_begins_anew_is_read_from_its_beginning(
    topics: Settings, embedded_broker: EmbeddedBroker, db: asyncpg.Connection
) -> None:
    series = await new_series(db, "VVK-1")
    async with running(topics) as center, center.listen() as client:
        await center.ready()
        await client.say(type="subscribe", channel="live")
        await client.next("snapshot")
        embedded_broker.stop()
        embedded_broker.start()
        await ensure_topics(topics, Catalogue.load(topics.city))
        async with Producer(topics, linger_ms=0) as producer, asyncio.timeout(30):
            told: asyncio.Task[dict[str, Any]] = asyncio.create_task(client.next("delta", "live"))
            while not told.done():
                await frame(producer, (series, now_us(), 3.0))
                await asyncio.sleep(0.2)
        assert told.result()["values"][0][0] == series


async def test_a_step_that_hangs_is_given_up_and_the_feed_comes_back(
    topics: Settings, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("center.live.STUCK_S", 3.0)
    asked, hung = LogReader.cluster_id, asyncio.Event()

    async def hang_once(reader: LogReader) -> str:
        if not hung.is_set():
            hung.set()
            await asyncio.Event().wait()
        return await asked(reader)

    series = await new_series(db, "VVK-1")
    async with running(topics) as center, center.listen() as client, Producer(topics, linger_ms=0) as producer:
        await center.ready()
        await client.say(type="subscribe", channel="live")
        await client.next("snapshot")
        monkeypatch.setattr(LogReader, "cluster_id", hang_once)
        async with asyncio.timeout(30):
            await hung.wait()
            told: asyncio.Task[dict[str, Any]] = asyncio.create_task(client.next("delta", "live"))
            while not told.done():
                await frame(producer, (series, now_us(), 3.0))
                await asyncio.sleep(0.2)
        assert told.result()["values"][0][0] == series


async def test_the_city_channel_shows_figures_reports_stage_and_what_changed(
    topics: Settings, db: asyncpg.Connection
) -> None:
    one, other = await new_series(db, "VVK-1", zone="26740"), await new_series(db, "VVK-2")
    at = now_us()
    await db.execute(READING, at, one, 30.0)
    await db.execute(READING, at - 60_000_000, other, 50.0)
    await db.execute(REPORT, "r-1", "26740")
    async with running(topics) as center, Producer(topics) as producer, center.listen() as client:
        await center.ready()
        await client.say(type="subscribe", channel="city")
        state = await client.next("snapshot")
        while not (state["sectors"] and state["reports"]):
            state |= await client.next("delta", "city")
        assert state["city"]["timezone"] == "Asia/Ho_Chi_Minh"
        traffic = next(sector for sector in state["sectors"] if sector["sector"] == "traffic")
        figure = traffic["figures"][0]
        assert (figure["metric"], figure["value"]) == ("speed_kmh", 30.0)
        assert (traffic["assets_alive"], traffic["assets_total"]) == (1, 2)
        assert traffic["feed"]["dead"] is False
        assert state["reports"][0]["title"] == "Cây đổ"
        assert state["reports"][0]["zone_name"]["vi"]
        await frame(producer, (one, at + 1_000_000, 10.0), (other, at + 1_000_000, 20.0))
        delta = await client.until(lambda m: m["type"] == "delta" and _speed(m) == 15.0)
        assert "city" not in delta
        assert [sector["sector"] for sector in delta["sectors"]] == ["traffic"]
        await raise_alert(db, 1, sector="traffic", metric="speed_kmh", zone="26740")
        delta = await client.until(lambda m: m["type"] == "delta" and "sectors" in m and m["sectors"][0]["worst"])
        assert delta["sectors"][0]["figures"][0]["severity"] == "critical"
        assert delta["sectors"][0]["worst"]["zone"] == "26740"
        assert (delta["statistics"]["alarms_hour"], delta["statistics"]["alarms_10min"]) == (1, 1)


async def test_a_reading_of_another_year_is_no_life_and_hides_nothing(topics: Settings, db: asyncpg.Connection) -> None:
    """A clock was wrong once: its sector is as old as its newest true reading, and the next true one is shown."""
    wrong, right = await new_series(db, "VVK-1"), await new_series(db, "VVK-2")
    at, year_9999 = now_us(), 253_402_300_799_000_000
    await db.execute(READING, year_9999, wrong, 90.0)
    await db.execute(READING, at - 400_000_000, right, 50.0)
    traffic = {"sectors": ["traffic"]}
    async with running(topics) as center, Producer(topics) as producer, center.listen() as client:
        await center.ready()
        await client.say(type="subscribe", channel="city", filter=traffic)
        (sector,) = (await client.until(lambda m: _speed(m) is not None))["sectors"]
        assert (sector["assets_alive"], sector["figures"][0]["value"]) == (0, 50.0)
        assert (sector["feed"]["newest"], sector["feed"]["dead"]) == (_rfc(at - 400_000_000), True)
        assert sector["feed"]["age_s"] > 399
        await client.say(type="subscribe", channel="live")
        await client.next("snapshot", "live")
        await frame(producer, (wrong, at, 30.0))
        assert (await client.next("delta", "live"))["values"] == [[wrong, at // 1000, 30.0]]
        told = await client.until(lambda m: _speed(m) == 30.0)
        assert (told["sectors"][0]["assets_alive"], told["sectors"][0]["feed"]["dead"]) == (1, False)
        await frame(producer, (right, now_us() + 240_000_000, 40.0))  # within what the decoder lets pass: age is zero
        told = await client.until(lambda m: _speed(m) == 35.0)
        assert told["sectors"][0]["feed"]["age_s"] >= 0


async def test_an_alert_is_shown_with_what_its_series_measures_now(topics: Settings, db: asyncpg.Connection) -> None:
    """One figure for one thing: the sector's worst place and REST tell the newest reading, not the transition's."""
    series = await new_series(db, "VVK-1", zone="26740")
    at = now_us()
    await db.execute(READING, at, series, 12.0)
    place = {"sector": "traffic", "metric": "speed_kmh", "unit": "km/h", "zone": "26740", "zone_name": None}
    async with running(topics) as center, Producer(topics) as producer, center.listen() as client:
        await center.ready()
        await client.say(type="subscribe", channel="city", filter={"sectors": ["traffic"]})
        await raise_alert(db, 1, **place, asset="VVK-1", value=9.0)
        worst = await next_worst(client, lambda worst: worst is not None)
        assert {key: worst[key] for key in ("value", "unit", "decimals")} == {
            "value": 12,
            "unit": "km/h",
            "decimals": 1,
        }
        await frame(producer, (series, at + 1_000_000, 7.44))
        await next_worst(client, lambda worst: worst["value"] == 7.4)
        async with httpx.AsyncClient(base_url=center.url, trust_env=False, timeout=30) as http:
            one = (await http.get("/api/v1/alerts/00000000-0000-0000-0000-000000000001")).json()
            assert (one["value"], one["now"]) == (9.0, {"value": 7.44, "time": _rfc(at + 1_000_000)})
            assert (await http.get("/api/v1/alerts")).json()["alerts"] == [one]
            await raise_alert(db, 2, **(place | {"unit": "s"}), asset=None, value=15.0, severity="emergency")
            worst = await next_worst(client, lambda worst: worst["unit"] == "s")
            assert (worst["value"], worst["decimals"]) == (15.0, 0)
            feed = (await http.get("/api/v1/alerts/00000000-0000-0000-0000-000000000002")).json()
            assert (feed["value"], feed["now"]) == (15.0, None)


async def test_the_worst_place_is_the_one_furthest_beyond_its_limit_now(
    topics: Settings, db: asyncpg.Connection
) -> None:
    near, far = await new_series(db, "VVK-1", zone="26740"), await new_series(db, "VVK-2", zone="26743")
    at = now_us()
    for series in (near, far):
        await db.execute(READING, at, series, 9.0)
    shared = {"sector": "traffic", "metric": "speed_kmh", "unit": "km/h", "limit": 10.0, "comparison": "<"}
    async with running(topics) as center, Producer(topics) as producer, center.listen() as client:
        await center.ready()
        await client.say(type="subscribe", channel="city", filter={"sectors": ["traffic"]})
        await raise_alert(db, 1, **shared, zone="26743", zone_name=None, asset="VVK-2", value=9.0)
        await raise_alert(db, 2, **shared, zone="26740", zone_name=None, asset="VVK-1", value=9.0)
        await next_worst(client, lambda worst: worst is not None and worst["zone"] == "26740")
        await frame(producer, (far, at + 1_000_000, 2.0))
        worst = await next_worst(client, lambda worst: worst["zone"] == "26743")
        assert worst["value"] == 2.0


async def next_worst(client: Listening, condition: Callable[[Any], bool]) -> dict[str, Any]:
    """The worst place of the one sector subscribed to, once it meets a condition."""
    told = await client.until(lambda m: bool(m.get("sectors")) and condition(m["sectors"][0]["worst"]))
    worst: dict[str, Any] = told["sectors"][0]["worst"]
    return worst


def _speed(message: dict[str, Any]) -> float | None:
    for sector in message.get("sectors", []):
        if sector["sector"] == "traffic":
            value: float | None = sector["figures"][0]["value"]
            return value
    return None


async def test_history_by_rest_at_the_resolution_that_fits(
    center: Running, http: httpx.AsyncClient, db: asyncpg.Connection
) -> None:
    series = await new_series(db, "VVK-1")
    start = now_us() // 60_000_000 * 60_000_000 - 3_600_000_000
    rows = [(start + second * 10_000_000, series, float(second)) for second in range(360)]
    await db.executemany(READING, rows)
    query: dict[str, Any] = {"series": series, "points": 10}
    coarse = (await http.get("/api/v1/readings", params=query)).json()
    assert coarse["resolution"] in ("1m", "1h")
    assert sum(point[4] for point in coarse["series"][0]["points"]) == 360
    minute = {"series": series, "points": 2000, "from": _rfc(start), "to": _rfc(start + 60_000_000)}
    fine = (await http.get("/api/v1/readings", params=minute)).json()
    assert fine["resolution"] == "raw"
    assert [point[1] for point in fine["series"][0]["points"]] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert (await http.get("/api/v1/readings", params={"series": 99})).status_code == 404


def _rfc(us: int) -> str:
    from city.timestamps import format_time

    return format_time(us)
