"""A real center on a real database and broker, in a thread of its own: a browser's test holds both in its hand."""

import asyncio
import contextlib
import json
import threading
import uuid
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

import asyncpg

from access import accounts, devices
from access.policy import Principal, Role
from center.server import run
from city.actor import Actor
from city.kafka import ensure_topics
from city.migrations import migrate
from city.sectors import Catalogue
from city.settings import Settings
from tests.center.builders import alert_body
from tests.conftest import execute, with_database

PASSWORD = "mưa rơi trên sông Sài Gòn"
BY = Principal("local", "test", "test")
RAISE = "SELECT alert_raise($1::timestamptz, $2::text::jsonb)"
CLEAR = "SELECT alert_move($1::text::uuid, 'cleared', now(), NULL, '{}')"
NOTIFY = "SELECT pg_notify('citywatch_alerts', '')"

Result = TypeVar("Result")


class RealCenter:
    """Context manager; every method returns when what it does is in the database."""

    def __init__(self, postgres_dsn: str, bootstrap: str, **changed: Any) -> None:
        self._server = postgres_dsn
        self._name = f"test_{uuid.uuid4().hex}"
        self._settings = Settings(
            database_dsn=with_database(postgres_dsn, self._name),
            store="plain",
            kafka_bootstrap=bootstrap,
            broker="embedded",
            center_port=0,
            log_format="console",
            _env_file=None,
        ).model_copy(update=changed)
        self.address = ""
        self.pool: asyncpg.Pool
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._listening = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="real-center", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._listening.wait(60) or self._failure is not None:
            raise RuntimeError("the center did not start") from self._failure
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What the work returns, done in the center's thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def account(self, name: str, role: str, *, first: bool = False, sectors: tuple[str, ...] = ()) -> str:
        """A local account; its password, which must be changed if it is a `first` one."""
        actor = Actor("local", "test", "test")
        given = None if first else PASSWORD
        return self.do(accounts.create(self.pool, actor, name, Role(role), sectors=sectors, password=given))[1]

    def change(self, name: str, role: str) -> None:
        """Another role."""
        actor = Actor("local", "test", "test")

        async def work() -> None:
            await accounts.change(self.pool, actor, await accounts.find(self.pool, name), role=Role(role))

        self.do(work())

    def end_sessions(self, name: str) -> None:
        """As if they had run out."""

        async def work() -> None:
            held = await accounts.find(self.pool, name)
            await self.pool.execute("DELETE FROM session WHERE account = $1", held)

        self.do(work())

    def link(self, name: str = "wall", uses: int = 1) -> str:
        """The secret behind `#link=`."""
        return self.do(devices.link(self.pool, BY, None, name, uses=uses))

    def screens(self) -> list[devices.Device]:
        """Every paired screen."""
        return self.do(devices.listed(self.pool))

    def revoke(self, name: str) -> None:
        """End the access of the screens of this name."""
        for one in self.screens():
            if one.name == name and one.revoked_at is None:
                self.do(devices.revoke(self.pool, Actor("local", "test", "test"), uuid.UUID(one.id)))

    def let_codes_run_out(self) -> None:
        """Every code that a screen shows has run out."""
        self.do(self.pool.execute("UPDATE pairing SET expires_at = now() - interval '1 second'"))

    def raise_alert(self, number: int = 1, **fields: Any) -> str:
        """An open alert; its id."""
        body = alert_body(number, **fields)

        async def work() -> None:
            await self.pool.execute(RAISE, datetime.now(UTC), json.dumps(body))
            await self.pool.execute(NOTIFY)

        self.do(work())
        return str(body["id"])

    def clear_alert(self, alert: str) -> None:
        """Its cause is over."""

        async def work() -> None:
            assert await self.pool.fetchval(CLEAR, alert) is not None
            await self.pool.execute(NOTIFY)

        self.do(work())

    def sessions_of(self, name: str) -> int:
        """How many sessions somebody has."""

        async def work() -> int:
            held = await accounts.find(self.pool, name)
            found: int = await self.pool.fetchval("SELECT count(*) FROM session WHERE account = $1", held)
            return found

        return self.do(work())

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:
            self._failure = failure
        finally:
            self._listening.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        await execute(self._server, f"CREATE DATABASE {self._name}")
        try:
            await migrate(self._settings.database_dsn, "plain")
            await ensure_topics(self._settings, Catalogue.load(self._settings.city))
            async with asyncpg.create_pool(self._settings.database_dsn, min_size=1, max_size=2) as self.pool:
                await run(self._settings, self._stop, on_listening=self._listens)
        finally:
            with contextlib.suppress(asyncpg.PostgresError):
                await execute(self._server, f"DROP DATABASE {self._name} WITH (FORCE)")

    def _listens(self, _: str, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._listening.set()
