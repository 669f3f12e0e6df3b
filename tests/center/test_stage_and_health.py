"""The operating stage over REST and on the `city` channel; alarm health of a real history; /ready on rules in force."""

import asyncio

import asyncpg
import httpx
import pytest

from alerts import rulebook
from alerts.alarms import HealthGauges
from alerts.rulefile import parse_rules
from city import metrics
from city.clock import SystemClock
from city.sectors import Catalogue
from city.settings import DEFAULT_CITY
from tests.alerts.streets import FLOOD, LASTING
from tests.center.conftest import Running, raise_alert
from tests.center.people import People, by_session, client


async def test_a_supervisor_sets_the_stage_and_the_city_sees_it(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    chief = await people.account("supervisor")
    headers = by_session(await people.session(chief))
    async with client(guarded.url, headers) as http, guarded.listen(additional_headers=headers) as screen:
        assert (await http.get("/api/v1/stage")).json()["level"] == 1
        await screen.say(type="subscribe", channel="city")
        await screen.until(lambda message: message.get("stage", {}).get("level") == 1)
        told = (await http.post("/api/v1/stage", json={"level": 3, "seen": 1, "why": "triều cường"})).json()
        assert (told["level"], told["steps"][0]["by"], told["steps"][0]["why"]) == (3, chief.name, "triều cường")
        seen = await screen.until(lambda message: message.get("stage", {}).get("level") == 3)
        assert (seen["stage"]["since"], seen["stage"]["name"]) == (told["since"], told["name"])
        late = await http.post("/api/v1/stage", json={"level": 2, "seen": 1, "why": "x"})
        assert (late.status_code, late.json()["error"]["code"]) == (409, "changed")
        assert f"3 now, set by {chief.name} at {told['since']}" in late.json()["error"]["message"]
        same = await http.post("/api/v1/stage", json={"level": 3, "seen": 3, "why": "x"})
        assert (same.status_code, same.json()["error"]["code"]) == (409, "same")
        assert (await http.post("/api/v1/stage", json={"level": 6, "seen": 3, "why": "x"})).status_code == 422
        hands = [http.post("/api/v1/stage", json={"level": 4, "seen": 3, "why": f"{n}"}) for n in range(6)]
        answers = await asyncio.gather(*hands)
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    trail = await db.fetch("SELECT actor, before ->> 'level', after ->> 'level' FROM audit WHERE action = 'stage.set'")
    assert [tuple(row) for row in trail] == [(chief.name, "1", "3"), (chief.name, "3", "4")]


@pytest.mark.parametrize("who", [("operator", []), ("supervisor", ["traffic"])])
async def test_the_stage_is_for_supervisors_of_the_whole_city(
    guarded: Running, people: People, who: tuple[str, list[str]]
) -> None:
    async with client(guarded.url, by_session(await people.person(*who))) as http:
        answer = await http.post("/api/v1/stage", json={"level": 2, "seen": 1, "why": "x"})
        assert answer.status_code == 403
        assert (await http.get("/api/v1/stage")).status_code == 200


async def test_health_counts_what_people_were_told_within_their_scope(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    number = 0
    for sector, severity, count in (("traffic", "warning", 4), ("health", "critical", 1), ("traffic", "info", 3)):
        for _ in range(count):
            number += 1
            await raise_alert(db, number, sector=sector, severity=severity, rule=f"{sector}-rule", team="duty")
    await db.execute(
        "INSERT INTO shelf (kind, sector, rule, why, made_by, until)"
        " VALUES ('shelved', 'traffic', 'traffic-rule', 'x', 'x', now() + interval '1 h')"
    )
    await raise_alert(db, 99, sector="traffic", severity="warning", rule="traffic-rule")
    async with client(guarded.url, by_session(await people.person("viewer"))) as http:
        told = (await http.get("/api/v1/alarm-health?by=sector")).json()
        assert (told["all"]["alarms"], told["all"]["peak_10min"]) == (5, 5)
        assert told["all"]["split"] == {"warning": 0.8, "critical": 0.2, "emergency": 0}
        assert [(part["of"], part["alarms"]) for part in told["by"]] == [("traffic", 4), ("health", 1)]
        assert told["all"]["top"][0] == {"rule": "traffic-rule", "alarms": 4, "share": 0.8}
        by_team = (await http.get("/api/v1/alarm-health?by=team")).json()["by"]
        assert [part["of"] for part in by_team] == ["duty"]
        wrong = await http.get("/api/v1/alarm-health?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z")
        assert wrong.status_code == 422
    async with client(guarded.url, by_session(await people.person("viewer", ["health"]))) as http:
        assert (await http.get("/api/v1/alarm-health")).json()["all"]["alarms"] == 1
    await HealthGauges(people.pool, "test").look(SystemClock().now_us())
    assert metrics.ALARMS_PEAK.labels("24h")._value.get() == 5
    assert metrics.ALARMS_SPLIT.labels("24h", "warning")._value.get() == 0.8


async def test_readiness_tells_how_many_rules_are_in_force(
    http: httpx.AsyncClient, people: People, db: asyncpg.Connection
) -> None:
    """None is no failure, and is told: nothing would be raised."""
    catalogue = Catalogue.load(DEFAULT_CITY)

    async def told() -> tuple[int, object]:
        answer = await http.get("/api/v1/ready")
        return answer.status_code, answer.json()["rules"]

    assert await told() == (200, 0)
    for texts in ([FLOOD, LASTING], [FLOOD]):  # the second takes one out of force
        await rulebook.apply_rules(people.pool, [one for text in texts for one in parse_rules(text, catalogue)], "test")
        assert await told() == (200, len(texts))
    async with db.transaction():
        await db.execute("LOCK TABLE rule IN ACCESS EXCLUSIVE MODE")
        assert await told() == (200, None)  # the database answers, and does not say
    assert await told() == (200, 1)
