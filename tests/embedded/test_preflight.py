"""What a fresh machine may lack is told in one sentence that says what to type."""

import ast
import fcntl
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from citywatch import preflight

SCRIPT = Path(preflight.__file__)


def is_one_sentence(text: str) -> bool:
    return text.count("\n") == 0 and text.endswith(".") and len(re.findall(r"[.!?] [A-Z]", text)) == 0


@pytest.mark.parametrize(
    ("problem", "types"),
    [
        (preflight.python_problem((3, 9), []), "make setup PYTHON=python3.11"),
        (preflight.python_problem((3, 9), ["python3.13"]), "make setup PYTHON=python3.13"),
        (preflight.venv_problem(False, (3, 12)), "apt-get install python3.12-venv"),
        (preflight.platform_problem("Linux", "riscv64", "glibc"), "docker compose --profile demo up"),
        (preflight.platform_problem("Linux", "x86_64", "musl"), "docker compose --profile demo up"),
        (preflight.platform_problem("Windows", "AMD64", ""), "docker compose --profile demo up"),
        (preflight.disk_problem(100 * 1024**2, preflight.SETUP_BYTES, "here"), "another disk"),
        (preflight.running_problem(4711, 8700), "make demo-stop"),
        (preflight.port_problem(8700, False), "make demo PORT=8701"),
        (preflight.explanation("[Errno -3] Temporary failure in name resolution"), "HTTPS_PROXY"),
        (preflight.explanation("npm error code ENOTFOUND"), "make setup"),
        (preflight.explanation("OSError: [Errno 28] No space left on device"), "make setup"),
        (preflight.explanation("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"), "pip cache purge"),
    ],
)
def test_a_problem_is_one_sentence_that_says_what_to_type(problem: str, types: str) -> None:
    assert types in problem
    assert is_one_sentence(problem)


def test_a_machine_that_lacks_nothing_hears_nothing() -> None:
    assert preflight.python_problem((3, 11), []) == ""
    assert preflight.venv_problem(True, (3, 11)) == ""
    assert preflight.platform_problem("Linux", "x86_64", "glibc") == ""
    assert preflight.platform_problem("Darwin", "arm64", "") == ""
    assert preflight.disk_problem(3 * 1024**3, preflight.SETUP_BYTES, "here") == ""
    assert preflight.running_problem(0, 0) == ""
    assert preflight.port_problem(8700, True) == ""
    assert preflight.explanation("SyntaxError in setup.py") == ""


def test_the_script_has_the_syntax_of_the_pythons_that_it_refuses() -> None:
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_a_taken_port_is_noticed() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = subprocess.run([sys.executable, SCRIPT, "demo", "--port", str(port)], capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stderr == preflight.port_problem(port, False) + "\n"


def test_a_running_demo_is_known_by_its_lock_not_by_its_file(tmp_path: Path) -> None:
    pid_file = tmp_path / "demo.pid"
    assert preflight.running_demo(str(tmp_path)) == (0, 0)
    pid_file.write_text("4711 8700\n")
    assert preflight.running_demo(str(tmp_path)) == (0, 0), "left by a demo that was killed"
    with pid_file.open() as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        assert preflight.running_demo(str(tmp_path)) == (4711, 8700)


def test_too_little_disk_and_no_venv_stop_the_setup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preflight, "SETUP_BYTES", 1 << 60)
    monkeypatch.setattr(preflight, "DEMO_BYTES", 1 << 60)
    assert preflight.main(["setup"]) == 1
    assert "another disk" in capsys.readouterr().err
    monkeypatch.setattr(preflight, "has_venv", lambda: False)
    assert preflight.main(["setup"]) == 1
    assert "-venv`" in capsys.readouterr().err


def test_without_a_network_the_step_says_so(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install", "--retries", "0"]
    nowhere = [*pip, "--index-url", "http://127.0.0.1:9/simple", "--target", str(tmp_path), "some-package-nobody-has"]
    done = subprocess.run(
        [sys.executable, SCRIPT, "step", "Python packages", "--", *nowhere], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "The package registries can't be reached" in done.stdout


def test_a_step_says_how_long_it_took() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "step", "Nothing", "--", "true"], capture_output=True, text=True)
    assert done.returncode == 0
    assert re.fullmatch(r"Nothing +0\.\d s\n", done.stdout)
