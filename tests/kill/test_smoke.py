"""The kill test for 90 seconds: what `make test-kill` does for a million readings."""

import subprocess
import sys

import pytest


@pytest.mark.only(broker="embedded", server="embedded")
def test_ninety_seconds_of_kills_and_pauses_keep_every_promise() -> None:
    command = [sys.executable, "-m", "tests.kill", "--seconds", "90", "--broker", "embedded", "--seed", "1"]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(run.stdout)
    assert run.returncode == 0
