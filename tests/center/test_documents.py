"""The OpenAPI and AsyncAPI documents, held against what the running service really says."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import jsonschema_rs
import pytest

from alerts.grouping import Incidents
from city.kafka import LIVE, Producer
from city.sectors import Catalogue
from city.settings import Settings
from city.zones import ZoneMap
from tests.alerts.streets import FLOOD
from tests.center.conftest import Running, move_alert, raise_alert
from tests.center.people import People
from tests.center.test_door import event, send
from tests.center.test_live_values import READING, REPORT, new_series, now_us

SERVER = ("hello", "heartbeat", "gap", "restarting", "error")
NEED_A_PERSON = {"/api/v1/session/all", "/api/v1/oidc/start", "/api/v1/oidc/callback"}
"""These are in test_session and test_oidc."""
METHODS = ("get", "post", "put", "patch", "delete")


def later(hours: float) -> str:
    """RFC 3339, so many hours from now."""
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def validator(document: dict[str, Any], pointer: str) -> jsonschema_rs.Validator:
    """A validator of one schema within a document; formats count."""
    whole = {**document, "$ref": pointer}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


@pytest.fixture
async def asyncapi(http: httpx.AsyncClient) -> dict[str, Any]:
    document: dict[str, Any] = (await http.get("/asyncapi.json")).json()
    return document


def name_of(message: dict[str, Any]) -> str:
    """The name of a server message in the document."""
    if message["type"] in SERVER:
        return str(message["type"])
    return f"{message['channel']}{message['type'].title()}"


async def test_every_message_of_a_busy_connection_is_as_the_document_says(
    center: Running, asyncapi: dict[str, Any], db: asyncpg.Connection
) -> None:
    assert asyncapi["asyncapi"].startswith("3.")
    validators = {
        name: validator(asyncapi, f"#/components/messages/{name}/payload")
        for name in asyncapi["components"]["messages"]
    }
    series = await new_series(db, "VVK-1", zone="26740")
    await db.execute(READING, now_us(), series, 30.0)
    await db.execute(REPORT, "r-1", "26740")
    requests: list[dict[str, Any]] = [
        {"type": "subscribe", "channel": "live"},
        {"type": "subscribe", "channel": "city", "filter": {"sectors": ["traffic"]}},
        {"type": "subscribe", "channel": "alerts", "since": 5, "epoch": "another"},
        {"type": "painted", "seq": 1, "screen": "wall"},
        {"type": "unsubscribe", "channel": "live"},
        {"type": "subscribe", "channel": "live"},
    ]
    wanted = set(SERVER) | {
        f"{channel}{kind}" for channel in ("alerts", "live", "city") for kind in ("Snapshot", "Delta")
    }
    seen: set[str] = set()
    async with center.listen() as client, Producer(center.settings, linger_ms=0) as producer:
        for request in requests:
            validators[request["type"]].validate(request)
            await client.say(**request)
        await client.say(type="nonsense")
        await raise_alert(db, 1, sector="traffic", metric="speed_kmh", zone="26740", zone_name={"vi": "a", "en": "b"})
        await move_alert(db, 1, "acknowledged", "Lan")
        frame = [(series, now_us(), 31.0)]
        validators["liveFrame"].validate(frame)
        await producer.publish(LIVE, json.dumps(frame).encode())
        while seen != wanted:
            message = await client.next()
            name = name_of(message)
            validators[name].validate(message)
            seen.add(name)
            if wanted - seen == {"restarting"}:
                center.stop.set()


async def test_a_published_event_is_as_the_document_says(asyncapi: dict[str, Any], http: httpx.AsyncClient) -> None:
    payload = validator(asyncapi, "#/components/messages/event/payload")
    good = event()
    payload.validate(good)
    assert (await send(http, good)).status_code == 202
    assert not payload.is_valid(event(type="city.traffic.rumour.v1"))


async def test_the_asyncapi_document_refers_only_to_what_it_has(asyncapi: dict[str, Any]) -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [one for value in node.values() for one in references(value)]
        return [one for value in node for one in references(value)] if isinstance(node, list) else []

    assert references(asyncapi)
    for reference in references(asyncapi):
        found: Any = asyncapi
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


async def test_the_openapi_document_is_valid_and_answers_fit_it(
    center: Running, settings: Settings, http: httpx.AsyncClient, people: People, db: asyncpg.Connection
) -> None:
    document: dict[str, Any] = (await http.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    series = await new_series(db, "VVK-1", zone="26740")
    await db.execute(READING, now_us(), series, 30.0)
    await db.execute(REPORT, "r-1", "26740")
    await raise_alert(db, 1, zone="26740", zone_name={"vi": "a", "en": "b"}, location=[106.7, 10.7])
    grouping = Incidents(people.pool, Catalogue.load(settings.city), ZoneMap.load(settings.city), "test")
    assert await grouping._lease.acquire()
    await grouping.step()
    incident = (await http.get("/api/v1/incidents")).json()["incidents"][0]["id"]
    assert (await http.post("/api/v1/shifts", json={"position": "desk 1"})).status_code == 201
    noted = await http.post("/api/v1/notes", json={"about": "incident", "object": incident, "text": "xem lại"})
    assert noted.status_code == 201, noted.text
    said = {"position": "desk 1"}
    acted = await http.post("/api/v1/alerts/00000000-0000-0000-0000-000000000001/silence", json=said)
    assert acted.status_code == 200, acted.text
    shelf = {"seq": acted.json()["seq"], "until": later(1), "why": "sửa"}
    hidden = await http.post("/api/v1/alerts/00000000-0000-0000-0000-000000000001/shelve", json=shelf)
    assert hidden.status_code == 200, hidden.text
    window = {"zones": ["26740"], "starts_at": later(1), "until": later(2), "why": "sửa"}
    assert (await http.post("/api/v1/maintenance", json=window)).status_code == 201
    tried = {"rule": FLOOD, "from": later(-24), "to": later(-1)}
    begun = await http.post("/api/v1/backtests", json=tried)
    assert begun.status_code == 202, begun.text
    backtest = f"/api/v1/backtests/{begun.json()['id']}"
    async with asyncio.timeout(30):
        while (await http.get(backtest)).json()["state"] != "done":
            await asyncio.sleep(0.05)
    await send(http, event())
    await send(http, event(subject=""))
    letter = (await http.get("/api/v1/dead-letters")).json()["dead_letters"][0]["id"]
    alert = "00000000-0000-0000-0000-000000000001"
    asked = {
        "/api/v1/sectors": "/api/v1/sectors",
        "/api/v1/zones": "/api/v1/zones",
        "/api/v1/zones.geojson": "/api/v1/zones.geojson",
        "/api/v1/assets": "/api/v1/assets?sector=traffic&zone=26740&name=vvk",
        "/api/v1/series": "/api/v1/series?asset=VVK-1&metric=speed_kmh",
        "/api/v1/readings": f"/api/v1/readings?series={series}&points=2000",
        "/api/v1/reports": "/api/v1/reports?from=2020-01-01T00:00:00Z&status=open",
        "/api/v1/alerts": "/api/v1/alerts?severity=critical&state=all",
        "/api/v1/alerts/{alert_id}": f"/api/v1/alerts/{alert}",
        "/api/v1/alerts/{alert_id}/history": f"/api/v1/alerts/{alert}/history",
        "/api/v1/alerts/{alert_id}/assignees": f"/api/v1/alerts/{alert}/assignees",
        "/api/v1/shelves": "/api/v1/shelves",
        "/api/v1/maintenance": "/api/v1/maintenance",
        "/api/v1/incidents": "/api/v1/incidents?state=all",
        "/api/v1/incidents/{incident_id}": f"/api/v1/incidents/{incident}",
        "/api/v1/incidents/{incident_id}/timeline": f"/api/v1/incidents/{incident}/timeline",
        "/api/v1/floods": "/api/v1/floods",
        "/api/v1/shifts": "/api/v1/shifts",
        "/api/v1/notes": "/api/v1/notes?pinned=true",
        "/api/v1/handover": "/api/v1/handover",
        "/api/v1/alarm-health": "/api/v1/alarm-health?by=rule&positions=2",
        "/api/v1/backtests": "/api/v1/backtests",
        "/api/v1/backtests/{backtest_id}": backtest,
        "/api/v1/stage": "/api/v1/stage",
        "/api/v1/ledger": "/api/v1/ledger",
        "/api/v1/dead-letters": "/api/v1/dead-letters?source=http&waiting=true",
        "/api/v1/dead-letters/{letter_id}": f"/api/v1/dead-letters/{letter}",
        "/api/v1/screens": "/api/v1/screens",
        "/api/v1/session": "/api/v1/session",
        "/api/v1/accounts": "/api/v1/accounts",
        "/api/v1/keys": "/api/v1/keys",
        "/api/v1/devices": "/api/v1/devices",
        "/api/v1/audit": "/api/v1/audit?actor=local&limit=5",
        "/api/v1/audit/verify": f"/api/v1/audit/verify?head=1:{'0' * 64}",
        "/api/v1/health": "/api/v1/health",
        "/api/v1/ready": "/api/v1/ready",
    }
    gets = {path for path, methods in document["paths"].items() if "get" in methods}
    assert gets == set(asked) | NEED_A_PERSON, "a resource is without an example here"
    for path, url in asked.items():
        answer = await http.get(url)
        assert answer.status_code == 200, (url, answer.text)
        content = document["paths"][path]["get"]["responses"]["200"]["content"]
        media = answer.headers["content-type"].partition(";")[0]
        assert media in content, (path, media)
        schema = {**content[media]["schema"], "components": document["components"]}
        jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(answer.json())


async def test_pages_follow_each_other_without_loss_or_repeat(
    center: Running, http: httpx.AsyncClient, db: asyncpg.Connection
) -> None:
    for number in range(1, 8):
        await new_series(db, f"VVK-{number}")
        await db.execute(REPORT, f"r-{number}", "26740")
        await raise_alert(db, number)
        await send(http, event(subject=""))
    for path, key, field in (
        ("/api/v1/assets", "assets", "id"),
        ("/api/v1/series", "series", "id"),
        ("/api/v1/reports", "reports", "id"),
        ("/api/v1/alerts", "alerts", "id"),
        ("/api/v1/dead-letters", "dead_letters", "id"),
    ):
        found: list[Any] = []
        query: dict[str, Any] = {"limit": 3}
        while True:
            page = (await http.get(path, params=query)).json()
            found += [item[field] for item in page[key]]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        assert (len(found), len(set(found))) == (7, 7), path


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/api/v1/nothing", 404),
        ("/api/v1/alerts/00000000-0000-0000-0000-000000000009", 404),
        ("/api/v1/alerts/9", 422),
        ("/api/v1/assets?limit=0", 422),
        ("/api/v1/assets?sector=weather", 404),
        ("/api/v1/reports?from=yesterday", 422),
        ("/api/v1/readings", 422),
        ("/api/v1/readings?series=1&points=0", 422),
        ("/api/v1/assets?name=%00", 422),
    ],
)
async def test_errors_have_one_form(http: httpx.AsyncClient, url: str, status: int) -> None:
    answer = await http.get(url)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"code", "message"}
