"""`make bench`: measure the budgets, print them, and write them to benchmarks/out/latest.json.

    python -m benchmarks                  everything, on the embedded PostgreSQL
    python -m benchmarks --only ingest    the figures whose names begin so

CITYWATCH_BENCH_TIMESCALE_DSN names a TimescaleDB server (a role that may create databases): what depends on the store
is then measured there too, in a database of its own, and those names end in _timescale.
"""

import asyncio
import contextlib
import importlib
import os
import platform
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.stack import Row

OUT: Final = Path(__file__).parent / "out" / "latest.json"
FIGURES: Final = {
    "ingest": ("ingest_readings_per_s", "ingest_copy_ratio", "ingest_peak_rss_mib", "takeover_s"),
    "engine": (
        "engine_threshold_evaluations_per_s",
        "engine_window_evaluations_per_s",
        "backtest_readings_per_s",
        "engine_state_bytes",
        "snapshot_stall_ms",
        "snapshot_stall_200k_series_ms",
    ),
    "latency": ("alert_latency_p50_ms", "alert_latency_p99_ms"),
    "fanout": ("fanout_p99_ms", "fanout_stalled_p99_ms"),
    "sign_in": (
        "sign_in_http_cost_pct_upper95",
        "sign_in_latency_cost_pct_upper95",
        "sign_in_fanout_cost_pct_upper95",
    ),
    "range_query": ("range_query_ms",),
    "demo_start": ("demo_warm_start_s",),
    "wall": (
        "wall_first_picture_ms",
        "wall_receive_to_painted_p99_ms",
        "wall_longest_task_ms",
        "wall_fps",
        "wall_heap_growth_pct",
    ),
}
"""Modules with a coroutine `measure() -> rows`, and the names of the rows."""
ON_THE_STORE: Final = frozenset({"ingest", "latency", "range_query"})
console = Console()


def main(only: Annotated[str, typer.Option(help="Measure only figures whose names begin so.")] = "") -> None:
    """Measure the budgets of CityWatch on this machine, one after the other."""
    chosen = [module for module, names in FIGURES.items() if any(name.startswith(only) for name in names)]
    if not chosen:
        raise typer.BadParameter(f"no figure begins with {only!r}; there are {', '.join(sum(FIGURES.values(), ()))}")
    console.print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the run")
    rows = asyncio.run(_measure(chosen))
    rows = [row for row in rows if row["name"].startswith(only)]
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_bytes(msgspec.json.format(msgspec.json.encode(rows)) + b"\n")
    console.print(_table(rows))


async def _measure(modules: list[str]) -> list[Row]:
    rows: list[Row] = []
    server = os.environ.get("CITYWATCH_BENCH_TIMESCALE_DSN", "")
    for name in modules:
        rows += await _timed(name, name)
        if server and name in ON_THE_STORE:
            async with _database(server):
                found = await _timed(name, f"{name} on TimescaleDB")
            rows += [row | {"name": f"{row['name']}_timescale"} for row in found]
    return rows


async def _timed(module: str, title: str) -> list[Row]:
    began = time.monotonic()
    console.print(f"[bold]{title}[/bold] …")
    rows: list[Row] = await importlib.import_module(f"benchmarks.{module}").measure()
    for row in rows:
        console.print(f"  {row['name']}: {row['value']} {row['unit']}")
    console.print(f"  measured in {time.monotonic() - began:.0f} s")
    return rows


@contextlib.asynccontextmanager
async def _database(server: str) -> AsyncIterator[None]:
    """An empty database of that server, made known to the benchmarks, dropped at the end."""
    name = f"citywatch_bench_{os.getpid()}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        os.environ["CITYWATCH_BENCH_DSN"] = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        try:
            yield
        finally:
            del os.environ["CITYWATCH_BENCH_DSN"]
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


def _table(rows: list[Row]) -> Table:
    table = Table("figure", "value", "unit", "budget", "met")
    for row in rows:
        mark = "[green]yes[/green]" if row["met"] else "[red]no[/red]"
        table.add_row(row["name"], f"{row['value']:,}", row["unit"], f"{row['budget']:,}", mark)
    return table


if __name__ == "__main__":
    typer.run(main)
