"""A dead letter is found, read, and sent again once its cause is gone; the commands say so in words."""

import asyncio
import json
import shutil
from datetime import datetime
from pathlib import Path

import asyncpg
import pytest
import yaml
from typer.testing import CliRunner

from city.actor import Actor
from city.kafka import Producer, topic_for
from city.settings import Settings
from citywatch.commands.dead_letters import app
from ingest import dead_letters
from ingest.dead_letters import CantReplayError, Letter, Wanted
from ingest.letters import headers_from_json, headers_to_json
from tests.ingest.conftest import City, event, now_us

LAN = Actor("local", "1000", "Lan")


async def test_replay_after_the_catalogue_was_extended(city: City, tmp_path: Path) -> None:
    now = now_us()
    unknown = event("VVK-1", now, {"smell_index": 3})
    async with city.worker():
        await city.publish([unknown], partition=0, key=b"VVK-1", headers=[("note", b"\x00\xff"), ("nốt", b"x")])
        await city.until_total(1)
    (letter,) = await dead_letters.find(city.pool, Wanted(reason="unknown_metric", waiting=True))
    assert letter.raw == unknown
    assert letter.key == b"VVK-1"
    assert letter.headers == [("note", b"\x00\xff"), ("nốt", b"x")]
    async with city.worker(city=_extended(city.settings, tmp_path)):
        async with Producer(city.settings) as producer:
            assert await dead_letters.replay(city.pool, producer, [letter], LAN) == 1
        books = await city.until_total(2)
    assert (books["stored"], books["dead"]) == (1, 1)
    assert await dead_letters.find(city.pool, Wanted(waiting=True)) == []
    again = await dead_letters.get(city.pool, letter.id)
    assert again is not None
    assert again.replayed_at is not None
    (act,) = await city.pool.fetch("SELECT * FROM audit")
    assert (act["actor_kind"], act["actor"], act["action"]) == ("local", "Lan", "dead_letter.replay")
    assert act["object"] == f"dead letter {letter.id}"
    topic = topic_for("traffic")
    assert json.loads(act["before"]) == {"replayed_at": None, "reason": "unknown_metric", "topic": topic}
    assert datetime.fromisoformat(json.loads(act["after"])["replayed_at"]) == again.replayed_at


async def test_a_replay_that_cannot_be_recorded_is_not_noted(city: City) -> None:
    async with city.worker():
        await city.publish([event("VVK-1", now_us(), {"nonsense": 3})], partition=0)
        await city.until_total(1)
    (letter,) = await dead_letters.find(city.pool, Wanted(waiting=True))
    await city.pool.execute("DELETE FROM audit_head")
    async with Producer(city.settings) as producer:
        with pytest.raises(asyncpg.PostgresError):
            await dead_letters.replay(city.pool, producer, [letter], LAN)
    assert await dead_letters.find(city.pool, Wanted(waiting=True)) == [letter]


async def test_a_letter_erased_meanwhile_is_recorded_all_the_same(city: City) -> None:
    async with city.worker():
        await city.publish([event("VVK-1", now_us(), {"nonsense": 3})], partition=0)
        await city.until_total(1)
    (letter,) = await dead_letters.find(city.pool, Wanted(waiting=True))
    await city.pool.execute("DELETE FROM dead_letter")
    async with Producer(city.settings) as producer:
        await dead_letters.replay(city.pool, producer, [letter], LAN)
    assert await city.pool.fetchval("SELECT object FROM audit") == f"dead letter {letter.id}"


async def test_a_letter_of_the_wrong_topic_goes_to_its_own(city: City) -> None:
    async with city.worker():
        await city.publish([event("VVK-1", now_us(), {"speed_kmh": 3})], "health")
        await city.until_total(1, "health")
        letters = await dead_letters.find(city.pool, Wanted(topic=topic_for("health")))
        assert [letter.reason for letter in letters] == ["wrong_topic"]
        async with Producer(city.settings) as producer:
            await dead_letters.replay(city.pool, producer, letters, LAN)
        assert (await city.until_total(1))["stored"] == 1


async def test_a_replayed_letter_that_fails_again_names_its_forebear_once(city: City) -> None:
    async with city.worker(), Producer(city.settings) as producer:
        await city.publish([event("VVK-1", now_us(), {"nonsense": 3})], partition=0)
        for total in (2, 3):
            await city.until_total(total - 1)
            newest = (await dead_letters.find(city.pool, Wanted(limit=1)))[0]
            await dead_letters.replay(city.pool, producer, [newest], LAN)
            await city.until_total(total)
        last, before, _ = await dead_letters.find(city.pool, Wanted())
    assert last.headers == [("replayof", str(before.id).encode())]


@pytest.mark.parametrize(
    ("reason", "raw", "topic"),
    [("late", None, "city.traffic.events"), ("too_large", b"{", "city.traffic.events"), ("not_json", b"{", None)],
)
def test_what_can_t_be_replayed_says_why(reason: str, raw: bytes | None, topic: str | None) -> None:
    letter = Letter(7, None, "kafka", topic, 0, 1, 2, reason, "", 1, None, None, raw, [])  # type: ignore[arg-type]
    with pytest.raises(CantReplayError, match="dead letter 7"):
        dead_letters.destination(letter)


def test_headers_come_back_whatever_they_hold() -> None:
    headers = [("a", b"\x00"), ("b\x00", b"text"), ("Đ", "ồ".encode()), ("\udc80", b"\xff"), ("", b"")]
    assert headers_from_json(headers_to_json(headers)) == headers


async def test_the_commands(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYWATCH_DATABASE_DSN", city.settings.database_dsn)
    monkeypatch.setenv("CITYWATCH_KAFKA_BOOTSTRAP", city.settings.kafka_bootstrap)
    monkeypatch.setenv("CITYWATCH_BROKER", city.settings.broker)
    monkeypatch.setenv("COLUMNS", "200")
    async with city.worker():
        await city.publish([event("VVK-1", now_us(), {"nonsense\x1b[31m": 3}), b"{"], partition=0)
        await city.until_total(2)

        def run(*arguments: str) -> tuple[int, str]:
            result = CliRunner().invoke(app, list(arguments))
            return result.exit_code, result.output

        code, output = await asyncio.to_thread(run, "list", "--reason", "unknown_metric")
        assert code == 0
        assert "1 dead letters" in output
        letter_id = output.splitlines()[1].split()[0]
        code, output = await asyncio.to_thread(run, "show", letter_id)
        assert "unknown_metric: " in output
        assert "\x1b[31m" not in output
        code, output = await asyncio.to_thread(run, "replay", letter_id)
        assert (code, output) == (0, "replayed 1 of 1\n")
        await city.until_total(3)
        assert (await asyncio.to_thread(run, "show", "999"))[1] == "there is no dead letter 999\n"
        assert (await asyncio.to_thread(run, "replay"))[0] == 2
        assert (await asyncio.to_thread(run, "list", "--reason", "bad luck"))[0] == 2
        for arguments in (["--help"], ["list", "--help"], ["show", "--help"], ["replay", "--help"]):
            assert (await asyncio.to_thread(run, *arguments))[0] == 0


def _extended(settings: Settings, tmp_path: Path) -> Path:
    """The city with one more metric."""
    folder = tmp_path / "city"
    shutil.copytree(settings.city, folder)
    path = folder / "sectors.yaml"
    text = yaml.safe_load(path.read_text())
    metrics = text.get("sectors", text)["traffic"]["metrics"]
    metrics["smell_index"] = metrics["speed_kmh"]
    path.write_text(yaml.safe_dump(text, allow_unicode=True))
    return folder
