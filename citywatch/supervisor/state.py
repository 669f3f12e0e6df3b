"""Where a demo keeps what it has: one folder, owned by one running demo at a time."""

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TextIO

from citywatch import preflight
from citywatch.embedded.process import EmbeddedError

HOLD_SECONDS: Final = 5.0
"""Longer than any command but a running demo holds the folder, but for one that ends what was left."""


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
        """Hold the folder as its running demo; EmbeddedError when another does."""
        self.logs.mkdir(parents=True, exist_ok=True)
        with self.held() as file:
            file.truncate()
            file.write(f"{os.getpid()} {port}\n")
            file.flush()
            yield
            file.seek(0)
            file.truncate()

    @contextlib.contextmanager
    def held(self) -> Iterator[TextIO]:
        """The locked pid file: nobody else starts or ends a demo here. The kernel lets go when the process dies.

        EmbeddedError when a demo runs, or another command holds it for longer than a moment.
        """
        deadline = time.monotonic() + HOLD_SECONDS
        while True:
            file = os.fdopen(os.open(self._pid_file, os.O_RDWR | os.O_CREAT, 0o644), "r+")
            with file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    if running := preflight.running_problem(*self.running()):
                        raise EmbeddedError(running) from None
                    if time.monotonic() > deadline:
                        raise EmbeddedError(f"another command holds {self.directory}: wait, then try again") from None
                else:
                    if self._is_there(file):  # else the folder was deleted meanwhile
                        yield file
                        return
            time.sleep(0.05)

    def _is_there(self, file: TextIO) -> bool:
        try:
            return os.path.samestat(self._pid_file.stat(), os.fstat(file.fileno()))
        except FileNotFoundError:
            return False

    @property
    def check(self) -> "DemoState":
        """Where a check has a demo of its own, which knows nothing of earlier runs."""
        return DemoState(self.directory / "check")

    def need_own(self) -> None:
        """EmbeddedError where the folder is not one that a demo or its check made."""
        if self.directory.exists() and not (self._pid_file.exists() or self.check._pid_file.exists()):
            raise EmbeddedError(f"{self.directory} is not the folder of a demo; nothing was deleted")

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
