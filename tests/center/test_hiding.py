"""Shelving, out of service and maintenance windows, over REST on a real database; the end comes by itself."""

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from alerts.hiding import Hiding
from tests.center.conftest import Running, move_alert, raise_alert
from tests.center.people import People, by_session, client
from tests.center.test_alert_acts import do, path, refused

WHY = {"why": "cảm biến đang sửa"}


def after(**span: float) -> str:
    return (datetime.now(UTC) + timedelta(**span)).isoformat()


async def state(db: asyncpg.Connection, number: int) -> tuple[str, str | None]:
    """(state, what it is beneath)"""
    row = await db.fetchrow("SELECT state, beneath, body FROM alert WHERE id = $1", uuid.UUID(int=number))
    assert row is not None
    body = json.loads(row["body"])
    assert body["state"] == row["state"]
    assert (body["hidden"] is not None) == (row["beneath"] is not None)
    return row["state"], row["beneath"]


@pytest.fixture
async def hiding(people: People) -> Hiding:
    return Hiding(people.pool, "test")


async def expire(db: asyncpg.Connection) -> None:
    """The time of every shelf and window has come."""
    await db.execute("UPDATE shelf SET until = clock_timestamp() - interval '1 s' WHERE until IS NOT NULL")
    await db.execute(
        "UPDATE maintenance SET until = clock_timestamp() - interval '1 s',"
        " starts_at = clock_timestamp() - interval '1 h'"
    )


async def test_a_shelf_hides_and_ends_by_itself_and_the_alert_comes_back_as_what_it_is(
    guarded: Running, people: People, db: asyncpg.Connection, hiding: Hiding
) -> None:
    for number in (1, 2, 3, 4):
        await raise_alert(db, number, severity="warning")
    async with client(guarded.url, by_session(await people.person("operator"))) as http:
        await do(http, 1, "acknowledge", seq=1)
        for number, seq in ((1, 5), (2, 2), (3, 3), (4, 4)):
            hidden = await do(http, number, "shelve", seq=seq, until=after(hours=2), scope="alert", **WHY)
            assert (hidden["state"], hidden["hidden"]["why"]) == ("shelved", WHY["why"])
        await move_alert(db, 2, "escalated", severity="critical")
        await move_alert(db, 3, "cleared")
        assert await hiding.look() == 0
        assert [await state(db, number) for number in (1, 2, 3, 4)] == [
            ("shelved", "acknowledged"),
            ("shelved", "unacknowledged"),
            ("normal", None),
            ("shelved", "unacknowledged"),
        ]
        assert (await refused(http, 1, "acknowledge"))[0] == "illegal_act"
        assert len((await http.get("/api/v1/shelves")).json()["shelves"]) == 4
        await expire(db)
        assert await hiding.look() == 3
        assert [(await state(db, number))[0] for number in (1, 2, 3, 4)] == [
            "acknowledged",
            "unacknowledged",
            "normal",
            "unacknowledged",
        ]
        assert (await http.get("/api/v1/shelves")).json()["shelves"] == []
    assert await hiding.look() == 0
    kinds = await db.fetch("SELECT kind, actor FROM alert_history WHERE kind LIKE '%shelved' ORDER BY seq")
    assert [row["kind"] for row in kinds] == ["shelved"] * 4 + ["unshelved"] * 3
    assert {row["actor"] for row in kinds[4:]} == {None}
    newest = await db.fetchval("SELECT seq FROM alert_sequence")
    assert await db.fetchval("SELECT array_agg(seq ORDER BY seq) FROM alert_history") == list(range(1, newest + 1))


