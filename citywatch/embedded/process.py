"""What the embedded servers share: a free port, a child that dies with its parent, a stop that ends."""

import ctypes
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Final

PR_SET_PDEATHSIG: Final = 1
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

    The child must be started from the parent's main thread: the kernel watches the thread that forked.
    """
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0)


def stop_process(process: subprocess.Popen[bytes], first: signal.Signals, patience: float) -> None:
    """Send `first`, wait `patience` seconds, then SIGKILL; returns when the process is gone."""
    if process.poll() is None:
        process.send_signal(first)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
