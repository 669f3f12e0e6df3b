"""Every offset ends in exactly one outcome, every reading is stored once, and the books say so."""

import json
from typing import Any

from tests.ingest.conftest import City, event, now_us

DAY_US = 86_400_000_000


async def test_mixed_input_is_accounted_for_exactly(city: City) -> None:
    now = now_us()
    old = now - (city.settings.raw_retention_days + 1) * DAY_US
    good = [event(f"VVK-{i:04}", now + i, {"speed_kmh": 30 + i % 7, "flow_vph": 900}) for i in range(500)]
    again = good[:50]
    conflicting = [event(f"VVK-{i:04}", now + i, {"speed_kmh": 99, "flow_vph": 900}) for i in range(20)]
    late = [event("VVK-0001", old + i, {"speed_kmh": 30}) for i in range(7)]
    dead: list[bytes | None] = [b"{", b"[]", event("VVK-0001", now, {"speed_kmh": "fast"}), event("VVK-0001", now, {})]
    async with city.worker():
        await city.publish([*good, *again, *conflicting, *late, *dead, None, None, b""], partition=0)
        books = await city.until_total(500 + 50 + 20 + 7 + 4 + 3)
    assert books["stored"] == 500
    assert books["duplicate"] == 70
    assert books["late"] == 7
    assert books["dead"] == 4
    assert books["no_record"] == 3
    assert books["readings_stored"] == 1000
    assert books["readings_duplicate"] == 100 + 20
    assert books["readings_conflict"] == 20
    assert await city.pool.fetchval("SELECT count(*) FROM reading") == 1000
    kept = await city.pool.fetch("SELECT kept, refused FROM conflict")
    assert len(kept) == 20
    assert all(row["refused"] == 99 and row["kept"] != 99 for row in kept)
    reasons = await city.pool.fetch("SELECT reason, sum(records)::int AS n FROM dead_letter GROUP BY reason")
    assert {row["reason"]: row["n"] for row in reasons} == {
        "late": 7, "not_json": 1, "bad_envelope": 1, "not_a_number": 1, "no_measurements": 1
    }  # fmt: skip


async def test_a_reading_of_several_batches_and_partitions_counts_once(city: City) -> None:
    now = now_us()
    values = [event("VVK-0001", now + i, {"speed_kmh": 40}) for i in range(100)]
    async with city.worker():
        await city.publish(values, partition=0)
        await city.until_total(100)
        await city.publish(values, partition=1)
        await city.until_total(200)
        await city.publish([*values, *values], partition=0)
        books = await city.until_total(400)
        fresh = [event("VVK-0001", now + 1000 + i, {"speed_kmh": 41}) for i in range(100)]
        await city.publish(fresh)
        books = await city.until_total(500)
    assert books["stored"] == 200
    assert books["duplicate"] == 300
    assert books["readings_conflict"] == 0
    assert await city.pool.fetchval("SELECT count(*) FROM reading") == 200


async def test_a_conflict_keeps_the_first_and_tells_of_the_other_wherever_it_came_from(city: City) -> None:
    now = now_us()
    async with city.worker():
        same_batch = [event("VVK-1", now, {"speed_kmh": speed}) for speed in (10, 11, 10)]
        await city.publish(same_batch, partition=0)
        await city.until_total(3)
        await city.publish([event("VVK-1", now, {"speed_kmh": 12})], partition=0)
        books = await city.until_total(4)
    assert (books["readings_stored"], books["readings_duplicate"], books["readings_conflict"]) == (1, 1, 2)
    assert await city.pool.fetchval("SELECT value FROM reading") == 10
    rows = await city.pool.fetch("SELECT kept, refused FROM conflict ORDER BY refused")
    assert [tuple(row) for row in rows] == [(10, 11), (10, 12)]


