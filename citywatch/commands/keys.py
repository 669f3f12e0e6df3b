"""`citywatch keys`: the keys with which sector systems publish and read."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import asyncpg
import typer

from access import audit, keys
from access.policy import Grant
from citywatch.local import actor, permission
from citywatch.store import failed, in_store, known_places, minute, print_table

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True,
    help="Create, rotate and revoke the keys of sector systems.\n\n"
    "Examples:\n\n  citywatch keys create 'pump stations' --sector environment --publish\n\n"
    "  citywatch keys rotate 1f0c93a2b4d5 --overlap-hours 24",
)  # fmt: skip

Key = Annotated[
    str, typer.Argument(metavar="ID|NAME", help="As `citywatch keys list` shows it; a name where one key has it.")
]


@app.command()
@permission("keys.manage")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")],
    sector: Annotated[list[str] | None, typer.Option("--sector", help="For this sector; once for each.")] = None,
    all_sectors: Annotated[bool, typer.Option("--all-sectors", help="For every sector.")] = False,
    publish: Annotated[bool, typer.Option("--publish", help="It may publish events.")] = False,
    read: Annotated[bool, typer.Option("--read", help="It may read readings, reports, alerts, metrics.")] = False,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="It ends after so many days.")] = None,
) -> None:
    """Create a key and print it, once.

    Examples: citywatch keys create pumps --sector environment --publish; citywatch keys create bi --all-sectors --read
    """
    if bool(sector) == all_sectors:
        raise failed("say for which sectors: --sector NAME, once for each, or --all-sectors", 2)
    known_places(sector or (), ())
    grants: list[Grant] = [*(["publish"] if publish else []), *(["read"] if read else [])]  # type: ignore[list-item]
    ends = None if days is None else datetime.now(UTC) + timedelta(days=days)

    async def work(pool: asyncpg.Pool) -> keys.Shown:
        return await keys.create(pool, actor(), name, sector or (), grants, ends)

    typer.echo(f"key, shown once: {in_store('keys', work).text}")


@app.command("list")
@permission("keys.read")
def list_() -> None:
    """List the keys, with their last use.

    Example: citywatch keys list
    """

    async def work(pool: asyncpg.Pool) -> list[keys.ApiKey]:
        async with pool.acquire() as connection, connection.transaction():
            listed = await keys.listed(connection)
            await audit.append(connection, actor(), "keys.read", "keys")
        return listed

    found = in_store("keys", work)
    rows = [
        (
            one.id,
            one.name,
            ", ".join(one.sectors) or "all",
            ", ".join(one.grants),
            minute(one.last_used_at) or "never",
            minute(one.previous_until),
            f"revoked {minute(one.revoked_at)}" if one.revoked_at else minute(one.expires_at),
        )
        for one in found
    ]
    columns = ("id", "name", "sectors", "for", "last use", "old secret until", "ends")
    print_table(f"{len(found)} keys", columns, rows)


@app.command()
@permission("keys.manage")
def rotate(
    key: Key,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=24 * 90, help="So long the secret until now still holds.")
    ] = 24,
) -> None:
    """Give a key another secret and print it, once; the one until now holds on for a while.

    Example: citywatch keys rotate 1f0c93a2b4d5 --overlap-hours 1
    """

    async def work(pool: asyncpg.Pool) -> keys.Shown:
        return await keys.rotate(pool, actor(), await keys.find(pool, key), timedelta(hours=overlap_hours))

    shown = in_store("keys", work)
    typer.echo(f"key, shown once: {shown.text}")
    typer.echo(f"the old one holds until {shown.key.previous_until or 'now'}")


@app.command()
@permission("keys.manage")
def revoke(key: Key) -> None:
    """End a key within a second.

    Examples: citywatch keys revoke 1f0c93a2b4d5; citywatch keys revoke 'pump stations'
    """

    async def work(pool: asyncpg.Pool) -> keys.ApiKey:
        return await keys.revoke(pool, actor(), await keys.find(pool, key))

    revoked = in_store("keys", work)
    typer.echo(f"the key of {revoked.name} ({revoked.id}) is revoked")
