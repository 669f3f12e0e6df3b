"""Where a demo keeps what it has: one folder, owned by one running demo at a time."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from citywatch import preflight
from citywatch.embedded.process import EmbeddedError


class DemoState:
    """The folder `.citywatch`: database, logs, and the pid file whose lock says that a demo runs."""

    def __init__(self, directory: Path = Path(preflight.STATE)) -> None:
        self.directory = directory.absolute()
        self.postgres = self.directory / "postgres"
        self.logs = self.directory / "logs"
        self._pid_file = self.directory / "demo.pid"

    @contextlib.contextmanager
    def owned(self, port: int) -> Iterator[None]:
        """Hold the folder; EmbeddedError when another demo does. The kernel lets go when the process dies."""
        self.logs.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._pid_file, os.O_RDWR | os.O_CREAT, 0o644)
        with os.fdopen(descriptor, "r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise EmbeddedError(preflight.running_problem(*self.running())) from None
            file.truncate()
            file.write(f"{os.getpid()} {port}\n")
            file.flush()
            yield
            file.seek(0)
            file.truncate()

    def running(self) -> tuple[int, int]:
        """Process id and port of the demo that owns this folder; (0, 0) when none does."""
        return preflight.running_demo(str(self.directory))

    def stop(self, patience: float = 60) -> bool:
        """Ask the running demo to drain and end, and wait for it; False when none was running."""
        pid, _ = self.running()
        if not pid:
            return False
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while self.running()[0]:
            if time.monotonic() > deadline:
                raise EmbeddedError(f"the demo does not end: type `kill -9 {pid}`; what it stored is safe")
            time.sleep(0.1)
        return True
