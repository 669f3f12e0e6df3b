"""Screens: paired by a code that an operator confirms, or by a link; read-only, for 400 days, until revoked.

A wall begins a pairing, shows the code and asks from time to time; a person who may pair types the code in the console;
the wall's next question fetches its token. A link does the same without a person, as often as it was made for.
"""

import uuid
from collections.abc import Collection
from datetime import timedelta
from typing import Final

import asyncpg
import msgspec

from access import audit, secrets
from access.changing import changing
from access.errors import AccessError
from access.names import tidy
from access.policy import Principal, narrowed
from city.actor import Actor
from city.database import load_sql
from city.timestamps import from_datetime

PAIRING: Final = timedelta(minutes=10)
LASTS: Final = timedelta(days=400)
MOST_PAIRINGS: Final = 1_000
MOST_OF_ADDRESS: Final = 20
"""Walls that may wait at the same time, in all and behind one address."""

FORGET: Final = "DELETE FROM pairing WHERE expires_at < now()"
WAITING: Final = "SELECT count(*) AS all, count(*) FILTER (WHERE address = $1) AS of_address FROM pairing"
BEGIN: Final = "INSERT INTO pairing (code, secret_hash, address, expires_at) VALUES ($1, $2, $3, now() + $4)"
FIND: Final = "SELECT code, address FROM pairing WHERE code = $1 AND device IS NULL AND expires_at > now() FOR UPDATE"
CONFIRM: Final = """UPDATE pairing SET device = $2, expires_at = greatest(expires_at, now() + interval '1 minute')
    WHERE code = $1"""
POLL: Final = "SELECT device FROM pairing WHERE secret_hash = $1 AND expires_at > now()"
TAKE: Final = "DELETE FROM pairing WHERE secret_hash = $1 AND device = $2 RETURNING device"
COLUMNS: Final = "id, name, sectors, zones, paired_at, paired_by, expires_at, revoked_at, seen_at, address"
CREATE: Final = f"""INSERT INTO device (name, hash, sectors, zones, paired_by, expires_at, address)
    VALUES ($1, $2, $3, $4, $5, now() + $6, $7) RETURNING {COLUMNS}"""
GIVE: Final = "UPDATE device SET hash = $2 WHERE id = $1"
LIST: Final = f"SELECT {COLUMNS} FROM device ORDER BY revoked_at NULLS FIRST, name, paired_at"
REVOKE: Final = f"UPDATE device SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING {COLUMNS}"
RESOLVE: Final = load_sql("access", "sql/resolve_device.sql")
LINK: Final = """INSERT INTO device_link (hash, name, sectors, zones, uses_left, made_by, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, now() + $7) RETURNING id"""
LINKS: Final = """SELECT id, name, sectors, zones, uses_left, made_by, expires_at FROM device_link
    WHERE uses_left > 0 AND expires_at > now() ORDER BY expires_at"""
UNLINK: Final = "DELETE FROM device_link WHERE id = $1 RETURNING name"
FORGET_LINKS: Final = "DELETE FROM device_link WHERE uses_left = 0 OR expires_at < now()"
USE: Final = """UPDATE device_link SET uses_left = uses_left - 1
    WHERE hash = $1 AND uses_left > 0 AND expires_at > now() RETURNING name, sectors, zones, made_by"""


class DeviceError(AccessError):
    """The act on a screen can't be done."""


class Device(msgspec.Struct, frozen=True):
    """A paired screen. Times RFC 3339."""

    id: str
    name: str
    sectors: list[str]
    zones: list[str]
    paired_at: str
    paired_by: str
    expires_at: str
    revoked_at: str | None
    seen_at: str | None
    address: str | None


class Link(msgspec.Struct, frozen=True):
    """A link that still pairs screens, without its secret."""

    id: str
    name: str
    sectors: list[str]
    zones: list[str]
    uses_left: int
    made_by: str
    expires_at: str


class Pairing(msgspec.Struct, frozen=True):
    """What a wall shows (`code`) and what it asks with (`secret`)."""

    code: str
    secret: str
    expires_in_s: int


async def begin(pool: asyncpg.Pool, address: str | None) -> Pairing:
    """A pairing that waits for a person for ten minutes. Raises DeviceError: too_many_pairings."""
    await pool.execute(FORGET)
    waiting = await pool.fetchrow(WAITING, address)
    assert waiting is not None
    if waiting["all"] >= MOST_PAIRINGS or waiting["of_address"] >= MOST_OF_ADDRESS:
        raise DeviceError("too_many_pairings", "Too many screens wait to be paired; try again in some minutes.")
    pairing = Pairing(secrets.code(), secrets.token(), int(PAIRING.total_seconds()))
    await pool.execute(BEGIN, pairing.code, secrets.kept(pairing.secret), address, PAIRING)
    return pairing


async def confirm(
    pool: asyncpg.Pool,
    by: Principal,
    address: str | None,
    code: str,
    name: str,
    sectors: Collection[str] = (),
    zones: Collection[str] = (),
) -> Device:
    """A person vouches for the screen that shows this code; it sees no more than that person.

    Raises AccessError: unknown_code, bad_name, out_of_scope.
    """
    name, sees, where = tidy(name), *_within(by, sectors, zones)
    typed = secrets.typed_code(code)
    async with pool.acquire() as connection, connection.transaction():
        waiting = await connection.fetchrow(FIND, typed) if typed is not None else None
        if waiting is None:
            raise DeviceError("unknown_code", "No screen shows this code now; codes last ten minutes.")
        row = await connection.fetchrow(CREATE, name, None, sees, where, by.name, LASTS, waiting["address"])
        assert row is not None
        device = _device(row)
        await connection.execute(CONFIRM, typed, row["id"])
        await audit.append(connection, Actor.of(by, address), "device.pair", f"device {device.id}", None, device)
    return device


