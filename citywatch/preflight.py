"""What a fresh machine may lack, each told in one sentence that says what to type.

Runs before anything is installed, so it needs only the standard library and the syntax of Python 3.6:

    python3 citywatch/preflight.py setup               can the environment be built here?
    python3 citywatch/preflight.py demo --port 8700    can the demo start now?
    python3 citywatch/preflight.py step NAME -- CMD    run CMD; print NAME and how long it took, or what went wrong
"""

import fcntl
import os
import platform
import shutil
import socket
import subprocess
import sys
import time

OLDEST = (3, 11)
SETUP_BYTES = 2 * 1024**3
DEMO_BYTES = 512 * 1024**2
STATE = ".citywatch"
EMBEDDED = {("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "x86_64"), ("Darwin", "arm64")}

OFFLINE = (
    "Temporary failure in name resolution",
    "Name or service not known",
    "Failed to establish a new connection",
    "Could not find a version that satisfies",
    "Network is unreachable",
    "Connection refused",
    "ConnectTimeoutError",
    "Read timed out",
    "ReadTimeoutError",
    "ProxyError",
    "ENOTFOUND",
    "ECONNREFUSED",
    "ECONNRESET",
    "EAI_AGAIN",
    "ETIMEDOUT",
)


def python_problem(version, names=None):
    # type: (tuple[int, ...], list[str] | None) -> str
    """Too old a Python; `names` are newer ones that are on the PATH."""
    if tuple(version[:2]) >= OLDEST:
        return ""
    here = "Python %d.%d is too old, CityWatch needs 3.11 or newer: " % tuple(version[:2])
    if names:
        return here + "type `make setup PYTHON=%s`." % names[0]
    return here + "`apt-get install python3.11 python3.11-venv` (or another way), then `make setup PYTHON=python3.11`."


def newer_pythons():
    # type: () -> list[str]
    """Names of Pythons on the PATH that are new enough, newest first."""
    return [name for name in ("python3.14", "python3.13", "python3.12", "python3.11") if shutil.which(name)]


def venv_problem(has_venv, version):
    # type: (bool, tuple[int, ...]) -> str
    """Debian and Ubuntu split venv and ensurepip from Python."""
    if has_venv:
        return ""
    package = "python%d.%d-venv" % tuple(version[:2])
    return (
        "This Python has no venv module: type `apt-get install %s` (with sudo unless you are root), then `make setup`."
        % package
    )


def platform_problem(system, machine, libc):
    # type: (str, str, str) -> str
    """No embedded broker or database is published for this platform."""
    if (system, machine) in EMBEDDED and (system != "Linux" or libc == "glibc"):
        return ""
    here = "%s on %s%s" % (system, machine, "" if libc in ("glibc", "") or system != "Linux" else " with " + libc)
    return (
        "There is no embedded broker for %s: type `docker compose --profile demo up` to run everything in containers."
        % here
    )


def disk_problem(free, needed, folder):
    # type: (int, int, str) -> str
    """Too little disk for what comes next."""
    if free >= needed:
        return ""
    return "Only %d MiB are free in %s and %d MiB are needed: free some, or clone CityWatch to another disk." % (
        free // 1024**2,
        folder,
        needed // 1024**2,
    )


def running_problem(pid, port):
    # type: (int, int) -> str
    """A demo of this folder is running already."""
    if not pid:
        return ""
    return "The demo is already running (process %d): open http://127.0.0.1:%d/wall, or type `make demo-stop`." % (
        pid,
        port,
    )


def port_problem(port, free):
    # type: (int, bool) -> str
    """Another program holds the port of the web server."""
    if free:
        return ""
    return "Port %d is taken by another program: type `make demo PORT=%d`, or end that program." % (port, port + 1)


def explanation(output):
    # type: (str) -> str
    """One sentence for a failed installation step, from what pip or npm printed; empty when nothing known fits."""
    if "No space left on device" in output or "ENOSPC" in output:
        return "The disk is full: free 2 GiB, or clone CityWatch to another disk, then type `make setup` again."
    if "THESE PACKAGES DO NOT MATCH THE HASHES" in output or "EINTEGRITY" in output:
        return (
            "A downloaded package is not the one that the lock pins: type `pip cache purge`, then `make setup` again."
        )
    if any(sign in output for sign in OFFLINE):
        return (
            "The package registries can't be reached: check the network, or set HTTPS_PROXY "
            "(or PIP_INDEX_URL and npm_config_registry to a mirror), then type `make setup` again."
        )
    return ""


def has_venv():
    # type: () -> bool
    """Whether this Python can make a virtual environment with pip in it."""
    try:
        import ensurepip
        import venv
    except ImportError:
        return False
    return bool(ensurepip and venv)


def port_is_free(port):
    # type: (int) -> bool
    """Whether a server could listen on 127.0.0.1:port now."""
    probe = socket.socket()
    try:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    finally:
        probe.close()
    return True


def running_demo(state=STATE):
    # type: (str) -> tuple[int, int]
    """Process id and port of the demo that holds the lock of this folder's state; (0, 0) when none runs."""
    try:
        with open(os.path.join(state, "demo.pid")) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                pid, port = (int(word) for word in file.read().split()[:2])
                return pid, port
    except (OSError, ValueError):
        pass
    return 0, 0


def setup_problems():
    # type: () -> list[str]
    """Everything that would stop `make setup` here; the first is the one to say."""
    free = shutil.disk_usage(".").free
    return [
        python_problem(sys.version_info[:2], newer_pythons()),
        venv_problem(has_venv(), sys.version_info[:2]),
        platform_problem(platform.system(), platform.machine(), platform.libc_ver()[0] or "musl"),
        disk_problem(free, SETUP_BYTES if not os.path.exists(".venv") else DEMO_BYTES, os.getcwd()),
    ]


def demo_problems(port, state=STATE):
    # type: (int, str) -> list[str]
    """Everything that would stop `make demo` now."""
    return [running_problem(*running_demo(state)), *place_problems(port)]


def place_problems(port):
    # type: (int) -> list[str]
    """What a demo that has its folder may lack still."""
    free = shutil.disk_usage(".").free
    return [port_problem(port, port_is_free(port)), disk_problem(free, DEMO_BYTES, os.getcwd())]


def step(name, command):
    # type: (str, list[str]) -> int
    """Run a command quietly: its name and seconds when it succeeds, one sentence and its last words when not.

    A terminal shows the name while the command runs; a log gets whole lines, as other steps may write beside this one.
    """
    label = "%-34s " % name
    if sys.stdout.isatty():
        print(label, end="", flush=True)
        label = ""
    started = time.time()
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    except OSError as error:
        print("%sfailed\n%s" % (label, error))
        return 1
    seconds = time.time() - started
    if done.returncode == 0:
        print("%s%6.1f s" % (label, seconds), flush=True)
        return 0
    output = done.stdout.decode("utf-8", "replace")
    print("%sfailed after %.1f s" % (label, seconds))
    print(explanation(output) or "\n".join(output.strip().splitlines()[-15:]))
    return 1


def main(words):
    # type: (list[str]) -> int
    """Exit code 0 when nothing is in the way."""
    if words[:1] == ["step"]:
        return step(words[1], words[words.index("--") + 1 :])
    if words[:1] == ["demo"]:
        port = int(words[words.index("--port") + 1]) if "--port" in words else 8700
        problems = demo_problems(port)
    else:
        problems = setup_problems()
    for problem in problems:
        if problem:
            print(problem, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
