"""REST by scope: lists show what is in it, single things outside it are as if they were not, acts outside fail."""

import uuid
from typing import Any

import asyncpg
import httpx
import pytest

from city.kafka import topic_for
from tests.center.conftest import Running, raise_alert
from tests.center.people import People, by_device, by_key, by_session, client
from tests.center.test_door import BATCH, event, send
from tests.center.test_live_values import READING, REPORT, new_series, now_us

ZONE, ELSEWHERE = "26740", "26743"


def alert(number: int) -> str:
    return f"/api/v1/alerts/{uuid.UUID(int=number)}"


async def ids(http: httpx.AsyncClient, path: str, key: str, field: str) -> set[Any]:
    answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    return {one[field] for one in answer.json()[key]}


async def test_lists_and_single_things_by_scope(guarded: Running, people: People, db: asyncpg.Connection) -> None:
    mine, theirs = await new_series(db, "VVK-1", zone=ZONE), await new_series(db, "VVK-2", zone=ELSEWHERE)
    for series in (mine, theirs):
        await db.execute(READING, now_us(), series, 30.0)
    await db.execute(REPORT, "r-1", ZONE)
    await db.execute(REPORT, "r-2", ELSEWHERE)
    for number, (sector, zone) in enumerate(
        [("traffic", ZONE), ("health", ZONE), ("traffic", ELSEWHERE), ("traffic", None)], start=1
    ):
        await raise_alert(db, number, sector=sector, zone=zone)
    scope = (["traffic", "hotline"], [ZONE])
    for headers in (by_session(await people.person("operator", *scope)), by_device(await people.device(*scope))):
        async with client(guarded.url, headers) as http:
            assert await ids(http, "/api/v1/assets", "assets", "asset") == {"VVK-1"}
            assert await ids(http, "/api/v1/series", "series", "id") == {mine}
            assert await ids(http, "/api/v1/reports", "reports", "subject") == {"r-1"}
            found = await ids(http, "/api/v1/alerts", "alerts", "id")
            assert {uuid.UUID(one).int for one in found} == {1, 4}
            assert (await http.get(f"/api/v1/readings?series={mine}")).status_code == 200
            hidden = await http.get(f"/api/v1/readings?series={theirs}")
            assert (hidden.status_code, hidden.json()["error"]["code"]) == (404, "not_found")
            for number, status in ((1, 200), (2, 404), (3, 404), (4, 200), (9, 404)):
                assert (await http.get(alert(number))).status_code == status
                assert (await http.get(f"{alert(number)}/history")).status_code == status
            for path in ("alerts", "reports", "assets", "series"):
                outside = await http.get(f"/api/v1/{path}?sector=health")
                assert (outside.status_code, outside.json()["error"]["code"]) == (403, "out_of_scope")
                outside = await http.get(f"/api/v1/{path}?zone={ELSEWHERE}")
                assert (outside.status_code, outside.json()["error"]["code"]) == (403, "out_of_scope")


