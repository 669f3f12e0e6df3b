"""Signing in with a local account: what works, and what a stranger may try."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from access import accounts, unlocking
from access.policy import Role
from city.settings import Settings
from tests.center.conftest import Running, running
from tests.center.people import LOCAL, PASSWORD, People, by_key, by_session, client

SIGN_IN = "/api/v1/session"
NEW = "một câu dài không ai đoán ra"


async def sign_in(http: httpx.AsyncClient, name: str, password: str = PASSWORD) -> httpx.Response:
    return await http.post(SIGN_IN, json={"name": name, "password": password})


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


async def test_nobody_learns_how_to_sign_in_and_nothing_else(guarded: Running) -> None:
    async with client(guarded.url) as http:
        told = (await http.get(SIGN_IN)).json()
        assert told["principal"] is None
        assert told["csrf"] is None
        assert told["sign_in"] == {"required": True, "local": True, "private": True, "oidc": None}
        answer = await http.get("/api/v1/alerts")
        assert (answer.status_code, code_of(answer)) == (401, "sign_in_required")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_person_signs_in_acts_and_signs_out(guarded: Running, people: People, db: asyncpg.Connection) -> None:
    account = await people.account("admin")
    async with client(guarded.url) as http:
        answer = await sign_in(http, f"  {account.name.upper()} ")
        assert answer.status_code == 200, answer.text
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Path=/" in cookie
        told = answer.json()
        assert told["principal"]["name"] == account.name
        assert told["principal"]["role"] == "admin"
        assert datetime.fromisoformat(told["expires_at"]) - datetime.now(UTC) > timedelta(hours=11)
        assert (await http.get(SIGN_IN)).json() == told
        csrf = {"X-CSRF-Token": told["csrf"]}
        made = await http.post("/api/v1/accounts", json={"name": "Lan", "role": "operator"}, headers=csrf)
        assert made.status_code == 201, made.text
        assert (await http.delete(SIGN_IN, headers=csrf)).status_code == 204
        assert not http.cookies
    gone = by_session(cookie.partition("=")[2].partition(";")[0])
    async with client(guarded.url, gone) as http, asyncio.timeout(2):
        while (await http.get("/api/v1/sectors")).status_code != 401:
            await asyncio.sleep(0.05)
    acts = [
        row["action"] for row in await db.fetch("SELECT action FROM audit WHERE actor = $1 ORDER BY seq", account.name)
    ]
    assert acts == ["session.begin", "account.create", "session.end"]


async def test_a_first_password_opens_nothing_but_its_change(guarded: Running, people: People) -> None:
    account, first = await accounts.create(people.pool, LOCAL, "Minh", Role.operator)
    async with client(guarded.url) as http:
        told = (await sign_in(http, account.name, first)).json()
        assert told["principal"]["must_change_password"]
        http.headers["X-CSRF-Token"] = told["csrf"]
        denied = await http.get("/api/v1/sectors")
        assert (denied.status_code, code_of(denied)) == (403, "must_change_password")
        wrong = await http.post(f"{SIGN_IN}/password", json={"old": "x" * 12, "new": NEW})
        assert (wrong.status_code, code_of(wrong)) == (403, "wrong_password")
        weak = await http.post(f"{SIGN_IN}/password", json={"old": first, "new": "ngắn"})
        assert (weak.status_code, code_of(weak)) == (422, "unsuitable_password")
        assert (await http.post(f"{SIGN_IN}/password", json={"old": first, "new": NEW})).status_code == 204
        async with asyncio.timeout(2):
            while (await http.get("/api/v1/sectors")).status_code != 200:
                await asyncio.sleep(0.05)


async def test_a_person_sees_and_ends_their_other_sessions(guarded: Running, people: People) -> None:
    account = await people.account()
    here, there = await people.session(account), await people.session(account)
    async with client(guarded.url, by_session(here)) as http, client(guarded.url, by_session(there)) as other:
        assert (await other.get("/api/v1/sectors")).status_code == 200
        found = (await http.get(f"{SIGN_IN}/all")).json()["sessions"]
        assert sorted(one["current"] for one in found) == [False, True]
        assert (await http.delete(f"{SIGN_IN}/all")).json() == {"ended": 1}
        async with asyncio.timeout(2):
            while (await other.get("/api/v1/sectors")).status_code != 401:
                await asyncio.sleep(0.05)
        assert (await http.get("/api/v1/sectors")).status_code == 200


async def test_a_person_ends_one_session_and_an_admin_ends_all(guarded: Running, people: People) -> None:
    account, other = await people.account(), await people.account()
    here, there, elsewhere = [await people.session(account) for _ in range(3)]
    theirs = await people.session(other)
    async with client(guarded.url, by_session(here)) as http, client(guarded.url, by_session(theirs)) as stranger:
        found = (await http.get(f"{SIGN_IN}/all")).json()["sessions"]
        mine = next(one["id"] for one in found if one["current"])
        one = next(one["id"] for one in found if not one["current"])
        assert (await stranger.delete(f"{SIGN_IN}/all/{one}")).status_code == 404, "somebody else's"
        assert (await http.delete(f"{SIGN_IN}/all/{one}", headers={"X-CSRF-Token": ""})).status_code == 403
        assert (await http.delete(f"{SIGN_IN}/all/{one}")).status_code == 204
        assert (await http.delete(f"{SIGN_IN}/all/{one}")).status_code == 404
        left = (await http.get(f"{SIGN_IN}/all")).json()["sessions"]
        assert mine in [one["id"] for one in left]
        assert len(left) == 2
        path = f"/api/v1/accounts/{account.id}/sessions"
        assert (await http.delete(path)).status_code == 403, "only admins"
        async with client(guarded.url, by_session(await people.person("admin"))) as admin:
            assert (await admin.delete(path)).json() == {"ended": 2}
        for token in (here, there, elsewhere):
            async with client(guarded.url, by_session(token)) as gone, asyncio.timeout(2):
                while (await gone.get("/api/v1/sectors")).status_code != 401:
                    await asyncio.sleep(0.05)
        assert (await stranger.get("/api/v1/sectors")).status_code == 200


async def test_a_new_sign_in_is_a_new_session_and_ends_the_browsers_old_one(guarded: Running, people: People) -> None:
    account = await people.account()
    before = await people.session(account)
    async with client(guarded.url, {"Cookie": f"citywatch={before}"}) as http:
        answer = await sign_in(http, account.name)
        assert answer.status_code == 200
        assert before not in answer.headers["set-cookie"]
    async with client(guarded.url, by_session(before)) as http, asyncio.timeout(2):
        while (await http.get("/api/v1/sectors")).status_code != 401:
            await asyncio.sleep(0.05)


async def test_an_act_by_cookie_needs_the_token_of_its_session(guarded: Running, people: People) -> None:
    mine, other = await people.person("admin"), await people.person("admin")
    act = {"name": "Lan", "role": "viewer"}
    forged = {"Cookie": f"citywatch={mine}"}
    for headers in (
        forged,
        forged | {"X-CSRF-Token": ""},
        forged | {"X-CSRF-Token": by_session(other)["X-CSRF-Token"]},
    ):
        async with client(guarded.url, headers) as http:
            answer = await http.post("/api/v1/accounts", json=act)
            assert (answer.status_code, code_of(answer)) == (403, "csrf")
            assert (await http.get("/api/v1/accounts")).status_code == 200
    async with client(guarded.url, by_session(mine)) as http:
        elsewhere = await http.post("/api/v1/accounts", json=act, headers={"Origin": "https://evil.example"})
        assert (elsewhere.status_code, code_of(elsewhere)) == (403, "wrong_origin")
        form = await http.post(SIGN_IN, data={"name": "a", "password": "b"})
        assert form.status_code == 422, "a form of another page can't sign in here"
        assert (await http.post("/api/v1/accounts", json=act)).status_code == 201


async def test_brute_force_ends_at_a_lock_that_only_admins_see(guarded: Running, people: People) -> None:
    account = await people.account("operator")
    async with client(guarded.url) as http:
        answers = [await sign_in(http, account.name, f"falsch falsch {n}") for n in range(8)]
        answers.append(await sign_in(http, account.name))
        assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}
        assert "retry-after" not in answers[-1].headers
    async with client(guarded.url, by_session(await people.person("admin"))) as http:
        found = (await http.get("/api/v1/accounts")).json()["accounts"]
        assert [one["name"] for one in found if one["locked"]] == [account.name]
        assert (await http.post(f"/api/v1/accounts/{account.id}/unlock")).status_code == 204
    async with client(guarded.url) as http:
        assert (await sign_in(http, account.name)).status_code == 200


async def test_an_unlocked_person_may_come_at_once_from_where_the_wrong_tries_came(
    guarded: Running, people: People
) -> None:
    account = await people.account("operator")
    async with client(guarded.url) as http:
        tries = [await sign_in(http, account.name, f"falsch falsch {n}") for n in range(22)]
        assert tries[-1].status_code == 429
        (address,) = await unlocking.unlock(people.pool, LOCAL, uuid.UUID(account.id))  # as the command line does
        assert address == "127.0.0.1"
        async with asyncio.timeout(5):
            while (answer := await sign_in(http, account.name)).status_code == 429:
                await asyncio.sleep(0.05)
    assert answer.status_code == 200
    assert await unlocking.unlock(people.pool, LOCAL, uuid.UUID((await people.account()).id)) == []


async def test_a_locked_name_and_one_that_nobody_has_are_counted_alike(topics: Settings, people: People) -> None:
    account = await people.account("operator")
    trusting = {"sign_in": "required", "trusted_proxies": "127.0.0.0/8, ::1"}
    async with running(topics.model_copy(update=trusting)) as center:
        await center.ready()
        seen = []
        for number, name in enumerate((account.name, "nobody at all")):
            async with client(center.url, {"X-Forwarded-For": f"203.0.113.{number}"}) as http:
                answers = [await sign_in(http, name, "irgendein Passwort") for _ in range(12)]
                seen.append([(one.status_code, code_of(one), sorted(one.headers)) for one in answers])
    assert seen[0] == seen[1]
    assert [status for status, _, _ in seen[0]] == [401] * 10 + [429] * 2


async def test_whoever_is_signed_in_learns_how_long_the_lock_lasts(guarded: Running, people: People) -> None:
    account = await people.account()
    async with client(guarded.url, by_session(await people.session(account))) as http:
        for _ in range(5):
            wrong = await http.post(f"{SIGN_IN}/password", json={"old": "falsch falsch", "new": NEW})
            assert (wrong.status_code, code_of(wrong)) == (403, "wrong_password")
        held = await http.post(f"{SIGN_IN}/password", json={"old": PASSWORD, "new": NEW})
        assert (held.status_code, code_of(held)) == (429, "too_many_requests")
        assert 50 < int(held.headers["retry-after"]) <= 60


async def test_many_names_from_one_address_are_held_back(guarded: Running) -> None:
    async with client(guarded.url) as http:
        answers = [await sign_in(http, f"name {n}", "irgendein Passwort") for n in range(22)]
    assert {answer.status_code for answer in answers[:20]} == {401}
    assert {answer.status_code for answer in answers[20:]} == {429}
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60


async def test_unknown_and_wrong_are_not_told_apart(guarded: Running, people: People) -> None:
    account = await people.account()
    closed = await people.account()
    await accounts.change(people.pool, LOCAL, uuid.UUID(closed.id), disabled=True)
    async with client(guarded.url) as http:
        answers = [
            await sign_in(http, "nobody at all", "irgendein Passwort"),
            await sign_in(http, account.name, "irgendein Passwort"),
            await sign_in(http, closed.name),
        ]
    assert len({(answer.status_code, answer.text) for answer in answers}) == 1
    assert answers[0].status_code == 401


@pytest.mark.parametrize("end", ["deleted", "disabled", "expired"])
async def test_a_session_dies_with_its_account_and_its_time(
    guarded: Running, people: People, db: asyncpg.Connection, end: str
) -> None:
    account = await people.account("operator")
    token = await people.session(account)
    async with client(guarded.url, by_session(token)) as http:
        assert (await http.get("/api/v1/sectors")).status_code == 200
        match end:
            case "deleted":
                await accounts.delete(people.pool, LOCAL, uuid.UUID(account.id))
            case "disabled":
                await accounts.change(people.pool, LOCAL, uuid.UUID(account.id), disabled=True)
            case _:
                await db.execute("UPDATE session SET expires_at = now() WHERE account = $1", uuid.UUID(account.id))
        async with asyncio.timeout(1.5):
            while (await http.get("/api/v1/sectors")).status_code != 401:
                await asyncio.sleep(0.05)
        assert (await http.get(SIGN_IN)).json()["principal"] is None


async def test_a_hot_request_costs_no_sql(guarded: Running, people: People, db: asyncpg.Connection) -> None:
    token, key = await people.person(), await people.key()
    async with client(guarded.url, by_session(token)) as browser, client(guarded.url, by_key(key)) as system:
        for http in (browser, system):
            for _ in range(5):  # the directory must have heard the version of today
                assert (await http.get(SIGN_IN)).json()["principal"] is not None
                await asyncio.sleep(0.2)
        async with db.transaction(), asyncio.timeout(5):
            await db.execute("LOCK TABLE account, session, api_key, device IN ACCESS EXCLUSIVE MODE")
            for http in (browser, system):
                for _ in range(20):
                    assert (await http.get(SIGN_IN)).json()["principal"] is not None


async def test_secrets_are_in_no_log(
    topics: Settings, people: People, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    _, first = await accounts.create(people.pool, LOCAL, "Hoa", Role.admin)
    key = await people.key(["traffic"], ["publish"])
    caplog.set_level(0)
    said = [first, NEW, key]
    async with running(topics.model_copy(update={"sign_in": "required", "log_level": "DEBUG"})) as center:
        await center.ready()
        async with client(center.url) as http:
            answer = await sign_in(http, "Hoa", first)
            told = answer.json()
            said += [told["csrf"], next(iter(http.cookies.values()))]
            http.headers["X-CSRF-Token"] = told["csrf"]
            await http.post(f"{SIGN_IN}/password", json={"old": first, "new": NEW})
            await sign_in(http, "Hoa", "ein falsches Passwort")
            await http.post(SIGN_IN, json={"name": "Hoa", "password": ["ein falsches Passwort"]})
            made = await http.post("/api/v1/keys", json={"name": "k", "sectors": ["traffic"], "grants": ["read"]})
            said.append(made.json()["secret"])
            pairing = await http.post("/api/v1/devices/pairing")
            said += [pairing.json()["secret"], "ein falsches Passwort"]
            await http.get("/api/v1/sectors", headers=by_key(key + "x"))
    out, err = capfd.readouterr()
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("http")]  # the client's
    logged = out + err + "\n".join(ours)
    trail = "".join(str(dict(row)) for row in await people.pool.fetch("SELECT * FROM audit"))
    assert "center_listening" in logged
    for secret in said:
        assert secret not in logged
        assert secret not in trail


async def test_without_sign_in_a_center_listens_on_loopback_only(topics: Settings) -> None:
    with pytest.raises(PermissionError, match="loopback"):
        async with running(topics.model_copy(update={"center_host": "0.0.0.0"})):
            pass
    async with running(topics) as center, client(center.url) as http:
        told = (await http.get(SIGN_IN)).json()
        assert told["principal"]["kind"] == "local"
        assert not told["sign_in"]["required"]
        assert (await http.get(f"{SIGN_IN}/all")).status_code == 409
