"""`citywatch devices`: the screens that may look without a person."""

import uuid
from datetime import timedelta
from typing import Annotated

import asyncpg
import typer

from access import devices
from city.settings import Settings
from citywatch.local import actor, permission, principal
from citywatch.store import failed, in_store, known_places, minute, print_table, scope

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True,
    help="List paired screens, make links that pair them, end their access.\n\n"
    "Examples:\n\n  citywatch devices link 'hall, left' --address https://watch.city.example\n\n"
    "  citywatch devices list",
)  # fmt: skip


@app.command("list")
@permission("devices.read")
def list_() -> None:
    """List paired screens and the links that still pair some.

    Example: citywatch devices list
    """

    async def work(pool: asyncpg.Pool) -> tuple[list[devices.Device], list[devices.Link]]:
        return await devices.listed(pool), await devices.links(pool)

    screens, links = in_store("devices", work)
    rows = [
        (
            one.id,
            one.name,
            scope(one.sectors, one.zones),
            f"{minute(one.paired_at)} by {one.paired_by}",
            minute(one.seen_at),
            f"revoked {minute(one.revoked_at)}" if one.revoked_at else minute(one.expires_at),
        )
        for one in screens
    ]
    print_table(f"{len(screens)} screens", ("id", "name", "sees", "paired", "last seen", "ends"), rows)
    left = [
        (one.id, one.name, scope(one.sectors, one.zones), one.made_by, str(one.uses_left), minute(one.expires_at))
        for one in links
    ]
    if left:
        print_table(f"{len(left)} links", ("id", "name", "sees", "made by", "uses left", "ends"), left)


@app.command()
@permission("devices.pair")
def link(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the screens will be called.")],
    address: Annotated[
        str, typer.Option(help="How the screens call the center; else this machine's, at CITYWATCH_CENTER_PORT.")
    ] = "",
    uses: Annotated[int, typer.Option(min=1, max=1000, help="So many screens.")] = 1,
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 30, help="It ends after so many hours.")] = 24,
    sector: Annotated[list[str] | None, typer.Option("--sector", help="Only this sector; once for each.")] = None,
    zone: Annotated[list[str] | None, typer.Option("--zone", help="Only this zone, by code; once for each.")] = None,
) -> None:
    """Print a link that opens the wall and pairs the screen that opens it; whoever has it can look.

    Example: citywatch devices link 'hall, left' --address https://watch.city.example --uses 2
    """
    known_places(sector or (), zone or ())

    async def work(pool: asyncpg.Pool) -> str:
        lasts = timedelta(hours=hours)
        return await devices.link(
            pool, principal(), None, name, uses=uses, lasts=lasts, sectors=sector or (), zones=zone or ()
        )

    address = address or f"http://127.0.0.1:{Settings().center_port}"  # the running demo's, where one was joined
    typer.echo(f"{address.rstrip('/')}/wall#link={in_store('devices', work)}")


@app.command()
@permission("devices.revoke")
def revoke(
    device_id: Annotated[str, typer.Argument(metavar="ID", help="Of a screen or a link, as the list shows it.")],
) -> None:
    """End a screen's access within a second, or a link.

    Example: citywatch devices revoke 6f1d0c1e-7d0a-4c39-9d4c-0a8f6f0d2a11
    """
    try:
        parsed = uuid.UUID(device_id)
    except ValueError:
        raise failed(f"{device_id!r} is no id; `citywatch devices list` shows them", 2) from None

    async def work(pool: asyncpg.Pool) -> None:
        await devices.revoke(pool, actor(), parsed)

    in_store("devices", work)
    typer.echo("its access has ended")
