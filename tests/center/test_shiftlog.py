"""Who was at which position, notes and what hangs on them, and the handover, over REST on a real database."""

import uuid
from typing import Any

import asyncpg
import httpx

from alerts.grouping import Incidents
from city.sectors import Catalogue
from city.zones import ZoneMap
from tests.center.conftest import Running, move_alert, raise_alert
from tests.center.people import People, by_session, client
from tests.center.test_alert_acts import do
from tests.center.test_hiding import WHY, after, announce

ZONE, ELSEWHERE = "26740", "26743"


async def note(http: httpx.AsyncClient, status: int = 201, **body: Any) -> dict[str, Any]:
    answer = await http.post("/api/v1/notes", json={"text": "trực bơm đến 06:00", **body})
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_one_person_at_a_position_and_who_was_there_before(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    lan, minh = await people.account("operator"), await people.account("operator")
    async with (
        client(guarded.url, by_session(await people.session(lan))) as of_lan,
        client(guarded.url, by_session(await people.session(minh))) as of_minh,
    ):
        first = (await of_lan.post("/api/v1/shifts", json={"position": "Bàn 1"})).json()
        second = (await of_minh.post("/api/v1/shifts", json={"position": "Bàn 1"})).json()
        on = (await of_lan.get("/api/v1/handover")).json()["on"]
        assert [(one["position"], one["person"]) for one in on] == [("Bàn 1", minh.name)]
        assert (await of_lan.post(f"/api/v1/shifts/{first['id']}/end")).status_code == 409
        assert (await of_minh.post(f"/api/v1/shifts/{second['id']}/end")).status_code == 204
        were = (await of_lan.get("/api/v1/shifts")).json()["shifts"]
        assert [one["person"] for one in were] == [minh.name, lan.name]
        assert all(one["ended_at"] is not None for one in were)
        assert (await of_lan.get("/api/v1/shifts?to=2020-01-01T00:00:00Z")).json()["shifts"] == []
    trail = [row["action"] for row in await db.fetch("SELECT action FROM audit WHERE action LIKE 'shift%'")]
    assert trail == ["shift.begin", "shift.begin", "shift.end"]


async def test_notes_hang_on_the_city_an_alert_an_incident_or_an_asset_until_they_are_taken_down(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    await raise_alert(db, 1, sector="traffic", zone=ZONE)
    grouping = Incidents(
        people.pool, Catalogue.load(guarded.settings.city), ZoneMap.load(guarded.settings.city), "test"
    )
    assert await grouping._lease.acquire()
    await grouping.step()
    incident = str(await db.fetchval("SELECT id FROM incident"))
    asset = str(
        await db.fetchval("INSERT INTO asset (sector, name, zone) VALUES ('health', 'BV', $1) RETURNING id", ZONE)
    )
    things = [("alert", str(uuid.UUID(int=1))), ("incident", incident), ("asset", asset)]
    async with client(guarded.url, by_session(await people.person("operator"))) as http:
        written = [await note(http)] + [await note(http, about=about, object=one) for about, one in things]
        assert [(one["sector"], one["zone"]) for one in written] == [
            (None, None),
            ("traffic", ZONE),
            ("traffic", ZONE),
            ("health", ZONE),
        ]
        await note(http, pinned=False)
        await note(http, 404, about="alert", object=str(uuid.UUID(int=9)))
        await note(http, 422, about="alert")
        await note(http, 422, about="city", object="1")
        await note(http, 422, text=" ")
        pinned = (await http.get("/api/v1/notes?pinned=true")).json()["notes"]
        assert [one["id"] for one in pinned] == [one["id"] for one in reversed(written)]
        assert (await http.get(f"/api/v1/notes?about=asset&object={asset}")).json()["notes"] == [written[3]]
        assert (await http.post(f"/api/v1/notes/{written[0]['id']}/take-down")).status_code == 204
        assert (await http.post(f"/api/v1/notes/{written[0]['id']}/take-down")).status_code == 409
        assert len((await http.get("/api/v1/notes?pinned=true")).json()["notes"]) == 3
        first = (await http.get("/api/v1/notes?limit=2")).json()
        rest = (await http.get(f"/api/v1/notes?limit=9&cursor={first['next']}")).json()
        assert len(first["notes"] + rest["notes"]) == 5
    async with client(guarded.url, by_session(await people.person("operator", ["health"], [ZONE]))) as http:
        seen = (await http.get("/api/v1/notes")).json()["notes"]
        assert {one["about"] for one in seen} == {"city", "asset"}
        await note(http, 404, about="alert", object=str(uuid.UUID(int=1)))
        assert (await http.post(f"/api/v1/notes/{written[1]['id']}/take-down")).status_code == 404
    async with client(guarded.url, by_session(await people.person("viewer"))) as http:
        await note(http, 403)


async def test_the_handover_has_everything_that_whoever_comes_must_know(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    for number in range(1, 6):
        await raise_alert(db, number, sector="traffic", zone=ZONE if number < 5 else ELSEWHERE)
    async with client(guarded.url, by_session(await people.person("supervisor"))) as chief:
        await do(chief, 2, "acknowledge", seq=2)
        await do(chief, 3, "shelve", seq=3, until=after(hours=1), **WHY)
        await move_alert(db, 4, "cleared")
        window = await announce(chief, zones=[ELSEWHERE], starts_at=after(hours=1), until=after(hours=2))
        await note(chief)
        await chief.post("/api/v1/stage", json={"level": 2, "seen": 1, "why": "mưa"})
        told = (await chief.get("/api/v1/handover")).json()
        assert told["stage"] == 2
        parts = ("unacknowledged", "acknowledged", "hidden")
        assert {part: {uuid.UUID(one["id"]).int for one in told[part]} for part in parts} == {
            "unacknowledged": {1, 4, 5},
            "acknowledged": {2},
            "hidden": {3},
        }
        assert told["hidden"][0]["hidden"]["id"] == told["shelves"][0]["id"]
        assert [one["id"] for one in told["maintenance"]] == [window]
        assert [one["text"] for one in told["notes"]] == ["trực bơm đến 06:00"]
    async with client(guarded.url, by_session(await people.person("viewer", ["health"]))) as http:
        theirs = (await http.get("/api/v1/handover")).json()
        assert [theirs[part] for part in (*parts, "shelves", "incidents")] == [[]] * 5
        assert len(theirs["notes"]) == 1
