"""A running center on a real database and a real broker, and clients that speak to it."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from center.server import run
from city.kafka import ensure_topics
from city.sectors import Catalogue
from city.settings import Settings
from tests.center.builders import alert_body
from tests.center.people import People

RAISE = "SELECT alert_raise($1::timestamptz, $2::text::jsonb)"
MOVE = "SELECT alert_move($1, $2, clock_timestamp(), $3, $4::text::jsonb)"
NOTIFY = "SELECT pg_notify('citywatch_alerts', '')"
PATIENCE_S = 10.0


class Listening:
    """A WebSocket client that reads what it needs and nothing else."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def next(self, kind: str | None = None, channel: str | None = None) -> dict[str, Any]:
        """The next message of this type and channel; others are passed over."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message: dict[str, Any] = json.loads(await self.connection.recv())
                if kind in (None, message["type"]) and channel in (None, message.get("channel")):
                    return message

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next message that meets a condition."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message: dict[str, Any] = json.loads(await self.connection.recv())
                if condition(message):
                    return message


class Running:
    """One center, in this loop."""

    def __init__(self, settings: Settings, port: int, stop: asyncio.Event, task: asyncio.Task[None]) -> None:
        self.settings = settings
        self.port = port
        self.stop = stop
        self.task = task
        self.url = f"http://127.0.0.1:{port}"
        self.socket_url = f"ws://127.0.0.1:{port}/ws/v1"

    @contextlib.asynccontextmanager
    async def listen(self, **options: Any) -> AsyncIterator[Listening]:
        """A WebSocket connection."""
        async with connect(self.socket_url, compression=None, proxy=None, max_size=None, **options) as connection:
            yield Listening(connection)

    async def ready(self) -> None:
        """Returns once /ready says so."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=30) as http, asyncio.timeout(30):
            while (await http.get("/api/v1/ready")).status_code != 200:
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    """A center until the block ends; then it must stop by itself."""
    stop = asyncio.Event()
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run(settings, stop, on_listening=lambda _, port: listening.set_result(port)))
    done, _ = await asyncio.wait([task, listening], return_when=asyncio.FIRST_COMPLETED)
    if task in done:
        task.result()
    try:
        yield Running(settings, listening.result(), stop, task)
    finally:
        stop.set()
        async with asyncio.timeout(15):
            await task


@pytest.fixture
async def topics(settings: Settings) -> Settings:
    """The settings of a broker that has the city's topics."""
    await ensure_topics(settings, Catalogue.load(settings.city))
    return settings


@pytest.fixture
async def center(topics: Settings) -> AsyncIterator[Running]:
    """A center that is ready."""
    async with running(topics) as one:
        await one.ready()
        yield one


@pytest.fixture
async def guarded(topics: Settings) -> AsyncIterator[Running]:
    """A center that is ready and asks everybody to sign in."""
    async with running(topics.model_copy(update={"sign_in": "required"})) as one:
        await one.ready()
        yield one


@pytest.fixture
async def people(database: str) -> AsyncIterator[People]:
    """Makes accounts, sessions, keys and screens in the center's database."""
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        yield People(pool)


@pytest.fixture
async def http(center: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the center's REST API."""
    async with httpx.AsyncClient(base_url=center.url, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
async def db(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A session in the center's database."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def raise_alert(db: asyncpg.Connection, number: int, *, notify: bool = True, **fields: Any) -> int:
    """A new alert; its seq."""
    body = json.dumps(alert_body(number, **fields))
    seq: int = await db.fetchval(RAISE, _now(), body)
    if notify:
        await db.execute(NOTIFY)
    return seq


async def move_alert(db: asyncpg.Connection, number: int, kind: str, actor: str | None = None, **patch: Any) -> int:
    """The next step in an alert's life; its seq."""
    seq: int = await db.fetchval(MOVE, uuid.UUID(int=number), kind, actor, json.dumps(patch))
    await db.execute(NOTIFY)
    return seq


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)
