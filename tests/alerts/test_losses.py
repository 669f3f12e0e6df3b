"""What retention took unread is one alert a topic, whatever the workers do, until an operator accepts it."""

import asyncio
import json
import time

import pytest
import typer
from typer.testing import CliRunner

from alerts.losses import Losses
from city.zones import ZoneMap
from citywatch.main import load
from tests.alerts.conftest import City

TRAFFIC, HEALTH = "city.traffic.events", "city.health.events"
LOST = """
INSERT INTO ledger (cluster, topic, generation, partition, first_offset, next_offset, expired, accepted_expired)
VALUES ('c', $1, $2, $3, 0, $4, $4, $5)
"""
SHOWN = """
SELECT group_key, state, body FROM alert WHERE rule = 'system-records-lost' ORDER BY raised_at, group_key
"""


def command(*arguments: str) -> tuple[int, str]:
    app = load("ledger")
    assert isinstance(app, typer.Typer)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


async def accept(city: City, monkeypatch: pytest.MonkeyPatch, what: str = "--accept-expired") -> str:
    monkeypatch.setenv("CITYWATCH_DATABASE_DSN", city.settings.database_dsn)
    code, output = await asyncio.to_thread(command, what)
    assert code == 0, output
    return output


async def lose(city: City, topic: str, partition: int, records: int, *, generation: int = 1, accepted: int = 0) -> None:
    await city.pool.execute(LOST, topic, generation, partition, records, accepted)


async def states(city: City) -> list[tuple[str, str]]:
    return [(row["group_key"], row["state"]) for row in await city.pool.fetch(SHOWN)]


async def until(city: City, wanted: list[tuple[str, str]]) -> None:
    deadline = time.monotonic() + 30
    while await states(city) != wanted:
        assert time.monotonic() < deadline, await states(city)
        await asyncio.sleep(0.05)


