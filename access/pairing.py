"""Pairing a screen by a code.

A wall begins a pairing, shows the code and asks from time to time; a person who may pair types the code in the console;
the wall's next question fetches its token.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

import asyncpg
import msgspec

from access import audit, secrets
from access.changing import changing
from access.devices import CREATE, LASTS, Device, DeviceError, device_of, within
from access.names import tidy
from access.policy import Principal
from city.actor import Actor

PAIRING: Final = timedelta(minutes=10)
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
GIVE: Final = "UPDATE device SET hash = $2 WHERE id = $1"


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
    name, sees, where = tidy(name), *within(by, sectors, zones)
    typed = secrets.typed_code(code)
    async with pool.acquire() as connection, connection.transaction():
        waiting = await connection.fetchrow(FIND, typed) if typed is not None else None
        if waiting is None:
            raise DeviceError("unknown_code", "No screen shows this code now; codes last ten minutes.")
        row = await connection.fetchrow(CREATE, name, None, sees, where, by.name, LASTS, waiting["address"])
        assert row is not None
        device = device_of(row)
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