async def test_an_alert_is_acknowledged_by_who_is_signed_in_and_within_scope_only(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    await raise_alert(db, 1, sector="traffic", zone=ZONE)
    await raise_alert(db, 2, sector="health", zone=ZONE)
    account = await people.account("operator", ["traffic"], [ZONE])
    async with client(guarded.url, by_session(await people.session(account))) as http:
        assert (await http.post(f"{alert(1)}/acknowledge", json={"by": "somebody else"})).status_code == 422
        done = await http.post(f"{alert(1)}/acknowledge")
        assert done.json()["acknowledged_by"] == account.name
        assert (await http.post(f"{alert(2)}/acknowledge")).status_code == 404
        assert (await http.post(f"{alert(9)}/acknowledge")).status_code == 404
    viewer = await people.person("viewer")
    async with client(guarded.url, by_session(viewer)) as http:
        denied = await http.post(f"{alert(2)}/acknowledge")
        assert (denied.status_code, denied.json()["error"]["code"]) == (403, "not_allowed")
    row = await db.fetchrow("SELECT * FROM audit WHERE action = 'alert.acknowledge'")
    assert row is not None
    assert (row["actor_kind"], row["actor_id"], row["actor"], row["address"]) == (
        "person",
        account.id,
        account.name,
        "127.0.0.1",
    )


async def test_a_keys_events_of_another_sector_are_refused_kept_and_counted(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    key = await people.key(["traffic"], ["publish"])
    foreign = event(
        type="city.health.reading.v1", subject="BV-1", data={"zone": ZONE, "measurements": {"icu_free_pct": 20}}
    )
    async with client(guarded.url, by_key(key)) as http:
        assert (await send(http, event())).status_code == 202
        refused = await send(http, foreign)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "not_allowed")
        assert "health" in refused.json()["error"]["message"]
        both = await send(http, [event(), foreign], BATCH)
        assert both.status_code == 207
        assert [one["status"] for one in both.json()["outcomes"]] == ["accepted", "refused"]
    letters = await db.fetch("SELECT source, reason, topic, raw FROM dead_letter")
    assert [tuple(letter)[:3] for letter in letters] == [("http", "not_allowed", topic_for("health"))] * 2
    assert b"BV-1" in letters[0]["raw"]
    async with client(guarded.url, by_key(await people.key([], ["read"]))) as http:
        metrics = (await http.get("/metrics")).text
        assert 'citywatch_refusals_total{door="http",reason="not_allowed",sector=""} 2.0' in metrics
        denied = await send(http, event())
        assert (denied.status_code, denied.json()["error"]["code"]) == (403, "not_allowed")


async def test_dead_letters_by_sector(guarded: Running, people: People, db: asyncpg.Connection) -> None:
    async with client(guarded.url, by_key(await people.key(["traffic", "health"], ["publish"]))) as http:
        await send(http, event(time="yesterday"))
        await send(http, event(type="city.health.reading.v1", time="yesterday"))
        await send(http, b"{")
    async with client(guarded.url, by_session(await people.person("operator"))) as http:
        every = (await http.get("/api/v1/dead-letters")).json()["dead_letters"]
        assert len(every) == 3
    async with client(guarded.url, by_session(await people.person("operator", ["traffic"]))) as http:
        seen = (await http.get("/api/v1/dead-letters")).json()["dead_letters"]
        assert [one["topic"] for one in seen] == [topic_for("traffic")]
        for one in every:
            status = (await http.get(f"/api/v1/dead-letters/{one['id']}")).status_code
            assert status == (200 if one["id"] == seen[0]["id"] else 404)


async def test_a_person_can_pair_only_screens_that_see_no_more_than_they(guarded: Running, people: People) -> None:
    async with client(guarded.url) as wall:
        begun = (await wall.post("/api/v1/devices/pairing")).json()
        assert (await wall.post("/api/v1/devices/pairing/poll", json={"secret": begun["secret"]})).json() == {
            "state": "waiting"
        }
        async with client(guarded.url, by_session(await people.person("operator", ["traffic"]))) as http:
            wrong = await http.post("/api/v1/devices", json={"code": "2222-2222", "name": "Wall"})
            assert (wrong.status_code, wrong.json()["error"]["code"]) == (404, "unknown_code")
            made = await http.post("/api/v1/devices", json={"code": begun["code"].lower(), "name": "Wall"})
            assert made.status_code == 201, made.text
            assert made.json()["sectors"] == ["traffic"]
            listed = (await http.get("/api/v1/devices")).json()["devices"]
            assert [one["name"] for one in listed] == ["Wall"]
            assert (await http.delete(f"/api/v1/devices/{listed[0]['id']}")).status_code == 403
        paired = await wall.post("/api/v1/devices/pairing/poll", json={"secret": begun["secret"]})
        assert paired.json() == {"state": "paired"}
        assert "citywatch-device=" in paired.headers["set-cookie"]
        assert "HttpOnly" in paired.headers["set-cookie"]
        told = (await wall.get("/api/v1/session")).json()["principal"]
        assert (told["kind"], told["sectors"], told["role"]) == ("device", ["traffic"], None)
        again = await wall.post("/api/v1/devices/pairing/poll", json={"secret": begun["secret"]})
        assert (again.status_code, again.json()["error"]["code"]) == (410, "pairing_over")
        assert (await wall.get("/api/v1/alerts")).status_code == 200
        assert (await wall.get("/api/v1/ledger")).status_code == 403


@pytest.mark.parametrize("resource", ["accounts", "keys"])
async def test_reading_sensitive_things_is_audited(
    guarded: Running, people: People, db: asyncpg.Connection, resource: str
) -> None:
    async with client(guarded.url, by_session(await people.person("admin"))) as http:
        assert (await http.get(f"/api/v1/{resource}")).status_code == 200
        entries = (await http.get(f"/api/v1/audit?action={resource}.read")).json()["entries"]
        assert len(entries) == 1
        assert entries[0]["actor"]["address"] == "127.0.0.1"
        verdict = (await http.get("/api/v1/audit/verify")).json()
        assert verdict["faults"] == []
        kept = verdict["head"]
        await db.execute("ALTER TABLE audit DISABLE TRIGGER ALL")
        await db.execute("UPDATE audit SET actor = 'nobody' WHERE seq = $1", entries[0]["seq"])
        faults = (await http.get(f"/api/v1/audit/verify?head={kept}")).json()["faults"]
        assert [(fault["seq"], fault["kind"]) for fault in faults] == [(entries[0]["seq"], "edited")]


async def test_keys_over_rest_are_shown_once_rotate_with_overlap_and_end(guarded: Running, people: People) -> None:
    async with client(guarded.url, by_session(await people.person("admin"))) as http:
        body = {"name": "Traffic control", "sectors": ["traffic"], "grants": ["publish", "read"]}
        made = (await http.post("/api/v1/keys", json=body)).json()
        assert made["secret"].startswith("cwk_")
        key_id = made["key"]["id"]
        assert made["secret"] not in (await http.get("/api/v1/keys")).text
        no_sector = await http.post("/api/v1/keys", json={"name": "k", "grants": ["publish"]})
        assert no_sector.status_code == 422
        turned = (await http.post(f"/api/v1/keys/{key_id}/rotate", json={"overlap_hours": 1})).json()
        for secret in (made["secret"], turned["secret"]):
            async with client(guarded.url, by_key(secret)) as system:
                assert (await system.get("/api/v1/sectors")).status_code == 200
        assert (await http.delete(f"/api/v1/keys/{key_id}")).status_code == 200
        assert (await http.delete(f"/api/v1/keys/{key_id}")).status_code == 409


async def test_a_link_is_made_within_the_scope_of_who_makes_it(guarded: Running, people: People) -> None:
    links = "/api/v1/devices/links"
    mine = by_session(await people.person("operator", ["traffic"]))
    async with client(guarded.url, mine) as http, client(guarded.url) as wall:
        outside = await http.post(links, json={"name": "hall", "sectors": ["health"]})
        assert (outside.status_code, outside.json()["error"]["code"]) == (403, "out_of_scope")
        for wrong in ({"uses": 0}, {"uses": 1001}, {"hours": 0}, {"hours": 721}, {"sectors": ["nothing"]}, {"x": 1}):
            assert (await http.post(links, json={"name": "hall", **wrong})).status_code == 422
        made = await http.post(links, json={"name": "hall", "uses": 9, "hours": 1})
        assert made.status_code == 201, made.text
        claim = {"link": made.json()["link"]}
        for _ in range(3):  # the same browser each time
            assert (await wall.post("/api/v1/devices/claim", json=claim)).status_code == 200
        who = (await wall.get("/api/v1/session")).json()["principal"]
        assert (who["kind"], who["name"], who["sectors"]) == ("device", "hall", ["traffic"])
        listed = (await http.get("/api/v1/devices")).json()
        assert [one["name"] for one in listed["devices"]] == ["hall"]
        left = [(one["name"], one["uses_left"], one["sectors"]) for one in listed["links"]]
        assert left == [("hall", 6, ["traffic"])]
        assert claim["link"] not in str(listed), "shown once"
    rows = await people.pool.fetch("SELECT actor_kind, action FROM audit WHERE action LIKE 'device.%' ORDER BY seq")
    assert [tuple(row) for row in rows] == [("person", "device.link")] + 3 * [("device", "device.claim")]
