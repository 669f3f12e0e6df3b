"""Screens: paired by a code or a link, read-only, within the scope of whoever vouches for them."""

import asyncio
import uuid
from contextlib import suppress
from datetime import timedelta

import asyncpg
import pytest

from access import devices, pairing, secrets
from access.errors import AccessError
from access.policy import Principal, Role
from tests.access.conftest import CHIEF, LOCAL, actions

THERE = "10.0.0.9"


async def code_of(act: object) -> str:
    with pytest.raises(AccessError) as refused:
        await act  # type: ignore[misc]
    return refused.value.code


async def test_a_wall_is_paired_by_the_code_it_shows(pool: asyncpg.Pool) -> None:
    begun = await pairing.begin(pool, THERE)
    assert await pairing.poll(pool, begun.secret) is None
    typed = begun.code.lower().replace("-", " ")
    device = await pairing.confirm(pool, LOCAL, None, typed, "  Wall  of the hall ")
    assert (device.name, device.address, device.paired_by) == ("Wall of the hall", THERE, "chief")
    token = await pairing.poll(pool, begun.secret)
    assert token is not None
    principal = await devices.resolve(pool, token)
    assert principal is not None
    assert (principal.kind, principal.id, principal.role) == ("device", device.id, None)
    assert await code_of(pairing.poll(pool, begun.secret)) == "pairing_over"  # the token is given once
    assert await code_of(pairing.confirm(pool, LOCAL, None, begun.code, "again")) == "unknown_code"
    assert token not in str([tuple(row) for row in await pool.fetch("SELECT * FROM device")])


