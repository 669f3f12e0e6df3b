"""An asset is where the newest word by event time says, whoever heard it and in whatever order."""

from ingest.latest import Latest
from ingest.places import confirm
from ingest.series import Series
from tests.ingest.conftest import City, event, now_us

HERE, THERE = [106.7, 10.776], [106.705, 10.78]


async def place(city: City) -> list[float]:
    row = await city.pool.fetchrow("SELECT lon, lat FROM asset")
    assert row is not None
    return list(row)


async def test_an_older_word_never_moves_an_asset_back(city: City) -> None:
    now = now_us()

    def at(where: list[float], time_us: int) -> bytes:
        return event("VVK-1", time_us, {"speed_kmh": 1}, location=where)

    async with city.worker():
        await city.publish([at(HERE, now)], partition=0)
        await city.until_total(1)
        await city.publish([at(HERE, now + 20)], partition=0)
        await city.until_total(2)
        await city.publish([at(THERE, now + 10)], partition=0)
        await city.until_total(3)
        assert await place(city) == HERE, "it was still here later"
        await city.publish([at(THERE, now + 30)], partition=0)
        await city.until_total(4)
        assert await place(city) == THERE
    async with city.worker("another, that knows nothing yet"):
        await city.publish([at(HERE, now + 25)], partition=0)
        await city.until_total(5)
        assert await place(city) == THERE
        await city.publish([at(HERE, now + 30)], partition=1)
        await city.until_total(6)
        assert await place(city) == HERE
    assert await city.pool.fetchval("SELECT to_us(placed_at) FROM asset") == now + 30


async def test_until_when_an_asset_was_there_is_written_beside_last_seen(city: City) -> None:
    now = now_us()
    async with city.worker():
        await city.publish([event("VVK-1", now, {"speed_kmh": 1}, location=HERE)], partition=0)
        await city.until_total(1)
    series = Series(city.pool, city.catalogue)
    async with city.pool.acquire() as connection:
        series.server = ""
        await series._load(connection, "traffic", ["VVK-1"])
    asset = series.assets["traffic"]["VVK-1"]
    assert asset.placed_at == now
    asset.placed_at = now + 50  # as a reading that says the same place does
    await city.pool.execute("UPDATE asset SET lon = 106.72, lat = 10.79, placed_at = from_us($1)", now + 40)
    await series.flush_last_seen(Latest())
    assert await place(city) == HERE, "another worker heard an older word"
    assert await city.pool.fetchval("SELECT to_us(placed_at) FROM asset") == now + 50
    asset.placed_at = now + 60
    await city.pool.execute("UPDATE asset SET lon = 106.72, lat = 10.79, placed_at = from_us($1)", now + 70)
    await confirm(city.pool, None, series.assets)
    assert asset.location == (106.72, 10.79), "what is newer is learnt"
