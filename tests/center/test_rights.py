"""WebSockets and rights: who may connect, what they are shown, and what happens to those who lose their rights."""

import asyncio
import contextlib
import json
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from access import accounts, devices, keys
from access.directory import POLL_S
from access.policy import Role
from city.kafka import LIVE, Producer
from city.settings import Settings
from tests.center.conftest import Listening, Running, raise_alert, running
from tests.center.people import LOCAL, People, by_device, by_key, by_session
from tests.center.people import client as connected
from tests.center.test_live_values import READING, REPORT, new_series, now_us

SOON_S = 1.5
ZONE, ELSEWHERE = "26740", "26743"


async def closing(client: Listening) -> tuple[int, str, float]:
    """Close code, code of the last error before it, and how long it took."""
    began, code = time.monotonic(), ""
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(10):
            async for heard in client.connection:
                message = json.loads(heard)
                code = message["code"] if message["type"] == "error" else code
    return client.connection.close_code or 0, code, time.monotonic() - began


@pytest.mark.parametrize("sent", ["nothing", "forged session", "forged key", "session over a key's header"])
async def test_without_a_credential_there_is_an_error_and_4401(guarded: Running, people: People, sent: str) -> None:
    headers = {
        "nothing": {},
        "forged session": by_session("A" * 43),
        "forged key": by_key("cwk_0123456789ab_" + "A" * 43),
        "session over a key's header": by_key(await people.person()),
    }[sent]
    async with guarded.listen(additional_headers=headers) as client:
        code, error, _ = await closing(client)
    assert (code, error) == (4401, "sign_in_required")


async def test_a_key_to_publish_and_a_first_password_may_not_listen(guarded: Running, people: People) -> None:
    fresh = await people.session(await people.account("operator", fresh=True))
    for headers, why in (
        (by_key(await people.key(["traffic"], ["publish"])), "not_allowed"),
        (by_session(fresh), "must_change_password"),
    ):
        async with guarded.listen(additional_headers=headers) as client:
            code, error, _ = await closing(client)
        assert (code, error) == (4403, why)


async def test_a_page_of_another_origin_gets_nowhere_with_our_cookie(guarded: Running, people: People) -> None:
    headers = by_session(await people.person("admin"))
    with pytest.raises(InvalidStatus):
        async with connect(guarded.socket_url, origin="https://evil.example", additional_headers=headers, proxy=None):
            pass


async def signed_out(people: People, db: asyncpg.Connection, account: accounts.Account) -> None:
    await db.execute("DELETE FROM session WHERE account = $1", uuid.UUID(account.id))


async def deleted(people: People, db: asyncpg.Connection, account: accounts.Account) -> None:
    await accounts.delete(people.pool, LOCAL, uuid.UUID(account.id))


async def disabled(people: People, db: asyncpg.Connection, account: accounts.Account) -> None:
    await accounts.change(people.pool, LOCAL, uuid.UUID(account.id), disabled=True)


async def expires(people: People, db: asyncpg.Connection, account: accounts.Account) -> None:
    await db.execute(
        "UPDATE session SET expires_at = now() + interval '300 ms' WHERE account = $1", uuid.UUID(account.id)
    )


async def loses_role(people: People, db: asyncpg.Connection, account: accounts.Account) -> None:
    await accounts.change(people.pool, LOCAL, uuid.UUID(account.id), role=Role.viewer)


async def loses_scope(people: People, db: asyncpg.Connection, account: accounts.Account) -> None:
    await accounts.change(people.pool, LOCAL, uuid.UUID(account.id), sectors=["health"])