async def poll(pool: asyncpg.Pool, secret: str) -> str | None:
    """The wall's token, once it was confirmed, once; None while it waits. Raises DeviceError: pairing_over."""
    hashed = secrets.kept(secret)
    row = await pool.fetchrow(POLL, hashed)
    if row is not None and row["device"] is None:
        return None
    async with changing(pool) as connection:
        if row is None or await connection.fetchval(TAKE, hashed, row["device"]) is None:
            raise DeviceError("pairing_over", "This pairing is over; begin another.")
        token = secrets.token()
        await connection.execute(GIVE, row["device"], secrets.kept(token))
    return token


async def link(
    pool: asyncpg.Pool,
    by: Principal,
    address: str | None,
    name: str,
    *,
    uses: int = 1,
    lasts: timedelta = timedelta(hours=24),
    sectors: Collection[str] = (),
    zones: Collection[str] = (),
) -> str:
    """A secret that pairs up to `uses` screens without another act; it belongs behind the # of an address.

    Raises AccessError: bad_name, out_of_scope.
    """
    name, sees, where = tidy(name), *_within(by, sectors, zones)
    secret = secrets.token()
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(FORGET_LINKS)
        link_id = await connection.fetchval(LINK, secrets.kept(secret), name, sees, where, uses, by.name, lasts)
        after = {"name": name, "sectors": sees, "zones": where, "uses": uses, "lasts_s": lasts.total_seconds()}
        await audit.append(connection, Actor.of(by, address), "device.link", f"link {link_id}", None, after)
    return secret


async def links(pool: asyncpg.Pool) -> list[Link]:
    """Links that still pair screens, the one that ends first first."""
    return [
        Link(
            str(row["id"]),
            row["name"],
            row["sectors"],
            row["zones"],
            row["uses_left"],
            row["made_by"],
            row["expires_at"].isoformat(),
        )
        for row in await pool.fetch(LINKS)
    ]


async def claim(pool: asyncpg.Pool, secret: str, address: str | None) -> str:
    """A token for the screen that came with a link. Raises DeviceError: link_over."""
    token = secrets.token()
    async with pool.acquire() as connection, connection.transaction():
        used = await connection.fetchrow(USE, secrets.kept(secret))
        if used is None:
            raise DeviceError("link_over", "This link was used up, has run out, or never was; ask for another.")
        row = await connection.fetchrow(
            CREATE,
            used["name"],
            secrets.kept(token),
            used["sectors"],
            used["zones"],
            used["made_by"],
            LASTS,
            address,
        )
        assert row is not None
        device = _device(row)
        actor = Actor("device", device.id, device.name, address)
        await audit.append(connection, actor, "device.claim", f"device {device.id}", None, device)
    return token


async def listed(pool: asyncpg.Pool) -> list[Device]:
    """Every screen, those in force first."""
    return [_device(row) for row in await pool.fetch(LIST)]


async def revoke(pool: asyncpg.Pool, actor: Actor, device_id: uuid.UUID) -> None:
    """End a screen's access within a second, or a link's. Raises DeviceError: unknown_device."""
    async with changing(pool) as connection:
        row = await connection.fetchrow(REVOKE, device_id)
        if row is not None:
            await audit.append(connection, actor, "device.revoke", f"device {device_id}", {"name": row["name"]})
            return
        name = await connection.fetchval(UNLINK, device_id)
        if name is None:
            raise DeviceError("unknown_device", f"There is no paired screen and no link {device_id}.")
        await audit.append(connection, actor, "device.unlink", f"link {device_id}", {"name": name})


async def resolve(pool: asyncpg.Pool, token: str) -> Principal | None:
    """Which screen it is, if it may still look; notes that it was seen."""
    row = await pool.fetchrow(RESOLVE, secrets.kept(token)) if secrets.is_token(token) else None
    if row is None:
        return None
    return Principal(
        "device",
        str(row["id"]),
        row["name"],
        sectors=frozenset(row["sectors"]),
        zones=frozenset(row["zones"]),
        expires_us=from_datetime(row["expires_at"]),
    )


def _within(by: Principal, sectors: Collection[str], zones: Collection[str]) -> tuple[list[str], list[str]]:
    """What a screen may see: what was asked, as far as whoever asks may see it."""
    sees = narrowed(by.sectors, frozenset(sectors), "sectors")
    where = narrowed(by.zones, frozenset(zones), "zones")
    return sorted(sees), sorted(where)


def _device(row: asyncpg.Record) -> Device:
    times = {
        name: None if row[name] is None else row[name].isoformat()
        for name in ("paired_at", "expires_at", "revoked_at", "seen_at")
    }
    return Device(
        str(row["id"]),
        row["name"],
        row["sectors"],
        row["zones"],
        times["paired_at"] or "",
        row["paired_by"],
        times["expires_at"] or "",
        times["revoked_at"],
        times["seen_at"],
        row["address"],
    )
