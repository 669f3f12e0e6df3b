"""`citywatch audit`: who did what, and the proof that nobody changed the record."""

from typing import Annotated

import asyncpg
import typer

from access import audit
from access.chain import Entry, Head, Verdict
from city.timestamps import format_time
from citywatch.local import permission
from citywatch.store import failed, in_store, print_table

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True,
    help="Read and prove the audit trail.\n\n"
    "Examples:\n\n  citywatch audit list --actor Lan\n\n  citywatch audit verify --head \"$(cat kept-head)\"",
)  # fmt: skip


@app.command("list")
@permission("audit.read")
def list_(
    actor: Annotated[str | None, typer.Option(help="Only by this name.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this act, such as alert.acknowledge.")] = None,
    object_: Annotated[str | None, typer.Option("--object", help="Only on this, such as 'account Lan'.")] = None,
    before: Annotated[int | None, typer.Option(help="Only before this number: the next page.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
) -> None:
    """List what was done, newest first.

    Example: citywatch audit list --action alert.acknowledge --limit 20
    """

    async def work(pool: asyncpg.Pool) -> list[Entry]:
        return await audit.page(pool, actor=actor, action=action, object_=object_, before_seq=before, limit=limit)

    rows = [
        (
            str(one.seq),
            format_time(one.at)[:19].replace("T", " "),
            f"{one.actor} ({one.actor_kind})",
            one.address or "",
            one.action,
            one.object,
            one.before or "",
            one.after or "",
        )
        for one in in_store("audit", work)
    ]
    print_table(f"{len(rows)} acts", ("no.", "at (UTC)", "who", "from", "act", "on", "before", "after"), rows)


@app.command()
@permission("audit.read")
def verify(
    head: Annotated[
        str | None, typer.Option(metavar="SEQ:HASH", help="A head that was kept elsewhere (citywatch audit head).")
    ] = None,
) -> None:
    """Prove that the trail is what was written: exit 1 with a line for each fault, by number.

    Without a head that was kept elsewhere, a tail that was cut off together with the database's own count, and a trail
    that was written anew as a whole, can't be told from a shorter one.

    Example: citywatch audit verify --head 128:9f2c…
    """
    try:
        kept = None if head is None else Head.parse(head)
    except ValueError as error:
        raise failed(str(error), 2) from None

    async def work(pool: asyncpg.Pool) -> Verdict:
        return await audit.verify(pool, kept)

    verdict = in_store("audit", work)
    for fault in verdict.faults:
        typer.echo(f"{fault.seq}: {fault.kind}: {fault.sentence}")
    if verdict.faults:
        raise failed(f"{len(verdict.faults)} faults in {verdict.rows} rows")
    typer.echo(f"{verdict.rows} rows, each as it was written; head {verdict.head}")


@app.command("head")
@permission("audit.read")
def head_() -> None:
    """Print number and hash of the newest row, to be kept where nobody who can write the database can write.

    Example: citywatch audit head | ssh archive 'cat >> citywatch-heads'
    """
    found = in_store("audit", audit.head)
    if found is None:
        raise failed("the database has no count of its audit trail; run citywatch audit verify")
    typer.echo(str(found))
