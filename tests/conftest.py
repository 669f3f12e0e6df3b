"""Fixtures of every suite: a real PostgreSQL (or TimescaleDB), a real broker, and the settings that point at them.

CITYWATCH_TEST_BROKER=embedded|kafka     which broker `broker` and `fresh_broker` are (embedded)
CITYWATCH_TEST_TIMESCALE_DSN=<dsn>       databases are created on that server, with the TimescaleDB schema
"""

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import hypothesis
import pytest

from city.settings import Settings
from citywatch.embedded.broker import EmbeddedBroker
from citywatch.embedded.kafka import ApacheKafka
from citywatch.embedded.postgres import FOR_TESTS, EmbeddedPostgres

BROKER = os.environ.get("CITYWATCH_TEST_BROKER", "embedded")
TIMESCALE_DSN = os.environ.get("CITYWATCH_TEST_TIMESCALE_DSN", "")
STORE = "timescale" if TIMESCALE_DSN else "plain"
hypothesis.settings.register_profile("citywatch", deadline=None)  # a busy machine is no fault of an example
hypothesis.settings.load_profile("citywatch")


LONG = (
    "demo_again scenarios smoke wall kill bad_days pairing sign_in consumer many_filters session oidc progress worker "
    "matrix accounts ticks demo shell door downtime recovery feed_worker acts rollup lost_logs kills backtests"
)
"""Files of a minute and more begin first, so that no process of the run is alone with one at the end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`only(broker=…, server=…, store=…)`: what concerns another broker, server or store is no test of this run.

    It is left out, not skipped: a skipped test is one that should have run (see `pytest_sessionfinish`).
    """
    here = {"broker": BROKER, "server": "timescale" if TIMESCALE_DSN else "embedded"}

    def belongs(item: pytest.Item) -> bool:
        marks = [*item.iter_markers("only")]
        named = any("broker" in mark.kwargs for mark in marks)
        if BROKER != "embedded" and not named and "fresh_broker" not in getattr(item, "fixturenames", ()):
            return False  # it meets no broker: on another one it would be the same test
        store = getattr(getattr(item, "callspec", None), "params", {}).get("kind_and_dsn", STORE)
        facts = {**here, "store": store}
        if TIMESCALE_DSN and store == "plain" and "kind_and_dsn" in getattr(item, "fixturenames", ()):
            return False  # the whole suite runs on TimescaleDB
        return all(facts[name] == wanted for mark in marks for name, wanted in mark.kwargs.items())

    left_out = [item for item in items if not belongs(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if belongs(item)]
    rank = {f"test_{name}.py": place for place, name in enumerate(LONG.split())}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where CI runs, everything is there: a test that skips itself fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and (skipped := reporter.stats.get("skipped")):
        print(f"\n{len(skipped)} tests were skipped; CI skips none")
        session.exitstatus = 1


def with_database(dsn: str, name: str) -> str:
    """The same server's address with another database."""
    address, _, query = dsn.partition("?")
    return address.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")


async def execute(dsn: str, statement: str) -> None:
    """One statement in autocommit on its own connection."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def postgres_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Maintenance database of the session's server: embedded, or the one of CITYWATCH_TEST_TIMESCALE_DSN."""
    if TIMESCALE_DSN:
        yield TIMESCALE_DSN
        return
    server = EmbeddedPostgres(tmp_path_factory.mktemp("pg"), tuning=FOR_TESTS)
    server.start()
    try:
        yield server.dsn("postgres")
    finally:
        server.stop()


@pytest.fixture
async def empty_database(postgres_dsn: str) -> AsyncIterator[str]:
    """A database of this test alone, without any table."""
    name = f"test_{uuid.uuid4().hex}"
    await execute(postgres_dsn, f"CREATE DATABASE {name}")
    yield with_database(postgres_dsn, name)
    await execute(postgres_dsn, f"DROP DATABASE {name} WITH (FORCE)")


_templates: dict[str, str] = {}


async def _migrated_template(server: str) -> str:
    """Name of a migrated database on `server`, made once a session; every test's database is a copy of it."""
    from city.migrations import migrate

    if server not in _templates:
        name = f"template_{uuid.uuid4().hex}"
        await execute(server, f"CREATE DATABASE {name}")
        await migrate(with_database(server, name), "plain")
        _templates[server] = name
    return _templates[server]


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[str]:
    """Address of a migrated database of this test alone; on TimescaleDB migrated anew, as it can't be copied."""
    from city.migrations import migrate

    name = f"test_{uuid.uuid4().hex}"
    if TIMESCALE_DSN:
        await execute(postgres_dsn, f"CREATE DATABASE {name}")
        await migrate(with_database(postgres_dsn, name), "timescale")
    else:
        template = await _migrated_template(postgres_dsn)
        await execute(postgres_dsn, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield with_database(postgres_dsn, name)
    await execute(postgres_dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def embedded_broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """An embedded broker of this test alone, which the test may stop, restart (another log) or pause."""
    broker = EmbeddedBroker(log=tmp_path / "broker.log")
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def apache_kafka(tmp_path: Path) -> Iterator[ApacheKafka]:
    """An Apache Kafka of this test alone (two seconds); a restart keeps its log."""
    server = ApacheKafka(tmp_path / "kafka")
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def fresh_broker(request: pytest.FixtureRequest) -> str:
    """Bootstrap address of a broker without topics: embedded, or Apache Kafka with CITYWATCH_TEST_BROKER=kafka."""
    if BROKER == "kafka":
        kafka: ApacheKafka = request.getfixturevalue("apache_kafka")
        return kafka.bootstrap
    broker: EmbeddedBroker = request.getfixturevalue("embedded_broker")
    return broker.bootstrap


@pytest.fixture
def broker(fresh_broker: str) -> str:
    """The same as `fresh_broker`."""
    return fresh_broker


@pytest.fixture
def settings(database: str, fresh_broker: str) -> Settings:
    """Settings of a service on this test's database and broker, without sign-in; ports are chosen by the system."""
    return Settings(
        database_dsn=database,
        store="timescale" if TIMESCALE_DSN else "plain",
        kafka_bootstrap=fresh_broker,
        broker="embedded" if BROKER == "embedded" else "kafka",
        center_port=0,
        sign_in="off",
        log_format="console",
        _env_file=None,
    )
