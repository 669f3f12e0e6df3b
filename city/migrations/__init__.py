"""The schema: numbered SQL files, each applied once, in order, by one migrator at a time.

`NNNN_name.sql` runs on both kinds of store; `NNNN_name.plain.sql` and `NNNN_name.timescale.sql` only on theirs,
after the common file of the same name. A file runs in one transaction together with its row in `migration`; a file
whose first line is `-- no transaction` holds a single idempotent statement and runs alone. The kind of store is fixed
by the first migration.
"""

import asyncio
import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import Final, Literal, cast

import asyncpg
from asyncpg.exceptions import PostgresError

from city.database import MigrationError, StoreKindFixed, connect

Store = Literal["auto", "timescale", "plain"]
Kind = Literal["timescale", "plain"]

LOCK: Final = 0x_C17_FA7C4
POLL_S: Final = 0.2
FILE: Final = re.compile(r"(?P<number>\d{4})_(?P<name>[a-z0-9_]+)(?:\.(?P<kind>plain|timescale))?\.sql")
NO_TRANSACTION: Final = "-- no transaction"

CREATE_MIGRATION: Final = """
CREATE TABLE IF NOT EXISTS migration (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    store      text NOT NULL CHECK (store IN ('plain', 'timescale')),
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
APPLIED: Final = "SELECT name, checksum FROM migration"
RECORD: Final = "INSERT INTO migration (name, checksum, store) VALUES ($1, $2, $3)"
FIXED_KIND: Final = "SELECT store FROM migration LIMIT 1"
TRY_LOCK: Final = "SELECT pg_try_advisory_lock($1)"
UNLOCK: Final = "SELECT pg_advisory_unlock($1)"
EXTENSION: Final = """
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') AS created,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') AS available,
       EXISTS (SELECT FROM regexp_split_to_table(current_setting('shared_preload_libraries'), '[",\\s]+') AS library
                WHERE library ~ '(^|/)timescaledb') AS preloaded
"""


@dataclass(frozen=True)
class Migration:
    """One file: its name orders it, its checksum holds it to what was applied."""

    name: str
    statement: str
    in_transaction: bool

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.statement.encode()).hexdigest()


def load(kind: Kind, package: str = "city.migrations") -> list[Migration]:
    """The files for this kind of store, in the order in which they are applied.

    Raises:
        MigrationError: a file whose name is not NNNN_name[.plain|.timescale].sql.
    """
    found: list[tuple[str, str, Migration]] = []
    for file in resources.files(package).iterdir():
        if not file.name.endswith(".sql"):
            continue
        match = FILE.fullmatch(file.name)
        if match is None:
            raise MigrationError(f"{file.name}: a migration is named NNNN_name[.plain|.timescale].sql")
        if match["kind"] in (None, kind):
            statement = file.read_text(encoding="utf-8")
            first = statement.partition("\n")[0].strip()
            order = (f"{match['number']}_{match['name']}", match["kind"] or "")
            found.append((*order, Migration(file.name, statement, first != NO_TRANSACTION)))
    return [migration for _, _, migration in sorted(found, key=lambda item: item[:2])]


async def migrate(dsn: str, store: Store, *, package: str = "city.migrations") -> list[str]:
    """Bring the schema up to date; returns the names of the files applied now, in order.

    Safe to run from many processes at once: all but one wait, and then find nothing to do.

    Raises:
        StoreKindFixed: the database was begun as the other kind of store.
        MigrationError: an applied file has changed or is gone, or a file failed; what came before it is kept.
    """
    connection = await connect(dsn, application="citywatch migrate")
    try:
        while not await connection.fetchval(TRY_LOCK, LOCK):  # noqa: ASYNC110 - another process holds it
            await asyncio.sleep(POLL_S)
        try:
            return await _migrate(connection, store, package)
        finally:
            if not connection.is_closed():
                await connection.execute(UNLOCK.replace("$1", str(LOCK)))
    finally:
        await connection.close()


async def _migrate(connection: asyncpg.Connection, store: Store, package: str) -> list[str]:
    await connection.execute("SET client_min_messages = warning")
    await connection.execute(CREATE_MIGRATION)
    kind = await _kind(connection, store)
    migrations = load(kind, package)
    applied = {row["name"]: row["checksum"] for row in await connection.fetch(APPLIED)}
    _refuse_changes(applied, migrations)
    pending = [migration for migration in migrations if migration.name not in applied]
    for migration in pending:
        await _apply(connection, migration, kind)
    return [migration.name for migration in pending]


async def _kind(connection: asyncpg.Connection, store: Store) -> Kind:
    """The kind that this database has; for a new one the kind asked for, `auto` being timescale where it can be."""
    fixed = await connection.fetchval(FIXED_KIND)
    if fixed is not None:
        if store not in ("auto", fixed):
            raise StoreKindFixed(
                f"this database was created as a {fixed} store and can't become {store}; "
                f"set CITYWATCH_STORE={fixed}, or migrate an empty database"
            )
        return cast(Kind, fixed)
    (extension,) = await connection.fetch(EXTENSION)
    usable = extension["created"] or (extension["available"] and extension["preloaded"])
    if store == "plain" or (store == "auto" and not extension["available"]):
        return "plain"
    if not usable:
        raise MigrationError(
            "TimescaleDB is installed but not loaded: add timescaledb to shared_preload_libraries and restart "
            "PostgreSQL, or set CITYWATCH_STORE=plain"
            if extension["available"]
            else "this server has no TimescaleDB: install the extension, or set CITYWATCH_STORE=plain"
        )
    return "timescale"


def _refuse_changes(applied: dict[str, str], migrations: list[Migration]) -> None:
    known = {migration.name: migration.checksum for migration in migrations}
    for name, checksum in sorted(applied.items()):
        if name not in known:
            raise MigrationError(
                f"{name} was applied here but is not in this version of CityWatch; run the newer version"
            )
        if known[name] != checksum:
            raise MigrationError(f"{name} has changed since it was applied; undo the change and add a new migration")


async def _apply(connection: asyncpg.Connection, migration: Migration, kind: Kind) -> None:
    try:
        if migration.in_transaction:
            async with connection.transaction():
                await connection.execute(migration.statement)
                await connection.execute(RECORD, migration.name, migration.checksum, kind)
        else:
            await connection.execute(migration.statement)
            await connection.execute(RECORD, migration.name, migration.checksum, kind)
    except PostgresError as error:
        raise MigrationError(f"{migration.name} failed: {error}") from error
