"""Where assets are: the newest word by event time counts, whichever worker hears it.

What this worker knows is a hint that spares statements; the table compares the times.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import asyncpg

from city.database import load_sql
from city.events import Location, Reading
from city.session import server_of
from ingest.assets import Asset
from ingest.work import Stranger

AT_ONCE: Final = 5_000
"""Assets whose places are written in one statement."""

Assets = Mapping[str, dict[str, Asset]]
"""By sector and name."""


def is_elsewhere(asset: Asset, reading: Reading) -> bool:
    if reading.location is not None and reading.location != asset.location:
        return True
    return reading.zone is not None and not reading.zone_approximate and reading.zone != asset.zone


def has_place(reading: Reading) -> bool:
    return reading.location is not None or reading.zone is not None


class Place(NamedTuple):
    """Where an asset was at a time."""

    asset: int
    time: int
    zone: str | None
    approximate: bool
    location: Location | None


def place_of(row: asyncpg.Record) -> tuple[str | None, Location | None, int]:
    """Zone, location, and when."""
    location = None if row["lon"] is None else (row["lon"], row["lat"])
    return None if row["zone_approximate"] else row["zone"], location, row["placed_us"] or 0


async def move(pool: asyncpg.Pool, server: str | None, known: Assets, strangers: Iterable[Stranger]) -> None:
    """Write the places of those that are said to be elsewhere than known."""
    moved: dict[int, tuple[Asset, Reading]] = {}
    for _, _, reading in strangers:
        asset = known[reading.sector].get(reading.asset)
        if asset is None or not has_place(reading):
            continue
        before = moved.get(asset.id)
        if reading.time < (before[1].time if before else asset.placed_at):
            continue
        if before is not None or is_elsewhere(asset, reading):
            moved[asset.id] = (asset, reading)
        else:
            asset.placed_at = reading.time
    readings = [(id_, moved[id_][1]) for id_ in sorted(moved)]
    places = [Place(id_, r.time, r.zone, r.zone_approximate, r.location) for id_, r in readings]
    await _put(pool, server, places, {id_: asset for id_, (asset, _) in moved.items()})


async def confirm(pool: asyncpg.Pool, server: str | None, known: Assets) -> None:
    """Tell the table until when assets were where they are: readings that said so have changed nothing else."""
    assets = {a.id: a for named in known.values() for a in named.values() if a.placed_at > a.stored_at}
    places = [Place(id_, a.placed_at, a.zone, False, a.location) for id_, a in sorted(assets.items())]
    for start in range(0, len(places), AT_ONCE):
        await _put(pool, server, places[start : start + AT_ONCE], assets)


async def _put(pool: asyncpg.Pool, server: str | None, places: list[Place], assets: Mapping[int, Asset]) -> None:
    """Write these places, and know of each asset what the table has then; on another server the ids mean nothing."""
    if not places:
        return
    async with pool.acquire() as connection:
        if server not in (None, server_of(connection)):
            return
        rows = await connection.fetch(
            _MOVE,
            [p.asset for p in places],
            [p.time for p in places],
            [p.zone for p in places],
            [p.approximate for p in places],
            [p.location[0] if p.location else None for p in places],
            [p.location[1] if p.location else None for p in places],
        )
    for row in rows:
        asset = assets[row["id"]]
        asset.zone, asset.location, asset.stored_at = place_of(row)
        asset.placed_at = max(asset.placed_at, asset.stored_at)


_MOVE = load_sql("ingest", "move_assets.sql")
