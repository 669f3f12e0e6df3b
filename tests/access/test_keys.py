"""Keys of sector systems: shown once, rotated with overlap, ended by revocation or date."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from access import keys
from access.errors import AccessError
from tests.access.conftest import CHIEF, actions


async def create(pool: asyncpg.Pool, expires_at: datetime | None = None) -> keys.Shown:
    return await keys.create(pool, CHIEF, "pumps", ["environment"], ["publish"], expires_at)


async def age(pool: asyncpg.Pool, column: str, minutes: float) -> None:
    await pool.execute(f"UPDATE api_key SET {column} = {column} - $1::interval", timedelta(minutes=minutes))


async def test_a_key_is_its_sectors_and_is_kept_as_a_hash(pool: asyncpg.Pool) -> None:
    shown = await create(pool)
    principal = await keys.resolve(pool, shown.text)
    assert principal is not None
    assert (principal.kind, principal.id, principal.name) == ("key", shown.key.id, "pumps")
    assert (principal.sectors, principal.grants) == ({"environment"}, {"publish"})
    assert (principal.role, principal.expires_us) == (None, None)
    secret = shown.text.split("_", 2)[2]  # a secret may hold "_" itself
    for table in ("api_key", "audit"):
        assert secret not in str([tuple(row) for row in await pool.fetch(f"SELECT * FROM {table}")])


async def test_what_is_no_key_is_nobody(pool: asyncpg.Pool) -> None:
    one, other = await create(pool), await create(pool)
    mixed = f"cwk_{one.key.id}_{other.text.removeprefix('cwk_').partition('_')[2]}"
    for text in (mixed, one.text[:-1], one.text + "A", one.text.upper(), "cwk_", "", "cwk_\x00_\ud800", "Bearer"):
        assert await keys.resolve(pool, text) is None


async def test_both_secrets_hold_while_they_overlap(pool: asyncpg.Pool) -> None:
    first = await create(pool)
    second = await keys.rotate(pool, CHIEF, first.key.id, timedelta(hours=1))
    old, new = await keys.resolve(pool, first.text), await keys.resolve(pool, second.text)
    assert old is not None
    assert new is not None
    assert new.expires_us is None
    assert old.expires_us is not None  # whoever is connected with it is known to end
    assert second.key.previous_until is not None
    await age(pool, "previous_until", 61)
    assert await keys.resolve(pool, first.text) is None
    assert await keys.resolve(pool, second.text) is not None
    third = await keys.rotate(pool, CHIEF, first.key.id, timedelta(hours=1))
    await keys.rotate(pool, CHIEF, first.key.id, timedelta(0))
    assert await keys.resolve(pool, third.text) is None  # without overlap at once


async def test_a_revoked_key_ends_with_both_its_secrets(pool: asyncpg.Pool) -> None:
    first = await create(pool)
    second = await keys.rotate(pool, CHIEF, first.key.id, timedelta(hours=1))
    revoked = await keys.revoke(pool, CHIEF, first.key.id)
    assert revoked.revoked_at is not None
    assert [await keys.resolve(pool, shown.text) for shown in (first, second)] == [None, None]
    for act in (keys.revoke(pool, CHIEF, first.key.id), keys.rotate(pool, CHIEF, first.key.id, timedelta(0))):
        with pytest.raises(AccessError) as refused:
            await act
        assert refused.value.code == "revoked"
    with pytest.raises(AccessError) as unknown:
        await keys.revoke(pool, CHIEF, "\x00")
    assert unknown.value.code == "unknown_key"
    assert await actions(pool) == ["key.create", "key.rotate", "key.revoke"]


async def test_an_expired_key_is_nobody_and_is_not_rotated(pool: asyncpg.Pool) -> None:
    shown = await create(pool, datetime.now(UTC) + timedelta(hours=1))
    principal = await keys.resolve(pool, shown.text)
    assert principal is not None
    assert principal.expires_us is not None
    await age(pool, "expires_at", 61)
    assert await keys.resolve(pool, shown.text) is None
    with pytest.raises(AccessError) as expired:
        await keys.rotate(pool, CHIEF, shown.key.id, timedelta(hours=1))
    assert expired.value.code == "expired"


async def test_last_use_is_shown_and_written_now_and_then(pool: asyncpg.Pool) -> None:
    shown = await create(pool)
    assert shown.key.last_used_at is None
    await keys.resolve(pool, shown.text)
    (first,) = [key.last_used_at for key in await keys.listed(pool)]
    assert first is not None
    await keys.resolve(pool, shown.text)
    assert [key.last_used_at for key in await keys.listed(pool)] == [first]
    await age(pool, "last_used_at", 1)
    await keys.resolve(pool, shown.text)
    (later,) = [key.last_used_at for key in await keys.listed(pool)]
    assert later is not None
    assert later > first


async def test_a_key_for_nothing_is_refused(pool: asyncpg.Pool) -> None:
    for name, grants, code in (("pumps", [], "no_grant"), ("", ["read"], "bad_name")):
        with pytest.raises(AccessError) as refused:
            await keys.create(pool, CHIEF, name, [], grants)  # type: ignore[arg-type]
        assert refused.value.code == code
