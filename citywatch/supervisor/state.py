"""Where a demo keeps what it has: one folder, owned by one running demo at a time."""

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
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
        self._environment_file = self.directory / "demo.json"
        self._screen_file = self.directory / "screen"

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

    def share(self, environment: Mapping[str, str]) -> None:
        """Leave for other commands what the demo's services are given; only this user may read it."""
        self._environment_file.touch(mode=0o600)
        self._environment_file.write_text(json.dumps(dict(environment)), encoding="utf-8")

    def shared(self) -> dict[str, str]:
        """What the running demo shares; empty when none runs."""
        if not self.running()[0] or not self._environment_file.exists():
            return {}
        found: dict[str, str] = json.loads(self._environment_file.read_text(encoding="utf-8"))
        return found

    def keep_screen(self, token: str) -> None:
        """The token of the demo's own screen; only this user may read it."""
        self._screen_file.touch(mode=0o600)
        self._screen_file.write_text(token, encoding="utf-8")

    def screen(self) -> str:
        """The token of the demo's own screen; empty before it was paired."""
        return self._screen_file.read_text(encoding="utf-8") if self._screen_file.exists() else ""

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
