"""`citywatch accounts`: the people who may sign in."""

import sys
import uuid
from datetime import timedelta
from typing import Annotated

import asyncpg
import typer

from access import accounts, audit, sessions, unlocking
from access.accounts import Account
from access.policy import Role
from city.settings import Settings
from citywatch.local import actor, permission
from citywatch.store import failed, in_store, known_places, minute, print_table, scope

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True,
    help="Create, change and end the accounts of people.\n\n"
    "Examples:\n\n  citywatch accounts create Lan --role operator --sector traffic\n\n  citywatch accounts list",
)  # fmt: skip

Name = Annotated[str, typer.Argument(metavar="NAME", help="However it was typed: case and accents' form don't count.")]
Sector = Annotated[list[str] | None, typer.Option("--sector", help="Only this sector; give it once for each.")]
Zone = Annotated[list[str] | None, typer.Option("--zone", help="Only this zone, by its code; once for each.")]


@app.command()
@permission("accounts.manage")
def create(
    name: Name,
    role: Annotated[Role, typer.Option(help="viewer, operator, supervisor or admin.")] = Role.viewer,
    sector: Sector = None,
    zone: Zone = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from the first line of the input.")
    ] = False,
) -> None:
    """Create an account and print its first password, which must be changed at the first sign-in.

    Examples: citywatch accounts create Lan --role operator; citywatch accounts create Minh --sector traffic
    """
    known_places(sector or (), zone or ())
    given = sys.stdin.readline().rstrip("\r\n") if password_stdin else None

    async def work(pool: asyncpg.Pool) -> tuple[Account, str]:
        return await accounts.create(pool, actor(), name, role, sectors=sector or (), zones=zone or (), password=given)

    account, first = in_store("accounts", work)
    typer.echo(f"{account.name} is {account.role} of {scope(account.sectors, account.zones)}")
    if not password_stdin:
        typer.echo(f"first password, shown once: {first}")


@app.command("list")
@permission("accounts.read")
def list_() -> None:
    """List the accounts.

    Example: citywatch accounts list
    """

    async def work(pool: asyncpg.Pool) -> list[Account]:
        async with pool.acquire() as connection, connection.transaction():
            listed = await accounts.listed(connection)
            await audit.append(connection, actor(), "accounts.read", "accounts")
        return listed

    found = in_store("accounts", work)
    rows = [
        (one.name, one.role, scope(one.sectors, one.zones), one.issuer or "here", _state(one), minute(one.signed_in_at))
        for one in found
    ]
    print_table(f"{len(found)} accounts", ("name", "role", "scope", "signs in", "state", "last"), rows)


@app.command()
@permission("accounts.manage")
def change(
    name: Name,
    role: Annotated[Role | None, typer.Option(help="viewer, operator, supervisor or admin.")] = None,
    sector: Sector = None,
    zone: Zone = None,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="All sectors and all zones.")] = False,
) -> None:
    """Change a role or a scope; sessions go on with it within a second.

    Examples: citywatch accounts change Lan --role supervisor; citywatch accounts change Lan --everywhere
    """
    known_places(sector or (), zone or ())

    async def work(pool: asyncpg.Pool) -> Account:
        held = await accounts.find(pool, name)
        empty: list[str] | None = [] if everywhere else None
        return await accounts.change(pool, actor(), held, role=role, sectors=sector or empty, zones=zone or empty)

    account = in_store("accounts", work)
    typer.echo(f"{account.name} is {account.role} of {scope(account.sectors, account.zones)}")


@app.command()
@permission("accounts.manage")
def disable(name: Name) -> None:
    """Let somebody sign in no more; their sessions end within a second.

    Example: citywatch accounts disable Lan
    """
    _disable(name, True)
    typer.echo(f"{name} may not sign in any more")


@app.command()
@permission("accounts.manage")
def enable(name: Name) -> None:
    """Let somebody sign in again.

    Example: citywatch accounts enable Lan
    """
    _disable(name, False)
    typer.echo(f"{name} may sign in")


@app.command()
@permission("accounts.manage")
def password(name: Name) -> None:
    """Give somebody a new first password, print it once, and end their sessions.

    Example: citywatch accounts password Lan
    """

    async def work(pool: asyncpg.Pool) -> str:
        return await accounts.reset_password(pool, actor(), await accounts.find(pool, name))

    typer.echo(f"first password, shown once: {in_store('accounts', work)}")


@app.command()
@permission("accounts.manage")
def unlock(name: Name) -> None:
    """Forget somebody's wrong passwords, and that they came too often from where they sit.

    Example: citywatch accounts unlock Lan
    """

    async def work(pool: asyncpg.Pool) -> list[str]:
        return await unlocking.unlock(pool, actor(), await accounts.find(pool, name))

    addresses = in_store("accounts", work)
    typer.echo(f"{name} may try again" + (f", from {', '.join(addresses)} too" if addresses else ""))


@app.command()
@permission("accounts.manage")
def delete(name: Name) -> None:
    """Delete an account and its sessions; what it did stays in the audit trail.

    Example: citywatch accounts delete Lan
    """

    async def work(pool: asyncpg.Pool) -> None:
        await accounts.delete(pool, actor(), await accounts.find(pool, name))

    in_store("accounts", work)
    typer.echo(f"{name} is deleted")


@app.command("sessions")
@permission("accounts.read")
def sessions_(name: Name) -> None:
    """List where somebody is signed in.

    Example: citywatch accounts sessions Lan
    """
    idle = timedelta(minutes=Settings().session_idle_minutes)

    async def work(pool: asyncpg.Pool) -> list[sessions.OwnSession]:
        async with pool.acquire() as connection, connection.transaction():
            account = await accounts.named(connection, name)
            listed = await sessions.of_account(connection, uuid.UUID(account.id), idle)
            await audit.append(connection, actor(), "sessions.read", f"account {account.name}")
        return listed

    found = in_store("accounts", work)
    rows = [
        (one.id, *map(minute, (one.created_at, one.seen_at, one.expires_at)), one.address or "", one.agent or "")
        for one in found
    ]
    print_table(f"{len(found)} sessions", ("id", "since", "last seen", "ends", "from", "browser"), rows)


@app.command("end-sessions")
@permission("accounts.manage")
def end_sessions(
    name: Name,
    session: Annotated[str | None, typer.Option(metavar="ID", help="Only this one, as the list shows it.")] = None,
) -> None:
    """Sign somebody out within a second: everywhere, or in one place.

    Examples: citywatch accounts end-sessions Lan; citywatch accounts end-sessions Lan --session 6f1d0c1e-…
    """
    try:
        only = None if session is None else uuid.UUID(session)
    except ValueError:
        raise failed(f"{session!r} is no id; `citywatch accounts sessions {name}` shows them", 2) from None

    async def work(pool: asyncpg.Pool) -> int:
        account_id = await accounts.find(pool, name)
        if only is None:
            return await sessions.end_all(pool, actor(), account_id)
        await sessions.end_one(pool, actor(), account_id, only)
        return 1

    typer.echo(f"{in_store('accounts', work)} sessions of {name} have ended")


def _disable(name: str, disabled: bool) -> None:
    async def work(pool: asyncpg.Pool) -> None:
        await accounts.change(pool, actor(), await accounts.find(pool, name), disabled=disabled)

    in_store("accounts", work)


def _state(account: Account) -> str:
    if account.disabled:
        return "disabled"
    return "locked" if account.locked else "first password" if account.must_change else ""