@pytest.mark.parametrize(
    ("act", "code"),
    [(signed_out, 4401), (deleted, 4401), (disabled, 4401), (expires, 4401), (loses_role, 4403), (loses_scope, 4403)],
)
async def test_who_loses_their_rights_while_connected_is_let_go(
    guarded: Running,
    people: People,
    db: asyncpg.Connection,
    act: Callable[[People, asyncpg.Connection, accounts.Account], Awaitable[None]],
    code: int,
) -> None:
    account = await people.account("operator")
    bystander = await people.person("viewer")
    token = await people.session(account)
    async with (
        guarded.listen(additional_headers=by_session(token)) as client,
        guarded.listen(additional_headers=by_session(bystander)) as other,
    ):
        for one in (client, other):
            await one.say(type="subscribe", channel="alerts")
            await one.next("snapshot")
        await act(people, db, account)
        found, error, seconds = await closing(client)
        assert found == code
        assert error == {4401: "signed_out", 4403: "rights_changed"}[code]
        assert seconds < SOON_S
        await raise_alert(db, 1)
        await other.next("delta")


async def test_rights_end_at_once_and_not_at_the_next_poll(guarded: Running, people: People) -> None:
    spent = []
    for _ in range(9):
        device = await people.device()
        async with guarded.listen(additional_headers=by_device(device)) as wall:
            await wall.next("hello")
            await devices.revoke(people.pool, LOCAL, await people.device_id(device))  # past center: only a NOTIFY tells
            code, _, seconds = await closing(wall)
            assert code == 4401
            spent.append(seconds)
    print("rights ended after", [round(1000 * one) for one in sorted(spent)], "ms")
    assert statistics.median(spent) < POLL_S / 5, spent


async def test_a_lost_listener_leaves_the_poll(guarded: Running, people: People, db: asyncpg.Connection) -> None:
    device = await people.device()
    async with guarded.listen(additional_headers=by_device(device)) as wall:
        await wall.next("hello")
        await db.execute("DROP TRIGGER device_changed ON device")  # neither a NOTIFY
        await db.execute("UPDATE device SET revoked_at = now()")
        await db.execute("UPDATE access_version SET version = version + 1")  # but the version that is polled
        code, _, seconds = await closing(wall)
        assert (code, seconds < SOON_S) == (4401, True)


async def test_revoked_keys_and_screens_are_let_go_and_a_rotated_key_stays(guarded: Running, people: People) -> None:
    key, device = await people.key(["traffic"]), await people.device()
    key_id = key.split("_")[1]
    async with (
        guarded.listen(additional_headers=by_key(key)) as system,
        guarded.listen(additional_headers=by_device(device)) as wall,
    ):
        await system.next("hello")
        await wall.next("hello")
        await devices.revoke(people.pool, LOCAL, await people.device_id(device))
        code, _, seconds = await closing(wall)
        assert (code, seconds < SOON_S) == (4401, True)
        await keys.revoke(people.pool, LOCAL, key_id)
        code, _, seconds = await closing(system)
        assert (code, seconds < SOON_S) == (4401, True)


async def test_alerts_come_by_scope(guarded: Running, people: People, db: asyncpg.Connection) -> None:
    await raise_alert(db, 1, sector="traffic", zone=ZONE)
    await raise_alert(db, 2, sector="health", zone=ZONE)
    await raise_alert(db, 3, sector="traffic", zone=ELSEWHERE)
    await raise_alert(db, 4, sector="traffic", zone=None)
    token = await people.person("viewer", ["traffic"], [ZONE])
    async with guarded.listen(additional_headers=by_session(token)) as client:
        await client.say(type="subscribe", channel="alerts")
        snapshot = await client.next("snapshot")
        assert [uuid.UUID(alert["id"]).int for alert in snapshot["alerts"]] == [1, 4]
        await raise_alert(db, 5, sector="health")
        await raise_alert(db, 6, sector="traffic", zone=ZONE)
        assert uuid.UUID((await client.next("delta"))["alert"]["id"]).int == 6
        await client.say(type="subscribe", channel="alerts", filter={"sectors": ["traffic", "health"]})
        snapshot = await client.next("snapshot")
        assert [uuid.UUID(alert["id"]).int for alert in snapshot["alerts"]] == [1, 4, 6]
        await client.say(type="subscribe", channel="alerts", filter={"sectors": ["health"]})
        assert (await client.next("error"))["code"] == "out_of_scope"
        await client.say(type="subscribe", channel="alerts", since=0)
        seen = [uuid.UUID((await client.next("delta"))["alert"]["id"]).int for _ in range(3)]
        assert seen == [1, 4, 6]


