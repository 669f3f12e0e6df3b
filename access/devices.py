"""Screens: paired by a code that an operator confirms, or by a link; read-only, for 400 days, until revoked.

A link pairs the screen that opens it, as often as it was made for; the code is access/pairing.py's. A browser is one
screen: when it comes with a link again it keeps its place, under the new name and with a new token.
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

LASTS: Final = timedelta(days=400)
REMEMBERED: Final = timedelta(days=30)
"""How long a screen whose access has ended stays in the list; the audit trail keeps it for ever."""
COLUMNS: Final = "id, name, sectors, zones, paired_at, paired_by, expires_at, revoked_at, seen_at, address"
CREATE: Final = f"""INSERT INTO device (name, hash, sectors, zones, paired_by, expires_at, address)
    VALUES ($1, $2, $3, $4, $5, now() + $6, $7) RETURNING {COLUMNS}"""
RENEW: Final = f"""UPDATE device SET name = $2, hash = $3, sectors = $4, zones = $5, paired_by = $6, paired_at = now(),
    expires_at = now() + $7, address = $8 WHERE id = $1 RETURNING {COLUMNS}"""
HELD: Final = f"""SELECT {COLUMNS} FROM device
    WHERE hash = $1 AND revoked_at IS NULL AND expires_at > now() FOR UPDATE"""
FORGET: Final = "DELETE FROM device WHERE least(revoked_at, expires_at) < now() - $1::interval"
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
    name, sees, where = tidy(name), *within(by, sectors, zones)
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


async def claim(pool: asyncpg.Pool, secret: str, address: str | None, present: str | None = None) -> str:
    """A token for the screen that came with a link; `present` is the one that its browser has had so far, which ends.

    Raises DeviceError: link_over.
    """
    token = secrets.token()
    async with changing(pool) as connection:
        used = await connection.fetchrow(USE, secrets.kept(secret))
        if used is None:
            raise DeviceError("link_over", "This link was used up, has run out, or never was; ask for another.")
        row = await connection.fetchrow(HELD, secrets.kept(present)) if present is not None else None
        before = None if row is None else device_of(row)
        given = (used["name"], secrets.kept(token), used["sectors"], used["zones"], used["made_by"], LASTS, address)
        if row is None:
            row = await connection.fetchrow(CREATE, *given)
        else:
            row = await connection.fetchrow(RENEW, row["id"], *given)
        assert row is not None
        device = device_of(row)
        actor = Actor("device", device.id, device.name, address)
        await audit.append(connection, actor, "device.claim", f"device {device.id}", before, device)
    return token


async def forget(pool: asyncpg.Pool) -> None:
    """Clear away the screens whose access ended long ago."""
    async with changing(pool) as connection:
        await connection.execute(FORGET, REMEMBERED)


async def listed(pool: asyncpg.Pool) -> list[Device]:
    """Every screen, those in force first."""
    return [device_of(row) for row in await pool.fetch(LIST)]


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


def within(by: Principal, sectors: Collection[str], zones: Collection[str]) -> tuple[list[str], list[str]]:
    """What a screen may see: what was asked, as far as whoever asks may see it. Raises Denied: out_of_scope."""
    sees = narrowed(by.sectors, frozenset(sectors), "sectors")
    where = narrowed(by.zones, frozenset(zones), "zones")
    return sorted(sees), sorted(where)


def device_of(row: asyncpg.Record) -> Device:
    """The screen of a row with COLUMNS."""
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