async def test_what_is_raised_while_its_cause_or_its_rule_is_shelved_enters_shelved(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    await raise_alert(db, 1, group="PA-1")
    async with client(guarded.url, by_session(await people.person("operator"))) as http:
        await move_alert(db, 1, "cleared")
        await do(http, 1, "shelve", seq=2, until=after(hours=1), scope="cause", **WHY)  # it chatters: over just now
        await raise_alert(db, 2, group="PA-1")
        await raise_alert(db, 3, group="PA-3")
        await raise_alert(db, 4, group="PA-1", rule="another")
        assert [(await state(db, number))[0] for number in (1, 2, 3, 4)] == [
            "normal",  # superseded by the second
            "shelved",
            "unacknowledged",
            "unacknowledged",
        ]
        await do(http, 3, "shelve", seq=5, until=after(hours=1), scope="rule", **WHY)
        await raise_alert(db, 5, group="PA-5")
        await raise_alert(db, 6, group="BV-6", sector="health")
        assert [(await state(db, number))[0] for number in (2, 3, 5, 6)] == [
            "shelved",
            "shelved",
            "shelved",
            "unacknowledged",
        ]


async def test_operators_shelve_for_eight_hours_and_supervisors_for_longer(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    await raise_alert(db, 1)
    headers = by_session(await people.person("operator"))
    async with client(guarded.url, headers) as http:
        for until, status in ((after(hours=9), 403), (after(days=32), 422), (after(hours=-1), 422), ("soon", 422)):
            answer = await http.post(f"{path(1)}/shelve", json={"seq": 1, "until": until, **WHY})
            assert answer.status_code == status, answer.text
        denied = await http.post(f"{path(1)}/out-of-service", json={"seq": 1, **WHY})
        assert (denied.status_code, denied.json()["error"]["code"]) == (403, "not_allowed")
        assert (await http.post(f"{path(1)}/shelve", json={"seq": 1, "until": after(hours=1)})).status_code == 422
    async with client(guarded.url, by_session(await people.person("supervisor"))) as chief:
        await do(chief, 1, "shelve", seq=1, until=after(days=3), **WHY)
        again = await do(chief, 1, "shelve", seq=2, until=after(days=4), **WHY)
        shelves = (await chief.get("/api/v1/shelves")).json()["shelves"]
        assert [one["id"] for one in shelves] == [again["hidden"]["id"]], "the later takes the place of the earlier"
        code, sentence = await refused(chief, 1, "shelve", seq=2, until=after(hours=1), **WHY)
        assert code == "changed"
        assert "was faster: shelved at" in sentence


async def test_out_of_service_is_stronger_than_a_window_and_a_window_than_a_shelf(
    guarded: Running, people: People, db: asyncpg.Connection, hiding: Hiding
) -> None:
    await raise_alert(db, 1, zone="26740")
    async with client(guarded.url, by_session(await people.person("supervisor"))) as chief:
        shelf = (await do(chief, 1, "shelve", seq=1, until=after(hours=1), **WHY))["hidden"]["id"]
        window = await announce(chief, zones=["26740"], until=after(hours=2))
        assert await state(db, 1) == ("suppressed", "unacknowledged")
        gone = await do(chief, 1, "out-of-service", seq=3, **WHY)
        assert (gone["state"], gone["hidden"]["until"]) == ("out_of_service", None)
        assert (await chief.post(f"/api/v1/shelves/{gone['hidden']['id']}/end")).status_code == 204
        assert await state(db, 1) == ("suppressed", "unacknowledged")
        assert (await chief.post(f"/api/v1/maintenance/{window}/end")).status_code == 204
        assert await state(db, 1) == ("shelved", "unacknowledged")
        assert (await chief.post(f"/api/v1/shelves/{shelf}/end")).status_code == 204
        assert await state(db, 1) == ("unacknowledged", None)
        late = await chief.post(f"/api/v1/shelves/{shelf}/end")
        assert (late.status_code, late.json()["error"]["code"]) == (409, "over")
        assert "It has ended by supervisor" in late.json()["error"]["message"]
        late = await chief.post(f"/api/v1/maintenance/{window}/end")
        assert (late.status_code, late.json()["error"]["code"]) == (409, "over")
    assert await hiding.look() == 0
    kinds = [row["kind"] for row in await db.fetch("SELECT kind FROM alert_history ORDER BY seq")]
    assert kinds == [
        "raised",
        "shelved",
        "suppressed",
        "taken_out_of_service",
        "returned_to_service",
        "unsuppressed",
        "unshelved",
    ]
    trail = [row["action"] for row in await db.fetch("SELECT action FROM audit ORDER BY seq")]
    assert trail[-6:] == [
        "alert.shelve",
        "maintenance.announce",
        "alert.take_out_of_service",
        "alert.return_to_service",
        "maintenance.end",
        "alert.unshelve",
    ]


async def announce(http: httpx.AsyncClient, **window: Any) -> str:
    """A window from now; its id."""
    body = {"starts_at": after(seconds=-1), "until": after(hours=1), **WHY, **window}
    answer = await http.post("/api/v1/maintenance", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_a_window_hides_by_sector_zone_rule_and_asset_and_begins_and_ends_by_itself(
    guarded: Running, people: People, db: asyncpg.Connection, hiding: Hiding
) -> None:
    for number, fields in enumerate(
        (
            {"zone": "26740", "asset": "PA-1"},
            {"zone": "26743", "asset": "PA-2"},
            {"zone": None, "asset": None, "rule": "system-feed-dead"},
            {"zone": "26740", "asset": "PA_1", "rule": "pumps"},
        ),
        start=1,
    ):
        await raise_alert(db, number, **fields)
    await db.execute("INSERT INTO rule VALUES ('pumps', 1, '{}', '', now(), 'test', false, 1, 2)")  # retired
    async with client(guarded.url, by_session(await people.person("supervisor"))) as chief:
        cases: list[tuple[dict[str, Any], set[int]]] = [
            ({"zones": ["26740"]}, {1, 4}),
            ({"zones": ["26740"], "rules": ["pumps"]}, {4}),
            ({"assets": "PA-*"}, {1, 2}),
            ({"assets": "PA_1"}, {4}),
            ({"sectors": ["environment"]}, {1, 2, 3, 4}),
            ({"sectors": ["health"]}, set()),
        ]
        for extent, expected in cases:
            told = (await chief.post("/api/v1/maintenance/preview", json=extent)).json()
            assert {uuid.UUID(one["id"]).int for one in told["now"]} == expected, extent
            window = await announce(chief, **extent)
            assert {number for number in (1, 2, 3, 4) if (await state(db, number))[0] == "suppressed"} == expected
            assert (await chief.post(f"/api/v1/maintenance/{window}/end")).status_code == 204
            assert {(await state(db, number))[0] for number in (1, 2, 3, 4)} == {"unacknowledged"}
        await announce(chief, zones=["26740"], starts_at=after(minutes=10), until=after(hours=1))
        assert await hiding.look() == 0
        await db.execute("UPDATE maintenance SET starts_at = clock_timestamp() WHERE ended_at IS NULL")
        assert await hiding.look() == 2
        await raise_alert(db, 5, zone="26740")
        assert (await state(db, 5))[0] == "suppressed"
        await expire(db)
        assert await hiding.look() == 3
        assert (await chief.get("/api/v1/maintenance")).json()["windows"] == []
        assert (await chief.post("/api/v1/maintenance/preview", json={})).status_code == 422


@pytest.mark.parametrize(
    ("extent", "code", "said"),
    [
        ({"assets": "*"}, "unbounded", "a whole city is never in maintenance"),
        ({"assets": "**"}, "unbounded", "a whole city is never in maintenance"),
        ({"zones": ["26740"], "rules": ["no-such-rule"]}, "unknown_rule", "No rule is called 'no-such-rule'"),
    ],
)
async def test_a_window_is_never_of_the_whole_city_nor_of_a_rule_that_never_was(
    guarded: Running, people: People, db: asyncpg.Connection, extent: dict[str, Any], code: str, said: str
) -> None:
    times = {"starts_at": after(seconds=0), "until": after(days=300)}
    async with client(guarded.url, by_session(await people.person("supervisor"))) as chief:
        for path, body in (("", {**times, **WHY, **extent}), ("/preview", extent)):
            answer = await chief.post(f"/api/v1/maintenance{path}", json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, code), answer.text
            assert said in answer.json()["error"]["message"]
        await announce(chief, zones=["26740"], rules=["system-feed-dead"], assets="*")


async def test_a_window_does_not_begin_in_the_past(guarded: Running, people: People, db: asyncpg.Connection) -> None:
    body = {"zones": ["26740"], "until": after(hours=1), **WHY}
    async with client(guarded.url, by_session(await people.person("supervisor"))) as chief:
        answer = await chief.post("/api/v1/maintenance", json={**body, "starts_at": after(minutes=-2)})
        assert answer.status_code == 422, answer.text
        assert "a window begins now or later" in answer.json()["error"]["message"]
        assert (await chief.get("/api/v1/maintenance")).json()["windows"] == []
        await announce(chief, **{**body, "starts_at": after(seconds=-30)})  # a clock that is a little late


async def test_the_preview_counts_what_the_last_week_would_have_lost(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    for number in range(1, 6):
        await raise_alert(db, number, zone="26740", severity="warning" if number % 2 else "critical")
        await move_alert(db, number, "cleared")
    days = "UPDATE alert SET raised_at = clock_timestamp() - make_interval(days => $2) WHERE id = $1"
    for number in range(1, 6):
        await db.execute(days, uuid.UUID(int=number), 9 if number == 5 else 3)
    async with client(guarded.url, by_session(await people.person("supervisor"))) as chief:
        told = (await chief.post("/api/v1/maintenance/preview", json={"zones": ["26740"]})).json()
    assert told == {
        "now": [],
        "days": 7,
        "before": [
            {"rule": "river-alarm-3", "severity": "critical", "alerts": 2},
            {"rule": "river-alarm-3", "severity": "warning", "alerts": 2},
        ],
    }


async def test_who_has_some_zones_shelves_and_announces_only_there(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    await raise_alert(db, 1, sector="traffic", zone="26740")
    chief = await people.person("supervisor", ["traffic"], ["26740"])
    async with client(guarded.url, by_session(chief)) as http:
        whole = await http.post(f"{path(1)}/shelve", json={"seq": 1, "until": after(hours=1), "scope": "rule", **WHY})
        assert (whole.status_code, whole.json()["error"]["code"]) == (403, "out_of_scope")
        body = {"starts_at": after(seconds=0), "until": after(hours=1), **WHY}
        for extent, status in (
            ({"zones": ["26740"]}, 403),  # of every sector
            ({"sectors": ["traffic"]}, 403),  # in every zone
            ({"sectors": ["traffic"], "zones": ["26740", "26743"]}, 403),
            ({"sectors": ["traffic"], "zones": ["26740"]}, 201),
        ):
            answer = await http.post("/api/v1/maintenance", json={**body, **extent})
            assert answer.status_code == status, (extent, answer.text)
        theirs = await raise_and_shelve(guarded, people, db)
        assert (await http.post(f"/api/v1/shelves/{theirs}/end")).status_code == 404


async def raise_and_shelve(guarded: Running, people: People, db: asyncpg.Connection) -> str:
    """A shelf elsewhere; its id."""
    seq = await raise_alert(db, 9, sector="traffic", zone="26743")
    async with client(guarded.url, by_session(await people.person("operator"))) as http:
        hidden = (await do(http, 9, "shelve", seq=seq, until=after(hours=1), **WHY))["hidden"]
        return str(hidden["id"])


async def test_an_alert_raised_in_the_very_moment_of_shelving_is_hidden_or_settled(
    guarded: Running, people: People, db: asyncpg.Connection, hiding: Hiding
) -> None:
    await raise_alert(db, 100)
    second = await asyncpg.connect(guarded.settings.database_dsn)
    try:
        async with client(guarded.url, by_session(await people.person("supervisor"))) as chief:

            async def storm() -> None:
                for number in range(1, 60):
                    await raise_alert(second, number, notify=False)

            raising = asyncio.create_task(storm())
            await do(chief, 100, "shelve", seq=1, until=after(hours=1), scope="rule", **WHY)
            await raising
    finally:
        await second.close()
    assert await db.fetchval("SELECT count(*) FROM alert WHERE state <> 'shelved'") == 0
    assert await hiding.look() == 0
