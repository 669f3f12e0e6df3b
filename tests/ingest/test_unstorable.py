"""What PostgreSQL itself refuses becomes a dead letter; everything around it is stored, and the partition goes on."""

import random

import pytest

from tests.ingest.conftest import City, event, now_us

REFUSED_PLACES = (3, 40, 41, 99)


def report(city: City, subject: str, time_us: int, **data: str) -> bytes:
    fields = {"category": city.catalogue.sectors["traffic"].reports[0], "severity": "warning", "title": "Kẹt xe"}
    return event(subject, time_us, kind="report", **(fields | data))


async def test_a_row_beyond_a_limit_of_the_server(city: City) -> None:
    """An index row is at most a third of a page: error 54000, as a report's long source once met."""
    await city.pool.execute("CREATE INDEX ON report (description)")
    now = now_us()
    noise = random.Random(7)
    endless = "".join(chr(noise.randrange(0x4E00, 0x9FA5)) for _ in range(3000))
    values: list[bytes | None] = [
        report(city, f"KX-{i}", now + i, description=endless if i in REFUSED_PLACES else "ngắn") for i in range(100)
    ]
    values += [event(f"VVK-{i}", now + i, {"speed_kmh": 30}) for i in range(50)]
    async with city.worker():
        await city.publish(values, partition=0)
        books = await city.until_total(150)
        await city.publish([report(city, "KX-new", now)], partition=0)
        await city.until_total(151)
    assert (books["stored"], books["dead"]) == (146, 4)
    rows = await city.pool.fetch("SELECT first_offset, reason, detail, raw FROM dead_letter ORDER BY first_offset")
    assert [(row["first_offset"], row["reason"]) for row in rows] == [(at, "unstorable") for at in REFUSED_PLACES]
    assert all("54000" in row["detail"] and row["raw"] == values[row["first_offset"]] for row in rows)
    assert await city.pool.fetchval("SELECT count(*) FROM report") == 97


@pytest.mark.parametrize(
    "constraint",
    [
        "ALTER TABLE asset ADD CHECK (name NOT LIKE 'bad-%')",
        "ALTER TABLE reading ADD CHECK (value <> 13)",
        "ALTER TABLE asset ADD CHECK (lon IS NULL OR lon <> 106.7125)",
    ],
    ids=["its asset", "its value", "its place"],
)
async def test_a_reading_that_the_tables_do_not_take(city: City, constraint: str) -> None:
    await city.pool.execute(constraint)
    now = now_us()
    good = [event(f"VVK-{i}", now, {"speed_kmh": 30, "flow_vph": 1}, location=[106.7, 10.776]) for i in range(60)]
    bad = [event(f"bad-{i}", now + 1, {"speed_kmh": 13, "flow_vph": 1}, location=[106.7125, 10.776]) for i in range(3)]
    async with city.worker():
        await city.publish([*good[:20], bad[0], *good[20:40], bad[1], bad[2], *good[40:]], partition=0)
        books = await city.until_total(63)
        await city.publish([event("VVK-0", now + 5, {"speed_kmh": 31})], partition=0)
        await city.until_total(64)
    assert (books["stored"], books["dead"], books["readings_stored"]) == (60, 3, 120)
    rows = await city.pool.fetch("SELECT first_offset, reason FROM dead_letter ORDER BY first_offset")
    assert [tuple(row) for row in rows] == [(20, "unstorable"), (41, "unstorable"), (42, "unstorable")]


async def test_a_letter_that_is_refused_itself_keeps_its_place_and_its_bytes(city: City) -> None:
    await city.pool.execute("ALTER TABLE dead_letter ADD CHECK (key IS NULL OR key <> 'poison')")
    async with city.worker():
        await city.publish([b"{", event("VVK-1", now_us(), {"speed_kmh": 1})], partition=0, key=b"poison")
        books = await city.until_total(2)
    assert (books["stored"], books["dead"]) == (1, 1)
    row = await city.pool.fetchrow("SELECT reason, raw, key FROM dead_letter")
    assert row is not None
    assert tuple(row) == ("not_json", b"{", None)


async def test_a_fault_that_is_no_record_s_still_ends_the_worker(city: City) -> None:
    """Nothing may be declared dead because the tables are not as they must be."""
    await city.pool.execute("ALTER TABLE ledger ADD CHECK (stored < 1)")
    await city.publish([event("VVK-1", now_us(), {"speed_kmh": 1})], partition=0)
    with pytest.raises(ExceptionGroup) as raised:
        async with city.worker() as worker:
            await worker
    assert "ledger_stored_check" in repr(raised.value.exceptions)
    assert await city.pool.fetchval("SELECT count(*) FROM dead_letter") == 0
