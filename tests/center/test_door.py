"""The HTTP door: every outcome of an event, alone and in a batch, and what is kept of what was refused."""

import asyncio
import base64
import json
import os
import re
import signal
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from center.api import events
from city.kafka import LogReader, open_log_reader, topic_for
from city.settings import Settings
from citywatch.embedded.broker import EmbeddedBroker
from tests.center.conftest import Running, running

STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCH = {"content-type": "application/cloudevents-batch+json"}


def event(**changes: Any) -> dict[str, Any]:
    """A reading of the traffic sector, of now."""
    return {
        "specversion": "1.0",
        "id": "0195f1c2-0000-7000-8000-000000000001",
        "source": "//giaothong.hcmc.example/detectors",
        "type": "city.traffic.reading.v1",
        "subject": "VVK-0012",
        "time": datetime.now(UTC).isoformat(),
        "data": {"location": [106.695, 10.776], "measurements": {"speed_kmh": 32.5}},
    } | changes


async def send(http: httpx.AsyncClient, body: Any, headers: dict[str, str] = STRUCTURED) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await http.post("/api/v1/events", content=content, headers=headers)


async def stored(settings: Settings, sector: str) -> int:
    """Records in a sector's topic."""
    topic = topic_for(sector)
    async with open_log_reader(settings, [topic]) as reader:
        return await _count(reader, topic)


async def _count(reader: LogReader, topic: str) -> int:
    return sum([await reader.end_offset(tp) for tp in await reader.partitions(topic)])


async def test_a_structured_event_is_accepted_when_the_broker_has_it(center: Running, http: httpx.AsyncClient) -> None:
    answer = await send(http, event())
    assert answer.status_code == 202, answer.text
    assert answer.json() == {
        "accepted": 1,
        "refused": 0,
        "outcomes": [{"index": 0, "status": "accepted", "error": None}],
    }
    assert await stored(center.settings, "traffic") == 1


