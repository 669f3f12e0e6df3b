"""Incidents over REST and on the `city` channel, as a follower of the history has grouped them."""

import uuid

import asyncpg

from alerts.grouping import Incidents
from city.sectors import Catalogue
from city.zones import ZoneMap
from tests.center.conftest import Running, raise_alert
from tests.center.people import People, by_session, client
from tests.center.test_alert_acts import do

ZONE = "26740"


async def follower(guarded: Running, people: People) -> Incidents:
    settings = guarded.settings
    made = Incidents(people.pool, Catalogue.load(settings.city), ZoneMap.load(settings.city), "test")
    assert await made._lease.acquire()
    return made


async def test_an_incident_its_timeline_and_the_screens(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    await raise_alert(db, 1, zone=ZONE, severity="warning")
    await raise_alert(db, 2, zone=ZONE, sector="traffic", severity="critical")
    await raise_alert(db, 3, zone=None, sector="health")
    await db.execute(
        "INSERT INTO report (sector, source, subject, time, first_time, zone, category, severity, title, description,"
        " status) VALUES ('hotline', '//1022', 'r-1', now(), now(), $1, 'flood', 'warning', 'Ngập', '', 'open')",
        ZONE,
    )
    headers = by_session(await people.person("operator"))
    async with client(guarded.url, headers) as http, guarded.listen(additional_headers=headers) as screen:
        await do(http, 1, "comment", text="đã gọi trạm bơm")
        grouping = await follower(guarded, people)
        await grouping.step()
        await grouping.reports()
        found = (await http.get("/api/v1/incidents")).json()["incidents"]
        assert [(one["alerts"], one["reports"], one["severity"]) for one in found] == [
            (1, 0, "critical"),
            (2, 1, "critical"),
        ]
        mine = found[1]
        assert (uuid.UUID(mine["first_out"]).int, mine["sectors"]) == (1, ["environment", "traffic"])
        assert (await http.get(f"/api/v1/incidents/{mine['id']}")).json() == mine
        page = (await http.get("/api/v1/incidents?limit=1")).json()
        after = (await http.get(f"/api/v1/incidents?limit=1&cursor={page['next']}")).json()
        assert [page["incidents"][0]["id"], after["incidents"][0]["id"]] == [one["id"] for one in found]
        told = (await http.get(f"/api/v1/incidents/{mine['id']}/timeline")).json()["entries"]
        assert sorted((one["what"], one["kind"]) for one in told) == [
            ("alert", "commented"),
            ("alert", "raised"),
            ("alert", "raised"),
            ("report", "flood"),
        ]
        said = next(one for one in told if one["kind"] == "commented")
        assert said["detail"] == {"text": "đã gọi trạm bơm"}
        await screen.say(type="subscribe", channel="city", filter={"zones": [ZONE], "sectors": ["traffic"]})
        shown = await screen.until(lambda message: bool(message.get("incidents")))
        assert [(one["id"], one["reports"]) for one in shown["incidents"]] == [(mine["id"], 1)]
        assert [uuid.UUID(one).int for one in shown["incidents"][0]["alerts"]] == [1, 2]
    async with client(guarded.url, by_session(await people.person("viewer", ["health"]))) as http:
        seen = (await http.get("/api/v1/incidents")).json()["incidents"]
        assert [one["id"] for one in seen] == [found[0]["id"]]
        assert (await http.get(f"/api/v1/incidents/{mine['id']}")).status_code == 404
        assert (await http.get(f"/api/v1/incidents/{mine['id']}/timeline")).status_code == 404


async def test_a_flood_is_told_to_the_screens_and_kept(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    for number in range(1, 13):
        await raise_alert(db, number, severity="warning", notify=False)
    headers = by_session(await people.person("viewer"))
    async with client(guarded.url, headers) as http, guarded.listen(additional_headers=headers) as screen:
        await screen.say(type="subscribe", channel="city")
        assert (await screen.next("snapshot"))["incidents"] == []
        await (await follower(guarded, people)).flood()
        shown = await screen.until(lambda message: message.get("flood") is not None)
        (kept,) = (await http.get("/api/v1/floods")).json()["floods"]
        assert (kept["began_at"], kept["ended_at"], kept["peak"]) == (shown["flood"]["since"], None, 12)
        await db.execute("UPDATE alert_history SET at = at - interval '11 minutes'")
        await (await follower(guarded, people)).flood()
        await screen.until(lambda message: "flood" in message and message["flood"] is None)