async def test_live_values_and_the_city_come_by_scope(guarded: Running, people: People, db: asyncpg.Connection) -> None:
    mine = await new_series(db, "VVK-1", zone=ZONE)
    theirs = await new_series(db, "VVK-2", zone=ELSEWHERE)
    nowhere = await new_series(db, "VVK-3")
    for series in (mine, theirs, nowhere):
        await db.execute(READING, now_us(), series, 30.0)
    await db.execute(REPORT, "r-1", ZONE)
    await db.execute(REPORT, "r-2", ELSEWHERE)
    await raise_alert(db, 1, sector="traffic", metric="speed_kmh", zone=ELSEWHERE)
    token = await people.person("viewer", ["traffic", "hotline"], [ZONE])
    async with (
        guarded.listen(additional_headers=by_session(token)) as client,
        Producer(guarded.settings, linger_ms=0) as producer,
    ):
        rows = [(series, now_us(), 31.0) for series in (mine, theirs, nowhere)]
        await producer.publish(LIVE, json.dumps(rows).encode())
        await client.say(type="subscribe", channel="live")
        seen: set[int] = set()
        while mine not in seen:
            message = await client.next(channel="live")
            seen |= {row[0] for row in message.get("values", [])} | {row[0] for row in message.get("series", [])}
        assert seen == {mine}
        await client.say(type="subscribe", channel="city")
        sectors: dict[str, Any] = {}
        reports: list[Any] = []
        while not (reports and any(view["assets_total"] for view in sectors.values())):
            message = await client.next(channel="city")
            sectors |= {view["sector"]: view for view in message.get("sectors", [])}
            reports = message.get("reports", reports)
        assert set(sectors) == {"traffic", "hotline"}
        assert {report["subject"] for report in reports} == {"r-1"}
        assert all(view["worst"] is None for view in sectors.values()), "the worst place of the city is elsewhere"


async def test_who_reads_nothing_does_not_keep_the_others_connected(
    topics: Settings, people: People, db: asyncpg.Connection
) -> None:
    account = await people.account("operator")
    headers = by_session(await people.session(account))
    await db.execute(
        "INSERT INTO asset (sector, name) SELECT 'traffic', repeat('x', 150) || n FROM generate_series(1, 20000) AS n"
    )
    await db.execute("INSERT INTO series (asset_id, metric, unit) SELECT id, 'speed_kmh', 'km/h' FROM asset")
    async with running(topics.model_copy(update={"sign_in": "required"})) as guarded:
        await guarded.ready()
        async with (
            guarded.listen(additional_headers=headers, max_queue=1) as deaf,
            connected(guarded.url, by_key(await people.key([], ["read"]))) as http,
        ):
            await deaf.next("hello")
            deaf.connection.transport.pause_reading()
            for _ in range(3):  # as many as the protocol takes at once, of some megabytes each
                await deaf.say(type="subscribe", channel="live")
            async with asyncio.timeout(20):
                while "citywatch_clients_behind 1.0" not in (await http.get("/metrics")).text:
                    await asyncio.sleep(0.05)
            async with guarded.listen(additional_headers=headers) as client:
                await client.next("hello")
                await disabled(people, db, account)
                code, _, seconds = await closing(client)
            assert (code, seconds < SOON_S) == (4401, True)
            async with asyncio.timeout(5):
                while "citywatch_clients 0.0" not in (await http.get("/metrics")).text:
                    await asyncio.sleep(0.1)
            deaf.connection.transport.resume_reading()