@pytest.mark.only(broker="embedded")
async def test_what_the_embedded_broker_acknowledged_is_told_to_the_books(
    center: Running, http: httpx.AsyncClient, embedded_broker: EmbeddedBroker
) -> None:
    for number in range(5):
        assert (await send(http, event(subject=f"VVK-{number}"))).status_code == 202
    cluster = embedded_broker.cluster_id
    embedded_broker.stop()
    connection = await asyncpg.connect(center.settings.database_dsn)
    try:
        deadline = time.monotonic() + 10
        told = "SELECT sum(known_end) FROM log_end WHERE cluster = $1 AND topic = $2"
        while await connection.fetchval(told, cluster, topic_for("traffic")) != 5:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def test_a_binary_event_is_accepted(center: Running, http: httpx.AsyncClient) -> None:
    whole = event(subject="Trạm Phú An")
    headers = {
        "content-type": "application/json",
        **{f"ce-{name}": whole[name] for name in ("specversion", "id", "source", "type", "time")},
        "ce-subject": "Tr%E1%BA%A1m%20Ph%C3%BA%20An",
    }
    answer = await send(http, whole["data"], headers)
    assert answer.status_code == 202, answer.text
    assert await stored(center.settings, "traffic") == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b'\xff{"a":1}', "not_json"),
        (event(specversion="0.3"), "bad_envelope"),
        (event(type="city.weather.reading.v1"), "unknown_sector"),
        (event(type="traffic"), "unknown_type"),
        (event(subject=None), "bad_subject"),
        (event(time="yesterday"), "bad_time"),
        (event(time=(datetime.now(UTC) + timedelta(hours=1)).isoformat()), "future_time"),
        (event(time=(datetime.now(UTC) - timedelta(days=91)).isoformat()), "late"),
        (event(data={"measurements": {}}), "no_measurements"),
        (event(data={"measurements": {"speed_furlongs": 1}}), "unknown_metric"),
        (event(data={"measurements": {"speed_kmh": "fast"}}), "not_a_number"),
        (event(data={"measurements": {"speed_kmh": 9000}}), "implausible"),
        (event(data={"zone": "1", "measurements": {"speed_kmh": 9}}), "unknown_zone"),
        (event(data={"location": [2.35, 48.85], "measurements": {"speed_kmh": 9}}), "outside_city"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_refused_event_hears_why_and_is_kept(
    center: Running, http: httpx.AsyncClient, db: asyncpg.Connection, body: Any, reason: str
) -> None:
    answer = await send(http, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == reason
    assert answer.json()["error"]["message"]
    letter = (await http.get("/api/v1/dead-letters", params={"source": "http"})).json()["dead_letters"][0]
    names_traffic = isinstance(body, dict) and body["type"] == "city.traffic.reading.v1"
    topic = topic_for("traffic") if names_traffic else None
    assert (letter["reason"], letter["topic"], letter["first_offset"]) == (reason, topic, None)
    whole = (await http.get(f"/api/v1/dead-letters/{letter['id']}")).json()
    assert base64.b64decode(whole["raw"]) == (body if isinstance(body, bytes) else json.dumps(body).encode())


async def test_a_batch_tells_the_outcome_of_each(center: Running, http: httpx.AsyncClient) -> None:
    good, bad = event(), event(subject="")
    assert (await send(http, [good, event(subject="B")], BATCH)).status_code == 202
    other = event(type="city.health.reading.v1", data={"measurements": {"er_wait_min": 9}})
    mixed = await send(http, [good, bad, other], BATCH)
    assert mixed.status_code == 207
    assert [outcome["status"] for outcome in mixed.json()["outcomes"]] == ["accepted", "refused", "accepted"]
    assert mixed.json()["outcomes"][1]["error"]["code"] == "bad_subject"
    none = await send(http, [bad, 7], BATCH)
    assert (none.status_code, none.json()["refused"]) == (400, 2)
    assert (await send(http, [], BATCH)).json() == {"accepted": 0, "refused": 0, "outcomes": []}
    assert (await send(http, b"{}", BATCH)).json()["error"]["code"] == "not_json"
    assert await stored(center.settings, "traffic") == 3
    assert await stored(center.settings, "health") == 1


async def test_too_large_and_of_a_foreign_kind(http: httpx.AsyncClient) -> None:
    assert (await send(http, b" " * 70_000)).status_code == 413
    assert (await send(http, b"[" + b"1," * 1_500 + b"1]", BATCH)).status_code == 413
    assert (await send(http, b" " * 5_000_000, BATCH)).status_code == 413
    for kind in ("text/plain", "application/json", "application/x-www-form-urlencoded", "application/cloudevents"):
        answer = await send(http, event(), {"content-type": kind})
        assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


@pytest.mark.only(broker="embedded")  # the test stops its own
async def test_without_the_broker_the_fate_is_unknown_and_sending_again_is_safe(
    topics: Settings, embedded_broker: EmbeddedBroker
) -> None:
    async with running(topics) as center:
        await center.ready()
        async with httpx.AsyncClient(base_url=center.url, trust_env=False, timeout=30) as http:
            embedded_broker.stop()
            first, second = await asyncio.gather(send(http, event()), send(http, [event(), event(subject="")], BATCH))
            for answer in (first, second):
                assert answer.status_code == 503
                assert answer.json()["error"]["code"] == "unknown"
                assert "safe to send it again" in answer.json()["error"]["message"]
                assert int(answer.headers["retry-after"]) > 0
            assert (await http.get("/api/v1/health")).status_code == 200


@pytest.mark.only(broker="embedded")  # the test pauses its own
async def test_more_than_there_is_room_for_is_asked_to_come_again(
    topics: Settings, embedded_broker: EmbeddedBroker
) -> None:
    """While the broker does not answer, what is in hand is bounded; the rest hears 429, and nothing is stuck after."""
    tight = topics.model_copy(update={"door_room_bytes": 100_000, "door_patience_s": 2.0})
    batch = json.dumps([event(subject=f"VVK-{number}") for number in range(250)]).encode()
    assert 50_000 < len(batch) < 100_000
    async with running(tight) as center:
        await center.ready()
        async with httpx.AsyncClient(base_url=center.url, trust_env=False, timeout=30) as http:
            assert embedded_broker.pid is not None
            os.kill(embedded_broker.pid, signal.SIGSTOP)
            try:
                waiting = asyncio.create_task(send(http, batch, BATCH))
                async with asyncio.timeout(5):
                    while await held(http) < len(batch):
                        await asyncio.sleep(0.02)
                turned_away = await send(http, batch, BATCH)
                assert turned_away.status_code == 429
                assert turned_away.json()["error"]["code"] == "too_many_requests"
                assert int(turned_away.headers["retry-after"]) > 0
                unknown = await waiting
                assert (unknown.status_code, unknown.json()["error"]["code"]) == (503, "unknown")
                assert "2 s" in unknown.json()["error"]["message"]
            finally:
                os.kill(embedded_broker.pid, signal.SIGCONT)
            assert await held(http) == 0
            async with asyncio.timeout(20):
                while (answer := await send(http, batch, BATCH)).status_code != 202:
                    assert answer.status_code == 503, answer.text
            metrics = (await http.get("/metrics")).text
            assert 'citywatch_http_seconds_count{method="POST",route="/api/v1/events",status="429"}' in metrics


async def held(http: httpx.AsyncClient) -> float:
    """Bytes of events that the door has in hand, by its metric."""
    found = re.search(r"^citywatch_http_room_bytes (\S+)$", (await http.get("/metrics")).text, re.MULTILINE)
    assert found is not None
    return float(found[1])


async def test_bodies_that_do_not_come_hold_room_for_a_while_only(
    topics: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "READ_S", 0.5)
    tight = topics.model_copy(update={"door_room_bytes": 65_536})
    async with running(tight) as center:
        await center.ready()
        async with httpx.AsyncClient(base_url=center.url, trust_env=False, timeout=30) as http:
            slow = asyncio.create_task(http.post("/api/v1/events", content=_trickle(), headers=BATCH))
            async with asyncio.timeout(5):
                while not await held(http):
                    await asyncio.sleep(0.02)
            assert (await send(http, b"[" + b" " * 60_000 + b"]", BATCH)).status_code == 429
            assert (await slow).status_code == 408
            assert await held(http) == 0
            assert (await send(http, event())).status_code == 202


async def _trickle() -> AsyncIterator[bytes]:
    yield b"[" * 10_000
    await asyncio.sleep(3)
    yield b"]"


async def test_a_method_that_nobody_knows_is_no_label_of_its_own(center: Running, http: httpx.AsyncClient) -> None:
    assert (await http.request("PROPFIND", "/api/v1/health")).status_code == 405
    metrics = (await http.get("/metrics")).text
    assert "PROPFIND" not in metrics
    assert 'method="other"' in metrics


async def test_a_method_that_does_not_fit_is_told_all_that_do(http: httpx.AsyncClient) -> None:
    for method, path, fitting in (
        ("PUT", "/api/v1/devices", "GET, POST"),
        ("PATCH", "/api/v1/accounts", "GET, POST"),
        ("PUT", f"/api/v1/accounts/{uuid.uuid4()}", "DELETE, PATCH"),
        ("DELETE", "/api/v1/devices/links", "POST"),
    ):
        answer = await http.request(method, path)
        assert (answer.status_code, answer.headers.get("allow")) == (405, fitting), path


async def test_a_center_that_never_reached_the_broker_says_so(database: str, settings: Settings) -> None:
    away = settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"})
    async with running(away) as center, httpx.AsyncClient(base_url=center.url, trust_env=False, timeout=30) as http:
        assert (await send(http, event())).status_code == 503
        ready = await http.get("/api/v1/ready")
        assert (ready.status_code, ready.json()["kafka"]) == (503, False)


async def test_a_batch_of_large_events_leaves_the_loop_to_others(center: Running, http: httpx.AsyncClient) -> None:
    """Four megabytes of nested data take half a second to judge; nobody else waits for the whole of it."""
    data = {"measurements": {"speed_kmh": 1.0}, "x": [[]] * 20_000}
    batch = json.dumps([event(data=data, subject=f"VVK-{number}") for number in range(60)], separators=(",", ":"))
    gaps = [0.0]

    async def sample() -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.001)
            now = time.monotonic()
            gaps.append(now - last)
            last = now

    sampling = asyncio.create_task(sample())
    began = time.monotonic()
    answer = await send(http, batch.encode(), BATCH)
    took = time.monotonic() - began
    sampling.cancel()
    assert answer.status_code == 202, answer.text[:200]
    print(f"{len(batch)} bytes in {took:.2f} s, longest gap {max(gaps) * 1000:.0f} ms")
    assert max(gaps) < took / 2


async def records(db: asyncpg.Connection) -> int:
    """How many refused events the dead letters of the door stand for."""
    found: int = await db.fetchval("SELECT coalesce(sum(records), 0) FROM dead_letter WHERE source = 'http'")
    return found


async def test_a_flood_is_counted_to_the_last_event_though_the_center_ends(
    topics: Settings, db: asyncpg.Connection
) -> None:
    async with running(topics) as center, httpx.AsyncClient(base_url=center.url, trust_env=False, timeout=30) as http:
        await center.ready()
        await asyncio.sleep(1.05 - time.time() % 1)  # all in one second: the last 49 come with no letter of their own
        for size in (150, 49):
            assert (await send(http, [7] * size, BATCH)).json()["refused"] == size
    assert await records(db) == 199
    assert await db.fetchval("SELECT count(*) FROM dead_letter WHERE raw IS NOT NULL") < 199


async def test_what_was_refused_while_the_database_was_away_is_kept_and_counted(
    center: Running, http: httpx.AsyncClient, db: asyncpg.Connection, postgres_dsn: str
) -> None:
    async def slowest_refusal(times: int = 3) -> float:
        slowest = 0.0
        for _ in range(times):
            began = time.monotonic()
            assert (await send(http, [7] * 300, BATCH)).json()["refused"] == 300
            slowest = max(slowest, time.monotonic() - began)
        return slowest

    usual = await slowest_refusal(1)
    async with asyncio.timeout(60):
        while await records(db) < 300:
            await asyncio.sleep(0.1)
    admin = await asyncpg.connect(postgres_dsn)
    name = await db.fetchval("SELECT current_database()")
    await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    try:
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert await slowest_refusal() < 3 + 3 * usual
        assert await records(db) == 300
    finally:
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await admin.close()
    async with asyncio.timeout(60):
        while await records(db) < 1200:
            await asyncio.sleep(0.1)
    center.stop.set()
    await center.task  # its last write adds nothing
    assert await records(db) == 1200