async def test_a_record_is_stored_when_any_of_its_readings_is_new(city: City) -> None:
    now = now_us()
    async with city.worker():
        await city.publish([event("VVK-1", now, {"speed_kmh": 10})])
        await city.until_total(1)
        await city.publish([event("VVK-1", now, {"speed_kmh": 10, "flow_vph": 5})])
        books = await city.until_total(2)
    assert (books["stored"], books["duplicate"]) == (2, 0)
    assert (books["readings_stored"], books["readings_duplicate"]) == (2, 1)


async def test_reports_are_updated_by_newer_words_only(city: City) -> None:
    now = now_us()

    def told(time_us: int, **data: str) -> bytes:
        fields: dict[str, Any] = {
            "category": city.catalogue.sectors["traffic"].reports[0],
            "severity": "warning",
            "title": "Kẹt xe",
        }
        return event("KX-1", time_us, kind="report", **(fields | data))

    async with city.worker():
        await city.publish(
            [told(now), told(now + 2, title="Còn kẹt"), told(now + 1, title="cũ"), told(now)], partition=0
        )
        books = await city.until_total(4)
        assert (books["stored"], books["duplicate"]) == (2, 2)
        await city.publish([told(now + 3, status="closed"), told(now + 2)], partition=0)
        books = await city.until_total(6)
    assert (books["stored"], books["duplicate"]) == (3, 3)
    row = await city.pool.fetchrow("SELECT title, status, to_us(time) AS time, to_us(first_time) AS first FROM report")
    assert row is not None
    assert tuple(row) == ("Kẹt xe", "closed", now + 3, now)


async def test_binary_mode_unknown_headers_and_no_key_are_taken(city: City) -> None:
    now = now_us()
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"1"),
        ("ce_source", b"//x"),
        ("ce_type", b"city.traffic.reading.v1"),
        ("ce_subject", "Cầu Sài Gòn".encode()),
        ("ce_time", json.loads(event("x", now))["time"].encode()),
        ("traceparent", b"\xff\x00"),
        ("content-type", b"application/json"),
    ]
    async with city.worker():
        await city.publish([json.dumps({"measurements": {"speed_kmh": 3}}).encode()], headers=headers, key=b"\x00\xff")
        books = await city.until_total(1)
    assert books["stored"] == 1
    assert await city.pool.fetchval("SELECT name FROM asset") == "Cầu Sài Gòn"


async def test_an_asset_keeps_its_last_place(city: City) -> None:
    now = now_us()
    zone = next(iter(city.catalogue_zones()))
    async with city.worker():
        await city.publish([event("VVK-1", now, {"speed_kmh": 1}, location=[106.7, 10.776])], partition=0)
        await city.until_total(1)
        first = await city.pool.fetchrow("SELECT zone, zone_approximate, lon, lat FROM asset")
        assert first is not None
        assert first["zone"] is not None
        assert (first["lon"], first["lat"]) == (106.7, 10.776)
        await city.publish([event("VVK-1", now + 1, {"speed_kmh": 1})], partition=0)
        await city.publish([event("VVK-1", now + 2, {"speed_kmh": 1}, zone=zone)], partition=0)
        await city.publish([event("VVK-1", now - 9, {"speed_kmh": 1}, location=[106.701, 10.776])], partition=0)
        await city.until_total(4)
    last = await city.pool.fetchrow("SELECT zone, zone_approximate, lon, lat FROM asset")
    assert last is not None
    assert tuple(last) == (zone, False, 106.7, 10.776)


async def test_a_flood_of_conflicts_is_counted_whole_and_kept_in_part(city: City) -> None:
    now = now_us()
    async with city.worker():
        first = [event(f"VVK-{i}", now, {"speed_kmh": 1}) for i in range(20)]
        await city.publish(first, partition=0)
        await city.until_total(20)
        again = [event(f"VVK-{i % 20}", now, {"speed_kmh": 2 + i // 20 % 50}) for i in range(4000)]
        await city.publish(again, partition=0, timestamp_us=now)
        books = await city.until_total(4020)
    assert (books["readings_stored"], books["readings_conflict"]) == (20, 4000)
    kept = await city.pool.fetchval("SELECT count(*) FROM conflict")
    assert 100 <= kept < 1000
