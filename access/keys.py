"""Keys of sector systems: `cwk_<id>_<secret>`, shown once, bound to sectors, rotated with overlap."""

import re
import secrets as system
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
import msgspec

from access import audit, secrets
from access.changing import changing
from access.errors import AccessError
from access.names import tidy
from access.policy import Grant, Principal
from city.actor import Actor
from city.database import Connection, load_sql
from city.timestamps import from_datetime

PREFIX: Final = "cwk_"
FORM: Final = re.compile(r"cwk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
COLUMNS: Final = """id, name, sectors, grants, created_at, expires_at, revoked_at, last_used_at,
    CASE WHEN previous_until > now() THEN previous_until END AS previous_until"""
LIST: Final = f"SELECT {COLUMNS} FROM api_key ORDER BY revoked_at NULLS FIRST, name"
NAMED: Final = """SELECT id, revoked_at IS NULL AS stands FROM api_key WHERE id = $1 OR name = $2
    ORDER BY id = $1 DESC, revoked_at NULLS FIRST, id"""
ONE: Final = f"SELECT {COLUMNS} FROM api_key WHERE id = $1 FOR UPDATE"
CREATE: Final = f"""INSERT INTO api_key (id, name, sectors, grants, hash, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6) RETURNING {COLUMNS}"""
ROTATE: Final = f"""UPDATE api_key SET previous_hash = hash, previous_until = now() + $3, hash = $2
    WHERE id = $1 RETURNING {COLUMNS}"""
REVOKE: Final = f"UPDATE api_key SET revoked_at = now() WHERE id = $1 RETURNING {COLUMNS}"
RESOLVE: Final = load_sql("access", "sql/resolve_key.sql")


class KeyRefused(AccessError):
    """The act on a key can't be done."""


class ApiKey(msgspec.Struct, frozen=True):
    """A key without its secret. Times RFC 3339; `previous_until`: until when the secret before the last one holds."""

    id: str
    name: str
    sectors: list[str]
    grants: list[Grant]
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None
    previous_until: str | None


class Shown(msgspec.Struct, frozen=True):
    """A key and its text, which is nowhere kept."""

    key: ApiKey
    text: str


async def listed(connection: asyncpg.Pool | Connection) -> list[ApiKey]:
    """Every key, those in force first."""
    return [_key(row) for row in await connection.fetch(LIST)]


async def find(pool: asyncpg.Pool, told: str) -> str:
    """The id of a key that is told by its id, or by its name where one standing key has it.

    Raises KeyRefused: unknown_key, ambiguous_key.
    """
    try:
        rows = await pool.fetch(NAMED, told, tidy(told))
    except AccessError:  # no key can have that name
        rows = []
    if not rows:
        raise KeyRefused("unknown_key", f"There is no key {told!r}; `citywatch keys list` shows their ids and names.")
    if rows[0]["id"] == told:
        return told
    standing = [row["id"] for row in rows if row["stands"]]
    if len(standing) > 1:
        sentence = f"{len(standing)} keys are named {told!r}; say which by its id: {', '.join(standing)}."
        raise KeyRefused("ambiguous_key", sentence)
    found: str = standing[0] if standing else rows[0]["id"]
    return found


async def create(
    pool: asyncpg.Pool,
    actor: Actor,
    name: str,
    sectors: Collection[str],
    grants: Collection[Grant],
    expires_at: datetime | None = None,
) -> Shown:
    """A key for these sectors (none given: all). Raises AccessError: bad_name, no_grant."""
    name = tidy(name)
    if not grants:
        raise KeyRefused("no_grant", "A key is for publishing, for reading, or for both; say which.")
    key_id, secret = system.token_hex(6), secrets.token()
    async with changing(pool) as connection:
        row = await connection.fetchrow(
            CREATE, key_id, name, sorted(sectors), sorted(grants), secrets.kept(secret), expires_at
        )
        assert row is not None
        key = _key(row)
        await audit.append(connection, actor, "key.create", f"key {key_id}", None, key)
    return Shown(key, f"{PREFIX}{key_id}_{secret}")


async def rotate(pool: asyncpg.Pool, actor: Actor, key_id: str, overlap: timedelta) -> Shown:
    """A new secret for a key; the one until now holds for `overlap`, the one before that ends.

    Raises KeyRefused: unknown_key, revoked, expired.
    """
    secret = secrets.token()
    async with changing(pool) as connection:
        before = await _standing(connection, key_id)
        if before.expires_at is not None and datetime.fromisoformat(before.expires_at) <= datetime.now(UTC):
            raise KeyRefused("expired", f"Key {key_id} expired at {before.expires_at}; create another.")
        row = await connection.fetchrow(ROTATE, key_id, secrets.kept(secret), overlap)
        assert row is not None
        key = _key(row)
        await audit.append(connection, actor, "key.rotate", f"key {key_id}", before, key)
    return Shown(key, f"{PREFIX}{key_id}_{secret}")


async def revoke(pool: asyncpg.Pool, actor: Actor, key_id: str) -> ApiKey:
    """End a key within a second, both its secrets. Raises KeyRefused: unknown_key, revoked."""
    async with changing(pool) as connection:
        before = await _standing(connection, key_id)
        row = await connection.fetchrow(REVOKE, key_id)
        assert row is not None
        after = _key(row)
        await audit.append(connection, actor, "key.revoke", f"key {key_id}", before, after)
    return after


async def resolve(pool: asyncpg.Pool, text: str) -> Principal | None:
    """Who comes with this key, if it stands; notes that it was used."""
    form = FORM.fullmatch(text)
    row = await pool.fetchrow(RESOLVE, form[1], secrets.kept(form[2])) if form is not None else None
    if row is None:
        return None
    ends = [row["expires_at"], None if row["newest"] else row["previous_until"]]
    return Principal(
        "key",
        row["id"],
        row["name"],
        sectors=frozenset(row["sectors"]),
        grants=frozenset(row["grants"]),
        expires_us=min((from_datetime(end) for end in ends if end is not None), default=None),
    )


async def _standing(connection: Connection, key_id: str) -> ApiKey:
    row = await connection.fetchrow(ONE, key_id) if key_id.isalnum() else None
    if row is None:
        raise KeyRefused("unknown_key", f"There is no key {key_id}.")
    if row["revoked_at"] is not None:
        raise KeyRefused("revoked", f"Key {key_id} was revoked.")
    return _key(row)


def _key(row: asyncpg.Record) -> ApiKey:
    times = {
        name: None if row[name] is None else row[name].isoformat()
        for name in ("created_at", "expires_at", "revoked_at", "last_used_at", "previous_until")
    }
    return ApiKey(
        row["id"],
        row["name"],
        row["sectors"],
        row["grants"],
        times["created_at"] or "",
        times["expires_at"],
        times["revoked_at"],
        times["last_used_at"],
        times["previous_until"],
    )
