"""Rules in the database: every applied version, and which of them were in force at each revision of the set."""

from collections.abc import Sequence
from typing import Final

import asyncpg
import msgspec

from alerts.rulefile import LoadedRule
from alerts.rules import Rule, decode_rule, encode_rule
from city.actor import Actor
from city.database import Connection

REVISION: Final = "SELECT revision FROM rule_revision"
LOCK: Final = "UPDATE rule_revision SET revision = revision + $1 RETURNING revision"
AT_REVISION: Final = """
SELECT body, version FROM rule
 WHERE from_revision <= $1 AND (until_revision IS NULL OR until_revision > $1)
 ORDER BY name
"""
ACTIVE: Final = "SELECT name, version, body FROM rule WHERE active"
IN_FORCE: Final = "SELECT body FROM rule WHERE name = $1 AND active"
SOURCES: Final = "SELECT name, version, source, applied_at, applied_by, active FROM rule WHERE active"
VERSIONS: Final = """
SELECT version, source, applied_at, applied_by, active FROM rule WHERE name = $1 ORDER BY version
"""
NEWEST: Final = "SELECT name, max(version) AS version FROM rule GROUP BY name"
RETIRE: Final = "UPDATE rule SET active = false, until_revision = $2 WHERE name = $1 AND active"
INSERT: Final = """
INSERT INTO rule (name, version, body, source, applied_by, active, from_revision)
VALUES ($1, $2, $3::jsonb, $4, $5, true, $6)
"""
AUDIT: Final = "SELECT audit_append($1::text::jsonb, 'rules.apply', 'rules', $2::text::jsonb, $3::text::jsonb)"
LIST: Final = """
SELECT name, version, body, applied_at, applied_by FROM rule WHERE active ORDER BY body ->> 'sector', name
"""


class Applied(msgspec.Struct, frozen=True):
    """What applying a set did, or would do: names by what becomes of them, and the revision now in force."""

    revision: int
    added: list[str]
    changed: list[str]
    retired: list[str]
    unchanged: list[str]


class Version(msgspec.Struct, frozen=True):
    """One applied version of a rule, as it was written."""

    version: int
    source: str
    applied_at: str
    applied_by: str
    active: bool


class Listed(msgspec.Struct, frozen=True):
    """One rule in force, and who put it there."""

    rule: Rule
    applied_at: str
    applied_by: str


async def apply_rules(
    pool: asyncpg.Pool, rules: Sequence[LoadedRule], by: str, *, retire: bool = True, actor: Actor | None = None
) -> Applied:
    """Make these the rules in force: new and changed ones get a version, what is missing is retired (unless `retire`
    is False), what is the same stays as it is. All or nothing, with its row of the audit trail; without a difference
    the revision stays and nothing was done. `by` is kept with the versions, `actor` (default: `by`) in the trail."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.fetchval(LOCK, 0)
        given = {loaded.rule.rule: loaded for loaded in rules}
        planned = await _planned(connection, given, retire)
        if not (planned.added or planned.changed or planned.retired):
            return planned
        rows = await connection.fetch(ACTIVE)
        newest = {row["name"]: row["version"] for row in await connection.fetch(NEWEST)}
        revision = await connection.fetchval(LOCK, 1)
        for name in (*planned.changed, *planned.retired):
            await connection.execute(RETIRE, name, revision)
        versions = {name: newest.get(name, 0) + 1 for name in (*planned.added, *planned.changed)}
        for name, version in versions.items():
            await _insert(connection, given[name], version, by, revision)
        ended = {row["name"]: row["version"] for row in rows if row["name"] in (*planned.changed, *planned.retired)}
        await connection.execute(
            AUDIT,
            (actor or Actor("local", "", by)).json(),
            _summary(planned.revision, ended),
            _summary(revision, versions, by),
        )
    return msgspec.structs.replace(planned, revision=revision)


async def plan_rules(pool: asyncpg.Pool, rules: Sequence[LoadedRule], *, retire: bool = True) -> Applied:
    """What `apply_rules` would do now; changes nothing."""
    async with pool.acquire() as connection:
        return await _planned(connection, {loaded.rule.rule: loaded for loaded in rules}, retire)


async def sources_in_force(pool: asyncpg.Pool) -> dict[str, Version]:
    """The rules in force by name, as they were written."""
    return {row["name"]: _version(row) for row in await pool.fetch(SOURCES)}


async def versions_of(pool: asyncpg.Pool, rule: str) -> list[Version]:
    """Every applied version of a rule, oldest first."""
    return [_version(row) for row in await pool.fetch(VERSIONS, rule)]


async def revision(pool: asyncpg.Pool) -> int:
    """The revision in force; it grows with every change of the set."""
    return int(await pool.fetchval(REVISION))


async def rules_at(pool: asyncpg.Pool, at: int) -> list[Rule]:
    """The rules in force at a revision, by name."""
    return [decode_rule(row["body"]) for row in await pool.fetch(AT_REVISION, at)]


async def in_force(pool: asyncpg.Pool, name: str) -> Rule | None:
    """The version in force of a rule, if there is one."""
    body = await pool.fetchval(IN_FORCE, name)
    return None if body is None else decode_rule(body)


async def list_rules(pool: asyncpg.Pool) -> list[Listed]:
    """The rules in force, by sector and name."""
    return [
        Listed(decode_rule(row["body"]), row["applied_at"].isoformat(timespec="seconds"), row["applied_by"])
        for row in await pool.fetch(LIST)
    ]


async def _planned(connection: Connection, given: dict[str, LoadedRule], retire: bool) -> Applied:
    held = {row["name"]: decode_rule(row["body"]) for row in await connection.fetch(ACTIVE)}
    changed = [name for name in given if name in held and not _same(given[name].rule, held[name])]
    return Applied(
        await connection.fetchval(REVISION),
        [name for name in given if name not in held],
        changed,
        [name for name in held if retire and name not in given],
        [name for name in given if name in held and name not in changed],
    )


def _version(row: asyncpg.Record) -> Version:
    at = row["applied_at"].isoformat(timespec="seconds")
    return Version(row["version"], row["source"], at, row["applied_by"], row["active"])


async def _insert(connection: Connection, loaded: LoadedRule, version: int, by: str, revision: int) -> None:
    body = encode_rule(msgspec.structs.replace(loaded.rule, version=version)).decode()
    await connection.execute(INSERT, loaded.rule.rule, version, body, loaded.source, by, revision)


def _summary(revision: int, versions: dict[str, int], by: str | None = None) -> str:
    """The revision, and the versions of the rules that are not the same on both sides of it."""
    who = {} if by is None else {"by": by}
    return msgspec.json.encode({"revision": revision, "rules": versions, **who}).decode()


def _same(given: Rule, held: Rule) -> bool:
    return msgspec.structs.replace(given, version=held.version) == held
