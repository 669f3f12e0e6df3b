"""Apache Kafka as a single KRaft node from its jars, for tests and benchmarks: the broker that production runs."""

import base64
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path
from typing import Final

from citywatch.embedded.kafka_jars import jars
from citywatch.embedded.process import EmbeddedError, dies_with_parent, free_port, stop_process

JVM: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Starts in two seconds; benchmarks give their own."""

LOG_CONFIGURATION: Final = Path(__file__).with_name("kafka-log4j2.properties")

PROPERTIES: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "log.message.timestamp.type": "LogAppendTime",
    "log.message.timestamp.after.max.ms": "9223372036854775807",
    "auto.create.topics.enable": "false",
    "log.cleaner.dedupe.buffer.size": "2097152",
    "log.retention.check.interval.ms": "1000",
    "log.initial.task.delay.ms": "1000",
}
"""LogAppendTime as in production; retention is looked at every second, so that a test can see it overtake a reader."""


class ApacheKafka:
    """One node over one data folder. A new folder is a new cluster; a restart on the same folder keeps the log."""

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        properties: dict[str, str] | None = None,
        jvm: tuple[str, ...] = JVM,
    ) -> None:
        self.directory = directory.absolute()
        self.port = port
        self.cluster_id = ""
        self.jvm = jvm
        self.log = self.directory / "kafka.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._properties = PROPERTIES | (properties or {})
        self._controller_port = 0

    @property
    def bootstrap(self) -> str:
        """The address for Kafka clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    def start(self, timeout: float = 60) -> None:
        """Format the folder when it is new, start, and wait until a client is answered. Main thread only."""
        libraries = jars()
        self.port = self.port or free_port()
        self._controller_port = self._controller_port or free_port()
        self.directory.mkdir(parents=True, exist_ok=True)
        configuration = self.directory / "server.properties"
        configuration.write_text(self._configuration(), encoding="utf-8")
        self._format(libraries, configuration)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._java(libraries), "kafka.Kafka", str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGKILL),
            )
        self._wait_ready(timeout)

    def stop(self, patience: float = 10) -> None:
        """Orderly shutdown, SIGKILL after `patience` seconds; the log stays in the folder."""
        if self.process is not None:
            stop_process(self.process, signal.SIGTERM, patience)
            self.process = None

    def _wait_ready(self, timeout: float) -> None:
        """The node is ready when it answers ApiVersions: before that it accepts connections and says nothing."""
        deadline = time.monotonic() + timeout
        while not self._answers():
            if self.pid is None:
                raise EmbeddedError(f"Apache Kafka ended while starting; see {self.log}")
            if time.monotonic() > deadline:
                raise EmbeddedError(f"Apache Kafka does not answer after {timeout:.0f} s; see {self.log}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        request = (18).to_bytes(2) + (0).to_bytes(2) + (1).to_bytes(4) + (2).to_bytes(2) + b"cw"
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                probe.sendall(len(request).to_bytes(4) + request)
                return len(probe.recv(8)) == 8
        except OSError:
            return False

    def _format(self, libraries: Path, configuration: Path) -> None:
        """Lay out an empty log; the layout is made once a machine, then only the cluster id differs."""
        data = self.directory / "log"
        meta = data / "meta.properties"
        if meta.exists():
            self.cluster_id = next(
                line.partition("=")[2] for line in meta.read_text().splitlines() if line.startswith("cluster.id=")
            )
            return
        self.cluster_id = _identity()
        checkpoint = libraries / "bootstrap.checkpoint"
        if checkpoint.exists():
            data.mkdir()
            shutil.copy(checkpoint, data)
            lines = ("version=1", "node.id=1", f"directory.id={_identity()}", f"cluster.id={self.cluster_id}")
            meta.write_text("\n".join(lines) + "\n")
            return
        tool = [*self._java(libraries), "kafka.tools.StorageTool", "format"]
        done = subprocess.run(
            [*tool, "-t", self.cluster_id, "-c", str(configuration)], capture_output=True, check=False
        )
        if done.returncode != 0:
            raise EmbeddedError(f"Apache Kafka could not format {data}: {done.stderr.decode(errors='replace')[-300:]}")
        copy = checkpoint.with_suffix(f".{os.getpid()}")
        shutil.copy(data / "bootstrap.checkpoint", copy)
        copy.replace(checkpoint)

    def _configuration(self) -> str:
        lines = self._properties | {
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "log.dirs": str(self.directory / "log"),
        }
        return "".join(f"{name}={value}\n" for name, value in lines.items())

    def _java(self, libraries: Path) -> list[str]:
        java = shutil.which("java")
        if java is None:
            raise EmbeddedError("Apache Kafka needs Java 17 or newer: type `apt-get install default-jre-headless`")
        return [java, *self.jvm, f"-Dlog4j2.configurationFile={LOG_CONFIGURATION}", "-cp", f"{libraries}/*"]


def _identity() -> str:
    """A random id in Kafka's own form: 22 characters, never starting with a dash."""
    while True:
        name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not name.startswith("-"):
            return name
