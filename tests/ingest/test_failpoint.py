"""A process armed with a failpoint dies at the named instant, at the count-th time, and at no other."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from city import failpoint

SCRIPT = """
from city import failpoint
for i in range(5):
    print(i, flush=True)
    failpoint.hit("here")
    failpoint.hit("there")
"""
ROOT = Path(__file__).parents[2]


def run(armed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"CITYWATCH_FAILPOINT": armed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize(("armed", "printed"), [("here", 1), ("there", 1), ("here:3", 3), ("there:2:kill", 2)])
def test_kills_itself_at_the_named_instant(armed: str, printed: int) -> None:
    process = run(armed)
    assert process.returncode == -signal.SIGKILL
    assert process.stdout.split() == [str(i) for i in range(printed)]


@pytest.mark.parametrize("armed", ["", "elsewhere", "here:9"])
def test_lives_when_not_reached(armed: str) -> None:
    assert run(armed).returncode == 0


def test_pauses_itself_and_goes_on_when_continued() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env={"CITYWATCH_FAILPOINT": "here:2:stop", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 10
        while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGCONT)
        out, _ = process.communicate(timeout=10)
        assert out.split() == ["0", "1", "2", "3", "4"]
    finally:
        process.kill()


def test_a_wrong_form_is_refused_with_the_right_one() -> None:
    with pytest.raises(ValueError, match=r"name\[:count\]\[:kill\|stop\]"):
        failpoint.Failpoint.parse("here:soon")