async def test_a_code_is_confirmed_once_and_its_token_given_once(pool: asyncpg.Pool) -> None:
    begun = await pairing.begin(pool, THERE)
    confirmed = await asyncio.gather(
        *(pairing.confirm(pool, LOCAL, None, begun.code, f"wall {n}") for n in range(3)), return_exceptions=True
    )
    assert sum(isinstance(one, devices.Device) for one in confirmed) == 1
    tokens = await asyncio.gather(*(pairing.poll(pool, begun.secret) for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(token, str) for token in tokens) == 1


async def test_a_guessed_code_pairs_nothing(pool: asyncpg.Pool) -> None:
    begun = await pairing.begin(pool, THERE)
    for guess in (secrets.code(), begun.code[:-1], begun.code + "A", "", "\x00" * 8, "0000-0000", "' OR true --"):
        assert await code_of(pairing.confirm(pool, LOCAL, None, guess, "wall")) == "unknown_code"
    assert await code_of(pairing.poll(pool, secrets.token())) == "pairing_over"
    assert await code_of(pairing.poll(pool, "\ud800")) == "pairing_over"
    assert await devices.listed(pool) == []


async def test_a_pairing_is_over_after_ten_minutes_unless_it_was_confirmed(pool: asyncpg.Pool) -> None:
    late, confirmed = await pairing.begin(pool, THERE), await pairing.begin(pool, THERE)
    await pool.execute("UPDATE pairing SET expires_at = expires_at - interval '9 minutes 59 seconds'")
    await pairing.confirm(pool, LOCAL, None, confirmed.code, "wall")
    await pool.execute("UPDATE pairing SET expires_at = expires_at - interval '2 seconds'")
    assert await pairing.poll(pool, confirmed.secret) is not None
    assert await code_of(pairing.confirm(pool, LOCAL, None, late.code, "late")) == "unknown_code"
    assert await code_of(pairing.poll(pool, late.secret)) == "pairing_over"


async def test_one_address_does_not_take_every_place(pool: asyncpg.Pool) -> None:
    for _ in range(pairing.MOST_OF_ADDRESS):
        await pairing.begin(pool, THERE)
    assert await code_of(pairing.begin(pool, THERE)) == "too_many_pairings"
    await pairing.begin(pool, "10.0.0.10")


async def test_a_screen_sees_no_more_than_who_vouches_for_it(pool: asyncpg.Pool) -> None:
    lan = Principal("person", "1", "Lan", Role.operator, frozenset({"traffic", "health"}), frozenset({"26734"}))
    begun = await pairing.begin(pool, THERE)
    refused = pairing.confirm(pool, lan, None, begun.code, "wall", ["energy"])
    assert await code_of(refused) == "out_of_scope"
    device = await pairing.confirm(pool, lan, None, begun.code, "wall")
    assert (device.sectors, device.zones) == (["health", "traffic"], ["26734"])
    link = await devices.link(pool, lan, None, "wall", sectors=["traffic", "energy"])
    principal = await devices.resolve(pool, await devices.claim(pool, link, THERE))
    assert principal is not None
    assert (principal.sectors, principal.zones) == ({"traffic"}, {"26734"})


async def test_a_link_pairs_as_often_as_it_was_made_for(pool: asyncpg.Pool) -> None:
    link = await devices.link(pool, LOCAL, None, "wall", uses=3)
    claims = await asyncio.gather(*(devices.claim(pool, link, THERE) for _ in range(8)), return_exceptions=True)
    tokens = [claim for claim in claims if isinstance(claim, str)]
    assert len(set(tokens)) == 3
    assert {error.code for error in claims if isinstance(error, AccessError)} == {"link_over"}
    assert await code_of(devices.claim(pool, "\ud800", THERE)) == "link_over"
    late = await devices.link(pool, LOCAL, None, "wall", lasts=timedelta(0))
    assert await code_of(devices.claim(pool, late, THERE)) == "link_over"


async def test_a_revoked_screen_is_nobody_and_a_revoked_link_pairs_nothing(pool: asyncpg.Pool) -> None:
    link = await devices.link(pool, LOCAL, None, "wall", uses=3)
    token = await devices.claim(pool, link, THERE)
    (device,), (standing,) = await devices.listed(pool), await devices.links(pool)
    assert (device.seen_at, standing.uses_left) == (None, 2)
    assert await devices.resolve(pool, token) is not None
    assert (await devices.listed(pool))[0].seen_at is not None
    for one in (device.id, standing.id):
        await devices.revoke(pool, CHIEF, uuid.UUID(one))
        assert await code_of(devices.revoke(pool, CHIEF, uuid.UUID(one))) == "unknown_device"
    assert await devices.resolve(pool, token) is None
    assert await code_of(devices.claim(pool, link, THERE)) == "link_over"
    assert await actions(pool) == ["device.link", "device.claim", "device.revoke", "device.unlink"]


async def test_a_screen_ends_after_400_days(pool: asyncpg.Pool) -> None:
    token = await devices.claim(pool, await devices.link(pool, LOCAL, None, "wall"), THERE)
    await pool.execute("UPDATE device SET expires_at = expires_at - interval '399 days 23 hours'")
    assert await devices.resolve(pool, token) is not None
    await pool.execute("UPDATE device SET expires_at = expires_at - interval '1 hour'")
    assert await devices.resolve(pool, token) is None


async def test_a_browser_that_comes_again_keeps_its_place(pool: asyncpg.Pool) -> None:
    link = await devices.link(pool, LOCAL, None, "hall", uses=50)
    token = await devices.claim(pool, link, THERE)
    (first,) = await devices.listed(pool)
    for _ in range(20):
        before, token = token, await devices.claim(pool, link, THERE, token)
        assert await devices.resolve(pool, before) is None
    (device,) = await devices.listed(pool)
    assert device.id == first.id
    other = await devices.link(pool, LOCAL, None, "lobby", sectors=["traffic"])
    principal = await devices.resolve(pool, await devices.claim(pool, other, "10.0.0.10", token))
    assert principal is not None
    assert (principal.id, principal.name, principal.sectors) == (first.id, "lobby", {"traffic"})
    row = await pool.fetchrow(
        "SELECT before ->> 'name' AS before, after ->> 'name' AS after FROM audit ORDER BY seq DESC LIMIT 1"
    )
    assert row is not None
    assert tuple(row) == ("hall", "lobby")


async def test_who_brings_no_place_of_their_own_gets_another(pool: asyncpg.Pool) -> None:
    link = await devices.link(pool, LOCAL, None, "hall", uses=5)
    revoked = await devices.claim(pool, link, THERE)
    await devices.revoke(pool, CHIEF, uuid.UUID((await devices.listed(pool))[0].id))
    for present in (revoked, secrets.token(), "", "\ud800", None):
        with suppress(AccessError):
            await devices.claim(pool, link, THERE, present)
    assert sorted(one.revoked_at is None for one in await devices.listed(pool)) == [False, True, True, True, True]
    assert await devices.resolve(pool, revoked) is None


async def test_a_link_that_is_over_takes_nothing_away(pool: asyncpg.Pool) -> None:
    link = await devices.link(pool, LOCAL, None, "hall")
    token = await devices.claim(pool, link, THERE)
    assert await code_of(devices.claim(pool, link, THERE, token)) == "link_over"
    assert await devices.resolve(pool, token) is not None


async def test_screens_that_ended_long_ago_leave_the_list(pool: asyncpg.Pool) -> None:
    link = await devices.link(pool, LOCAL, None, "hall", uses=4)
    for _ in range(4):
        await devices.claim(pool, link, THERE)
    standing, old, young, expired = [uuid.UUID(one.id) for one in await devices.listed(pool)]
    for one, days in ((old, 31), (young, 29)):
        await pool.execute("UPDATE device SET revoked_at = now() - $2 * interval '1 day' WHERE id = $1", one, days)
    await pool.execute("UPDATE device SET expires_at = now() - interval '31 days' WHERE id = $1", expired)
    await devices.forget(pool)
    assert {one.id for one in await devices.listed(pool)} == {str(standing), str(young)}
