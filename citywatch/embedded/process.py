"""What the embedded servers share: a free port, a child that dies with its parent, a stop that ends."""

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

import psutil

PR_SET_PDEATHSIG: Final = 1
KILL_SECONDS: Final = 10.0
"""How long a process may take to be gone after SIGKILL."""
SERVER_PORTS: Final = range(12_000, 32_000)
"""Below the ranges that Linux (32768) and IANA (49152) give to outgoing connections."""

_given: set[int] = set()


class EmbeddedError(Exception):
    """An embedded server can't start or answer; the sentence names the cause and what to do."""

    code = "embedded"


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody holds at this moment, another one at each call.

    Below the kernel's ephemeral range: no outgoing connection takes it between this answer and the server's bind.
    """
    while True:
        port = secrets.choice(SERVER_PORTS)
        if port not in _given and can_bind(port):
            _given.add(port)
            return port


def can_bind(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def dies_with_parent(signum: int) -> Callable[[], None] | None:
    """A preexec function after which the kernel sends `signum` when the parent is gone (Linux only, else None).

    The child must be started from the parent's main thread: the kernel watches the thread that forked. A program that
    changes its user forgets it and must ask anew.
    """
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0)
        if os.getppid() != parent:  # it died before it was asked for
            os.kill(os.getpid(), signum)

    return ask


def stop_process(process: subprocess.Popen[bytes], first: signal.Signals, patience: float) -> None:
    """Send `first`, wait `patience` seconds, then SIGKILL; returns when the process is gone."""
    if process.poll() is None:
        process.send_signal(first)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def is_alive(process: psutil.Process) -> bool:
    """Whether this very process runs still: neither gone, nor waiting to be buried, nor another one of its number."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_stopped(process: psutil.Process) -> bool:
    """Whether it is held by SIGSTOP."""
    try:
        return process.status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False


def wait_gone(processes: Sequence[psutil.Process], patience: float) -> list[psutil.Process]:
    """Those that are alive still after at most `patience` seconds; they need not be children."""
    deadline = time.monotonic() + patience
    while (left := [process for process in processes if is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def end_processes(processes: Sequence[psutil.Process], first: signal.Signals, patience: float) -> list[psutil.Process]:
    """As `stop_process`, of processes that may be another's children; what is stopped is killed at once.

    Those that are alive still, which nobody can end or which are another user's.
    """
    for process in processes:
        _signal(process, signal.SIGKILL if is_stopped(process) else first)
    for process in (left := wait_gone(processes, patience)):
        _signal(process, signal.SIGKILL)
    return wait_gone(left, KILL_SECONDS)


def _signal(process: psutil.Process, signum: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        process.send_signal(signum)
