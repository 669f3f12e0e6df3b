"""`citywatch ledger` shows the books, and its exit code says whether they agree with the broker."""

import asyncio

import pytest
import typer
from typer.testing import CliRunner

from citywatch.main import load
from tests.ingest.conftest import City, event, now_us


def ledger(*arguments: str) -> tuple[int, str]:
    app = load("ledger")
    assert isinstance(app, typer.Typer)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


@pytest.fixture
def environment(city: City, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("CITYWATCH_DATABASE_DSN", city.settings.database_dsn)
    monkeypatch.setenv("CITYWATCH_KAFKA_BOOTSTRAP", city.settings.kafka_bootstrap)
    monkeypatch.setenv("CITYWATCH_BROKER", city.settings.broker)
    monkeypatch.setenv("COLUMNS", "220")
    return monkeypatch


async def test_books_and_proof(city: City, environment: pytest.MonkeyPatch) -> None:
    await city.publish([event("VVK-1", now_us(), {"speed_kmh": 1})], partition=0)
    code, output = await asyncio.to_thread(ledger, "--verify", "--wait", "0")
    assert code == 1
    assert "unread city.traffic.events/0: 1 records were never read; start ingest" in output
    async with city.worker():
        await city.until_total(1)
        code, output = await asyncio.to_thread(ledger, "--verify")
    assert code == 0, output
    assert "the books agree with the broker" in output
    assert "city.traffic.events" in output
    assert (await asyncio.to_thread(ledger, "--accept-expired"))[1].startswith("nothing has expired unread")
    assert "--verify" in (await asyncio.to_thread(ledger, "--help"))[1]


async def test_an_absent_database_is_one_sentence(city: City, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CITYWATCH_DATABASE_DSN", "postgresql://nobody@127.0.0.1:1/none")
    code, output = await asyncio.to_thread(ledger)
    assert code == 2
    assert output.startswith("the database at 127.0.0.1:1 does not answer (")
    assert output.count("\n") == 1
