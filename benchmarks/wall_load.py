"""5,000 assets for the wall's benchmark: where they stand, and a process that lets each of them speak twice a second.

python -m benchmarks.wall_load

Frames go straight to the topic that center reads: what is measured begins behind ingest. A hundred traffic assets fall
silent every four seconds, and a hundred speak again, so that the map has changes to draw and not only values to note.
"""

import asyncio
import math
import random
import time
from typing import Final

import asyncpg
import msgspec
from confluent_kafka import Producer

from city.kafka import LIVE
from city.sectors import Catalogue
from city.settings import Settings
from city.zones import ZoneMap

ASSETS: Final = 5_000
EVERY_S: Final = 0.5
SECTORS: Final = ("traffic", "health", "environment")
MUTE_EVERY_S: Final = 4
MUTE_GROUP: Final = 100
MUTE_S: Final = 60
"""Twice as long as a traffic sensor may be quiet before the wall draws it silent."""
ADD_ASSETS: Final = """
INSERT INTO asset (sector, name, zone, zone_approximate, lon, lat, first_seen, last_seen)
SELECT sector, name, zone, false, lon, lat, now(), now()
  FROM unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::float8[]) AS t (sector, name, zone, lon, lat)
"""
ADD_SERIES: Final = """
INSERT INTO series (asset_id, metric, unit)
SELECT a.id, t.metric, t.unit
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS t (sector, name, metric, unit)
  JOIN asset a USING (sector, name)
"""
SERIES: Final = (
    "SELECT s.id, a.sector = 'traffic' AS mutes FROM series s JOIN asset a ON a.id = s.asset_id ORDER BY s.id"
)


async def populate(pool: asyncpg.Pool, settings: Settings) -> None:
    """One series an asset, spread over the wards that the main map shows; every key figure of the wall has some."""
    catalogue = Catalogue.load(settings.city)
    core = [zone for zone in ZoneMap.load(settings.city).zones.values() if zone.core]
    metrics = [
        (name, catalogue.sectors[name].metrics[key]) for name in SECTORS for key in catalogue.sectors[name].key_figures
    ]
    chance = random.Random(20261122)
    places, series = [], []
    for number in range(ASSETS):
        zone, (sector, metric) = core[number % len(core)], metrics[number % len(metrics)]
        spread = math.sqrt(zone.area_km2) / 111 * 0.4
        name = f"WALL-{number:04}"
        lon, lat = (middle + chance.uniform(-spread, spread) for middle in (zone.lon, zone.lat))
        places.append((sector, name, zone.code, lon, lat))
        series.append((sector, name, metric.name, metric.unit))
    await pool.execute(ADD_ASSETS, *map(list, zip(*places, strict=True)))
    await pool.execute(ADD_SERIES, *map(list, zip(*series, strict=True)))


async def main() -> None:
    """Frames until ended; says `publishing` with the first."""
    settings = Settings()
    connection = await asyncpg.connect(settings.database_dsn)
    rows = await connection.fetch(SERIES)
    await connection.close()
    mutes = [row["id"] for row in rows if row["mutes"]]
    groups = [frozenset(mutes[i : i + MUTE_GROUP]) for i in range(0, len(mutes), MUTE_GROUP)]
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap, "linger.ms": 0})
    began = due = time.monotonic()
    print("publishing", flush=True)
    while True:
        step = int((time.monotonic() - began) / MUTE_EVERY_S)
        mute = {one for back in range(MUTE_S // MUTE_EVERY_S) for one in groups[(step - back) % len(groups)]}
        now = time.time_ns() // 1000
        frame = [(row["id"], now, 20.0 + (row["id"] * 7 + step) % 50) for row in rows if row["id"] not in mute]
        producer.produce(LIVE, msgspec.json.encode(frame))
        producer.flush(5)
        due += EVERY_S
        await asyncio.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    asyncio.run(main())
