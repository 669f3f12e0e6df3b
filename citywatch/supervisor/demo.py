"""The demo: everything that production runs, started in order on this machine and kept running in the foreground."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import asyncpg

from city.kafka import BrokerUnavailable, topic_for
from city.sectors import Catalogue
from city.settings import Settings
from citywatch.embedded.broker import EmbeddedBroker
from citywatch.embedded.postgres import EmbeddedPostgres
from citywatch.embedded.process import EmbeddedError, can_bind
from citywatch.embedded.topics import create_topics
from citywatch.supervisor import logfile
from citywatch.supervisor.backlog import backlog
from citywatch.supervisor.child import Child, run_once
from citywatch.supervisor.ends import LogEnds
from citywatch.supervisor.greeting import greeting
from citywatch.supervisor.letting_in import first_password, own_screen, wall_link
from citywatch.supervisor.renewal import LIMIT_BYTES, drain, renew
from citywatch.supervisor.servers import ServerWatch, broker_answers, postgres_answers, watched
from citywatch.supervisor.state import DemoState
from citywatch.supervisor.steps import Steps
from citywatch.supervisor.story import Story
from citywatch.supervisor.watch import wait_for
from simulation.scenario import SCENARIOS

DATABASE: Final = "citywatch"
KAFKA_PORT: Final = 9092
ALERTS_SETTLE_SECONDS: Final = 1.0
LAST_DRAIN_SECONDS: Final = 5.0
WATCH_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Options:
    """What can be chosen at the start."""

    port: int = 8700
    scenario: str = "welcome"
    seed: int = 1
    rate: float = 200.0
    broker_limit: int = LIMIT_BYTES


class Demo:
    """Runs until `stop` is set; whatever ends meanwhile is started again."""

    def __init__(self, state: DemoState, options: Options) -> None:
        self.state = state
        self.options = options
        self.steps = Steps(state.logs / "supervisor.log")
        self.postgres = EmbeddedPostgres(state.postgres, log=state.logs / "postgres.log")
        self.broker = EmbeddedBroker(log=state.logs / "broker.log")
        self.settings = Settings()
        self._ends = LogEnds(self.settings)
        self.renewals = 0
        self.started = False
        self._story = Story(options.scenario, options.seed, options.rate, self.steps.note)
        self.children: dict[str, Child] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Start everything, say where it is, keep it running, drain and stop everything."""
        async with self._servers():
            await self._prepare_all()
            self.state.share(self._environment())
            async with self._processes():
                self.started = True
                await self._announce()
                async with watched(self._watches()):
                    await self._keep(stop)

    @contextlib.asynccontextmanager
    async def _servers(self) -> AsyncIterator[None]:
        try:
            with self.steps.step("Database (embedded PostgreSQL)"):
                self.postgres.start()
                self.postgres.create_database(DATABASE)
            with self.steps.step("Broker (embedded, Kafka protocol)"):
                self._start_broker()
            self.settings = Settings(
                database_dsn=self.postgres.dsn(DATABASE), kafka_bootstrap=self.broker.bootstrap, broker="embedded"
            )
            self._ends = LogEnds(self.settings)
            await self._open_log()
            yield
        finally:
            self.broker.stop()
            self.postgres.stop()

    def _start_broker(self) -> None:
        """On Kafka's usual port, or on any free one if that is taken, be it in this very moment."""
        if can_bind(KAFKA_PORT):
            self.broker.port = KAFKA_PORT
            try:
                self.broker.start()
            except EmbeddedError:
                self.broker.stop()
            else:
                return
        self.broker.port = 0
        self.broker.start()

    async def _open_log(self) -> None:
        """Topics for a broker that started just now; then the books are told how far the log before it went."""
        await create_topics(self.broker, self.settings, self.steps.note)
        await self._ends.tell()

    async def _prepare_all(self) -> None:
        with self.steps.step("Schema and topics"):
            await self._once("migrate")
        with self.steps.step("Rules"):
            await self._once("rules", "apply", str(self.settings.city / "rules"))

    async def _once(self, *arguments: str) -> None:
        failure = await run_once(list(arguments), self._environment(), self.state.logs / f"{arguments[0]}.log")
        if failure:
            raise EmbeddedError(f"`citywatch {' '.join(arguments)}` failed: {failure}")

    @contextlib.asynccontextmanager
    async def _processes(self) -> AsyncIterator[None]:
        options = self.options
        await self._story.prepare(self.settings.database_dsn)
        commands = [["ingest"], ["alerts"], ["center"], self._story.command]
        self.children = {command[0]: self._child(command) for command in commands}
        try:
            with self.steps.step("Ingest, alerts, center"):
                for name in ("ingest", "alerts", "center"):
                    await self.children[name].start()
                await self._center_answers()
            with self.steps.step("Simulated city, first live values"):
                await self.children["simulate"].start()
                async with asyncio.timeout(60):
                    own = own_screen(self.state, options.port, lambda: self.settings.database_dsn)
                    await wait_for(options.port, "live", own)
            yield
        except TimeoutError:
            raise EmbeddedError(f"no live values after 60 s; the logs are in {self.state.logs}") from None
        finally:
            await self._drain_and_stop()

    def _child(self, command: list[str]) -> Child:
        log = self.state.logs / f"{command[0]}.log"
        return Child(command[0], command, self._environment(), log, tell=self.steps.note)

    def _environment(self) -> dict[str, str]:
        return {
            "CITYWATCH_DATABASE_DSN": self.settings.database_dsn,
            "CITYWATCH_KAFKA_BOOTSTRAP": self.settings.kafka_bootstrap,
            "CITYWATCH_BROKER": "embedded",
            "CITYWATCH_STORE": "plain",
            "CITYWATCH_CENTER_HOST": "127.0.0.1",
            "CITYWATCH_CENTER_PORT": str(self.options.port),
            "CITYWATCH_SIMULATED": "true",
            "CITYWATCH_LOG_FORMAT": "json",
        }

    async def _center_answers(self, patience: float = 60) -> None:
        deadline = time.monotonic() + patience
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.options.port)
                writer.close()
                return
            if time.monotonic() > deadline:
                raise EmbeddedError(f"center does not answer on port {self.options.port}; the logs: {self.state.logs}")
            await asyncio.sleep(0.1)

    async def _announce(self) -> None:
        dsn, port = self.settings.database_dsn, self.options.port
        self.steps.say(
            greeting(
                seconds=self.steps.seconds,
                port=port,
                wall=await wall_link(dsn, port),
                password=await first_password(dsn),
                bootstrap=self.broker.bootstrap,
                scenario=SCENARIOS[self.options.scenario],
                waits=self._story.waits,
                state=self.state,
            )
        )

    def _watches(self) -> list[ServerWatch]:
        """What a watch ends, `_keep` starts again."""
        note = self.steps.note
        return [
            ServerWatch(
                "PostgreSQL", lambda: self.postgres.pid, lambda: postgres_answers(self.settings.database_dsn), note
            ),
            ServerWatch("the broker", lambda: self.broker.pid, lambda: broker_answers(self.broker.bootstrap), note),
        ]

    async def _keep(self, stop: asyncio.Event) -> None:
        """Until `stop`: servers that ended start again, logs are cut, the broker is renewed before it grows too big."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), WATCH_SECONDS)
            if stop.is_set():
                return
            if self.postgres.pid is None:
                self.steps.note(f"PostgreSQL ended and starts again; log: {self.postgres.log}")
                self.postgres.start()
            if self.broker.pid is None:
                self.steps.note("the broker ended and starts again, empty: what it held unread is lost")
                self.broker.start()
                await self._open_log()
            await self._ends.look()
            if self.broker.resident_bytes() > self.options.broker_limit:
                await self._renew()
            await self._story.go_on(self.children["simulate"])
            for log in self.state.logs.glob("*.log"):
                logfile.rotate(log)

    async def _renew(self) -> None:
        began = time.monotonic()
        held = self.broker.resident_bytes() // 2**20
        # The story was told; a scenario begins anew with its process.
        self.children["simulate"].next_runs(self._story.simulate("calm"))
        complete = await renew(
            self.broker,
            producers=[self.children["simulate"], self.children["center"]],
            readers=[self.children["ingest"], self.children["alerts"]],
            drained=self._drained,
            prepare=self._open_log,
        )
        self.renewals += 1
        loss = "nothing was lost" if complete else "not all had been read; `citywatch ledger` shows it"
        self.steps.note(
            f"the broker held {held} MiB and was renewed as {self.broker.cluster_id} "
            f"in {time.monotonic() - began:.1f} s: {loss}"
        )

    async def _drained(self) -> bool:
        """Ingest has booked everything, and alerts has had the time to judge it."""
        topics = [topic_for(sector) for sector in Catalogue.load(self.settings.city).sectors]
        await self._ends.look()
        try:
            if await backlog(self.settings, topics):
                return False
        except (BrokerUnavailable, OSError, asyncpg.PostgresError):
            return False
        await asyncio.sleep(ALERTS_SETTLE_SECONDS)
        return await backlog(self.settings, topics) == 0

    async def _drain_and_stop(self) -> None:
        """Producers first, so that the readers take what is left before the broker's memory goes."""
        with self.steps.step("Stopping"):
            await asyncio.gather(*(self.children[name].stop() for name in ("simulate", "center")))
            if self.children["ingest"].pid and self.broker.pid and self.postgres.pid:
                await drain(self._drained, LAST_DRAIN_SECONDS)
                await self._ends.tell()
            await asyncio.gather(*(self.children[name].stop() for name in ("ingest", "alerts")))
