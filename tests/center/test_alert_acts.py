"""What people do to an alert, over REST on a real database: three different acts, one owner, and two hands at once."""

import asyncio
import json
import uuid
from typing import Any

import asyncpg
import httpx

from tests.center.conftest import Running, move_alert, raise_alert
from tests.center.people import People, by_session, client


def path(number: int) -> str:
    return f"/api/v1/alerts/{uuid.UUID(int=number)}"


async def do(http: httpx.AsyncClient, number: int, what: str, **body: Any) -> dict[str, Any]:
    """An act that must succeed; the alert after it."""
    answer = await http.post(f"{path(number)}/{what}", json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def refused(http: httpx.AsyncClient, number: int, what: str, **body: Any) -> tuple[str, str]:
    """An act that must be in conflict; code and sentence."""
    answer = await http.post(f"{path(number)}/{what}", json=body)
    assert answer.status_code == 409, answer.text
    error = answer.json()["error"]
    return error["code"], error["message"]


async def test_silence_acknowledge_and_accept_are_three_different_acts(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    await raise_alert(db, 1)
    lan = await people.account("operator")
    async with client(guarded.url, by_session(await people.session(lan))) as http:
        silent = await do(http, 1, "silence", position="desk 1")
        assert (silent["state"], silent["owner"], silent["acknowledged_by"]) == ("unacknowledged", None, None)
        again = await do(http, 1, "silence", position="desk 2", seq=silent["seq"])
        again = await do(http, 1, "silence", position="desk 1", seq=again["seq"])
        assert sorted(one["position"] for one in again["silenced"]) == ["desk 1", "desk 2"]
        assert {one["by"] for one in again["silenced"]} == {lan.name}
        seen = await do(http, 1, "acknowledge", seq=again["seq"])
        assert (seen["state"], seen["owner"], seen["acknowledged_by"]) == ("acknowledged", None, lan.name)
        mine = await do(http, 1, "accept", seq=seen["seq"])
        assert (mine["owner"], mine["accepted_at"]) == (lan.name, mine["updated_at"])
        said = await do(http, 1, "comment", text="Đã gọi trạm bơm")
        assert (said["comments"], said["state"]) == (1, "acknowledged")
        free = await do(http, 1, "release", seq=said["seq"])
        assert (free["owner"], free["accepted_at"], free["state"]) == (None, None, "acknowledged")
        steps = (await http.get(f"{path(1)}/history")).json()["transitions"]
        assert [step["kind"] for step in steps] == [
            "raised",
            *["silenced"] * 3,
            "acknowledged",
            "accepted",
            "commented",
            "released",
        ]
        assert [step["seq"] for step in steps] == [step["alert"]["seq"] for step in steps] == list(range(1, 9))
        assert steps[6]["detail"] == {"text": "Đã gọi trạm bơm"}
    trail = await db.fetch("SELECT action, actor, object, after FROM audit WHERE action LIKE 'alert.%' ORDER BY seq")
    assert [row["action"] for row in trail] == [
        f"alert.{act}" for act in ("silence", "silence", "silence", "acknowledge", "accept", "comment", "release")
    ]
    assert {(row["actor"], row["object"]) for row in trail} == {(lan.name, f"alert {uuid.UUID(int=1)}")}
    assert json.loads(trail[5]["after"])["text"] == "Đã gọi trạm bơm"


async def test_accepting_means_having_seen_and_an_escalation_asks_again_and_sounds_again(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    await raise_alert(db, 1)
    async with client(guarded.url, by_session(await people.person("operator"))) as http:
        await do(http, 1, "silence", position="desk 1")
        mine = await do(http, 1, "accept", seq=2)
        assert (mine["state"], mine["acknowledged_by"]) == ("acknowledged", mine["owner"])
        await move_alert(db, 1, "escalated", severity="emergency")
        worse = (await http.get(path(1))).json()
        assert (worse["state"], worse["owner"], worse["silenced"]) == ("unacknowledged", mine["owner"], [])
        assert await refused(http, 1, "accept", seq=worse["seq"]) == (
            "owned",
            f"{mine['owner']} has accepted it at {mine['accepted_at']}.",
        )
        await do(http, 1, "acknowledge", seq=worse["seq"])


async def test_of_two_hands_at_once_one_wins_and_the_other_is_told_who_and_when(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    await raise_alert(db, 1)
    hands = [await people.account("operator") for _ in range(8)]
    async with client(guarded.url) as http:
        sessions = [by_session(await people.session(hand)) for hand in hands]
        answers = await asyncio.gather(
            *(http.post(f"{path(1)}/accept", json={"seq": 1}, headers=session) for session in sessions)
        )
    won = [answer for answer in answers if answer.status_code == 200]
    lost = [answer for answer in answers if answer.status_code == 409]
    assert (len(won), len(lost)) == (1, 7)
    at = await db.fetchval("SELECT rfc3339(at) FROM alert_history WHERE kind = 'accepted'")
    for answer in lost:
        assert answer.json()["error"]["code"] == "changed"
        assert f"{won[0].json()['owner']} was faster: accepted at {at}" in answer.json()["error"]["message"]
    assert await db.fetchval("SELECT count(*) FROM alert_history") == 2
    assert await db.fetchval("SELECT count(*) FROM audit WHERE action = 'alert.accept'") == 1


async def test_an_act_on_what_the_engine_has_moved_is_refused(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    await raise_alert(db, 1)
    await move_alert(db, 1, "eased", severity="warning")
    async with client(guarded.url, by_session(await people.person("operator"))) as http:
        code, sentence = await refused(http, 1, "acknowledge", seq=1)
        assert code == "changed"
        assert sentence.startswith("The alert was eased at 20")
        await move_alert(db, 1, "cleared")
        code, sentence = await refused(http, 1, "accept", seq=3)
        assert (code, sentence) == (
            "illegal_act",
            "The alert can't be accepted: it is over and waits to be acknowledged.",
        )
        await do(http, 1, "acknowledge", seq=3)
        assert (await refused(http, 1, "silence", position="desk 1"))[0] == "illegal_act"
        assert (await do(http, 1, "comment", text="what it was"))["state"] == "normal"
    assert await db.fetchval("SELECT array_agg(seq ORDER BY seq) FROM alert_history") == [1, 2, 3, 4, 5]
    assert await db.fetchval("SELECT seq FROM alert_sequence") == 5


async def test_a_supervisor_assigns_and_releases_and_an_operator_only_their_own(
    guarded: Running, people: People, db: asyncpg.Connection
) -> None:
    await raise_alert(db, 1, sector="traffic")
    lan, minh = await people.account("operator"), await people.account("operator", ["traffic"])
    await people.account("operator", ["health"])
    await people.account("viewer")
    async with (
        client(guarded.url, by_session(await people.person("supervisor"))) as chief,
        client(guarded.url, by_session(await people.session(lan))) as of_lan,
        client(guarded.url, by_session(await people.session(minh))) as of_minh,
    ):
        may = (await chief.get(f"{path(1)}/assignees")).json()["people"]
        assert set(may) >= {lan.name, minh.name}
        assert not any(name.startswith("viewer") for name in may)
        assert len(may) == 3  # with the supervisor
        code, sentence = await refused(chief, 1, "assign", seq=1, to="Nobody")
        assert (code, sentence) == ("no_assignee", "Nobody called 'Nobody' may act on this alert.")
        given = await do(chief, 1, "assign", seq=1, to=lan.name)
        assert (given["owner"], given["accepted_at"], given["state"]) == (lan.name, None, "unacknowledged")
        assert (await refused(of_minh, 1, "release", seq=2))[0] == "not_owner"
        taken = await do(of_minh, 1, "accept", seq=2)  # who was given it has not answered
        assert taken["owner"] == minh.name
        assert (await refused(of_lan, 1, "release", seq=3))[0] == "not_owner"
        await do(chief, 1, "release", seq=3)
        assert await refused(chief, 1, "release", seq=4) == ("not_owner", "Nobody owns it.")
        await do(chief, 1, "assign", seq=4, to=lan.name)
        assert (await do(of_lan, 1, "release", seq=5))["owner"] is None