async def test_one_alert_a_topic_until_accepted_by_command(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = Losses(city.pool, city.catalogue, ZoneMap.load(city.settings.city), "one")
    other = Losses(city.pool, city.catalogue, ZoneMap.load(city.settings.city), "two")
    await lose(city, TRAFFIC, 0, 30)
    await lose(city, TRAFFIC, 1, 12, generation=2)
    await lose(city, HEALTH, 0, 5, accepted=5)  # accepted long ago
    await asyncio.gather(losses.look(1_000_000), other.look(2_000_000))
    await losses.look(3_000_000)
    assert await states(city) == [(TRAFFIC, "unacknowledged")]
    body = json.loads((await city.pool.fetch(SHOWN))[0]["body"])
    assert (body["sector"], body["severity"], body["value"], body["metric"]) == (
        "traffic",
        "critical",
        42,
        "records_lost",
    )
    assert body["title"]["en"].startswith("Records lost unread: ")
    assert len(body["response"]) == 4

    assert "accepted the loss of 42 records" in await accept(city, monkeypatch)
    await losses.look(4_000_000)
    await other.look(4_000_000)
    assert await states(city) == [(TRAFFIC, "returned_unacknowledged")]
    assert [row[:2] for row in await city.history()] == [
        ("raised", "system-records-lost"),
        ("cleared", "system-records-lost"),
    ]

    await city.pool.execute(
        "UPDATE ledger SET next_offset = 31, expired = 31 WHERE topic = $1 AND partition = 0", TRAFFIC
    )
    await losses.look(5_000_000)
    assert await states(city) == [(TRAFFIC, "normal"), (TRAFFIC, "unacknowledged")]
    assert json.loads((await city.pool.fetch(SHOWN))[1]["body"])["value"] == 1


async def test_what_a_log_took_with_it_is_told_with_what_expired_until_both_are_accepted(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = Losses(city.pool, city.catalogue, ZoneMap.load(city.settings.city), "one")
    await lose(city, TRAFFIC, 0, 30)
    await city.pool.execute("UPDATE ledger SET known_end = 34")
    await losses.look(1_000_000)
    assert json.loads((await city.pool.fetch(SHOWN))[0]["body"])["value"] == 30, "what is not read yet is not lost"
    await city.pool.execute("UPDATE ledger SET closed_at = now()")
    await losses.look(61_000_000)
    assert json.loads((await city.pool.fetch(SHOWN))[0]["body"])["value"] == 34
    assert "accepted the loss of 30 records" in await accept(city, monkeypatch)
    await losses.look(121_000_000)
    assert await states(city) == [(TRAFFIC, "unacknowledged")]
    assert json.loads((await city.pool.fetch(SHOWN))[0]["body"])["value"] == 4
    assert "accepted the loss of 4 records" in await accept(city, monkeypatch, "--accept-lost")
    await losses.look(122_000_000)
    assert await states(city) == [(TRAFFIC, "returned_unacknowledged")]


async def test_what_is_lost_later_is_told_once_a_minute_and_asks_to_be_seen_again(city: City) -> None:
    losses = Losses(city.pool, city.catalogue, ZoneMap.load(city.settings.city), "one")
    other = Losses(city.pool, city.catalogue, ZoneMap.load(city.settings.city), "two")

    async def told() -> tuple[str, float]:
        ((_, state, body),) = await city.pool.fetch(SHOWN)
        return state, json.loads(body)["value"]

    async def lost(records: int) -> None:
        await city.pool.execute("UPDATE ledger SET next_offset = $1, expired = $1", records)

    await lose(city, TRAFFIC, 0, 30)
    await losses.look(1_000_000)
    (alert,) = [json.loads(body)["id"] for _, _, body in await city.pool.fetch(SHOWN)]
    await city.pool.execute("SELECT alert_move($1::text::uuid, 'acknowledged', now(), 'Lan', '{}')", alert)
    assert await told() == ("acknowledged", 30)
    await lost(31)
    await losses.look(60_000_000)
    assert await told() == ("acknowledged", 30)
    await asyncio.gather(losses.look(61_000_000), other.look(61_000_000))
    assert await told() == ("unacknowledged", 31)
    await lost(1_000)
    await losses.look(120_000_000)
    assert await told() == ("unacknowledged", 31)
    await losses.look(121_000_000)
    await losses.look(200_000_000)
    assert await told() == ("unacknowledged", 1_000)
    assert [kind for kind, _, _ in await city.history()] == ["raised", "acknowledged", "escalated", "escalated"]


async def test_a_loss_accepted_while_its_alert_is_being_opened_is_cleared_by_the_next_look(city: City) -> None:
    losses = Losses(city.pool, city.catalogue, ZoneMap.load(city.settings.city), "one")
    await lose(city, TRAFFIC, 0, 30)
    async with city.pool.acquire() as holder, holder.transaction():
        await holder.execute("SELECT FROM alert_sequence FOR UPDATE")  # whoever raises waits here
        look = asyncio.create_task(losses.look(1_000_000))
        await asyncio.sleep(0.3)
        assert not look.done()
        await city.pool.execute("UPDATE ledger SET accepted_expired = expired")
    await look
    assert await states(city) == [(TRAFFIC, "unacknowledged")]
    await losses.look(2_000_000)
    assert await states(city) == [(TRAFFIC, "returned_unacknowledged")]


async def test_workers_open_it_keep_it_through_restarts_and_clear_it(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lose(city, TRAFFIC, 0, 7)
    async with city.worker():
        await until(city, [(TRAFFIC, "unacknowledged")])
        await city.owned()
    async with city.worker():  # recovery of the sector neither clears what no engine holds nor raises it again
        await city.owned()
        await lose(city, HEALTH, 3, 9)
        await until(city, [(TRAFFIC, "unacknowledged"), (HEALTH, "unacknowledged")])
        await accept(city, monkeypatch)
        await until(city, [(TRAFFIC, "returned_unacknowledged"), (HEALTH, "returned_unacknowledged")])
    assert [kind for kind, _, _ in await city.history()] == ["raised", "raised", "cleared", "cleared"]
