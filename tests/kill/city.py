"""The system under test: broker, database and workers as processes of their own, brought back when they fall."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from citywatch.embedded.broker import EmbeddedBroker
from citywatch.embedded.kafka import ApacheKafka
from citywatch.embedded.postgres import EmbeddedPostgres
from citywatch.embedded.process import dies_with_parent, free_port

RULES = Path(__file__).parent / "rules"
RESTART_SECONDS = 1.0


@dataclass
class Worker:
    """One slot: `ingest-0` is whatever process runs there now."""

    kind: str
    number: int
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    paused_until: float = 0.0
    down_since: float = 0.0
    armed: str = ""
    struck: bool = False
    starts: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number}"

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass
class City:
    """Everything that runs; `tick` brings back what fell and lets go what was paused."""

    directory: Path
    broker_kind: str
    workers: list[Worker] = field(default_factory=list)
    fired: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        self.postgres = EmbeddedPostgres(self.directory / "postgres", tuning={"fsync": "off"})
        self.broker: ApacheKafka | EmbeddedBroker = (
            ApacheKafka(self.directory / "kafka")
            if self.broker_kind == "kafka"
            else EmbeddedBroker(log=self.directory / "broker.log")
        )
        self.postgres.start()
        self.postgres.create_database("citywatch")
        self.broker.start()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("CITYWATCH_")} | {
            "CITYWATCH_DATABASE_DSN": self.postgres.dsn(),
            "CITYWATCH_STORE": "plain",
            "CITYWATCH_KAFKA_BOOTSTRAP": self.broker.bootstrap,
            "CITYWATCH_BROKER": self.broker_kind,
            "CITYWATCH_SIGN_IN": "off",
        }
        for arguments in (["migrate"], ["rules", "apply", str(RULES)]):
            self.command(*arguments, check=True)

    def command(self, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """`citywatch <arguments>` to its end."""
        command = [sys.executable, "-m", "citywatch", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if check and done.returncode != 0:
            raise RuntimeError(f"citywatch {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done

    def add(self, kind: str) -> None:
        """One more worker of a kind."""
        number = sum(worker.kind == kind for worker in self.workers)
        worker = Worker(kind, number, port=free_port() if kind == "center" else 0)
        self.workers.append(worker)
        self._spawn(worker)

    def of(self, kind: str) -> list[Worker]:
        return [worker for worker in self.workers if worker.kind == kind]

    def kill(self, worker: Worker, *, arm: str = "") -> None:
        """SIGKILL; with `arm`, what comes back dies or stops at that failpoint."""
        worker.armed = arm
        worker.struck = True
        if worker.process is not None:
            worker.process.kill()
            worker.process.wait()

    def pause(self, worker: Worker, seconds: float) -> None:
        """SIGSTOP now, SIGCONT after `seconds`."""
        if worker.alive and worker.process is not None:
            worker.process.send_signal(signal.SIGSTOP)
            worker.paused_until = time.monotonic() + seconds

    def kill_database(self) -> None:
        """SIGKILL of the whole server, which recovers at its next start."""
        if self.postgres.process is not None:
            self.postgres.process.kill()
            self.postgres.process.wait()
            self.postgres.process = None
        self.postgres.start()

    def tick(self) -> list[str]:
        """Bring back the fallen, let go the paused; what happened, in words."""
        news = []
        now = time.monotonic()
        for worker in self.workers:
            if worker.paused_until and now >= worker.paused_until:
                worker.paused_until = 0.0
                if worker.alive and worker.process is not None:
                    worker.process.send_signal(signal.SIGCONT)
                    news.append(f"{worker.name} goes on")
            if worker.alive:
                continue
            if not worker.down_since:
                worker.down_since = now
                news.append(self._fell(worker))
            elif now - worker.down_since >= RESTART_SECONDS:
                self._spawn(worker)
        return news

    def stop(self) -> None:
        """End everything, workers first."""
        for worker in self.workers:
            if worker.alive and worker.process is not None:
                worker.process.send_signal(signal.SIGCONT)
                worker.process.send_signal(signal.SIGTERM)
        for worker in self.workers:
            if worker.process is not None:
                try:
                    worker.process.wait(15)
                except subprocess.TimeoutExpired:
                    worker.process.kill()
                    worker.process.wait()
        self.broker.stop()
        self.postgres.stop()

    def _fell(self, worker: Worker) -> str:
        code = worker.process.returncode if worker.process is not None else None
        worker.paused_until = 0.0
        if worker.armed and not worker.struck:
            reached, worker.armed = worker.armed, ""
            self.fired.append(reached)
            return f"{worker.name} died at {reached}"
        return f"{worker.name} ended ({code})"

    def _spawn(self, worker: Worker) -> None:
        environment = self.environment | {"CITYWATCH_WORKER": worker.name}
        if worker.port:
            environment["CITYWATCH_CENTER_PORT"] = str(worker.port)
        if worker.armed:
            environment["CITYWATCH_FAILPOINT"] = worker.armed
        with (self.directory / f"{worker.name}.log").open("ab") as log:
            worker.process = subprocess.Popen(
                [sys.executable, "-m", "citywatch", worker.kind],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGKILL),
            )
        worker.down_since = 0.0
        worker.struck = False
        worker.starts += 1
