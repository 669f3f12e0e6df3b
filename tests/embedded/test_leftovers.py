"""A supervisor that is killed: what it started ends with it, or is found, said and ended by the next command."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from citywatch.embedded.broker import EmbeddedBroker
from citywatch.embedded.postgres import FOR_TESTS, EmbeddedPostgres, serving
from citywatch.embedded.process import EmbeddedError, end_processes, free_port, is_alive, wait_gone
from citywatch.supervisor import ending, leftovers
from citywatch.supervisor.state import DemoState
from tests.embedded.test_demo import ROOT, short_path

__all__ = ["short_path"]

SERVICE = "import time; print('up', flush=True); time.sleep(600)"

SUPERVISOR = """
import asyncio, json, os, sys, time
from pathlib import Path
from citywatch.embedded import broker, postgres
from citywatch.supervisor import child, leftovers
from citywatch.supervisor.state import DemoState

async def main():
    folder = Path(sys.argv[1])
    state = DemoState(folder)
    with state.owned(1):
        leftovers.mark(folder)
        database = postgres.EmbeddedPostgres(state.postgres, tuning=postgres.FOR_TESTS)
        database.start()
        log = broker.EmbeddedBroker()
        log.start()
        service = child.Child("service", [], {}, folder / "service.log")
        service._command = [sys.executable, "-c", sys.argv[2]]
        await service.start()
        print(json.dumps([database.pid, log.pid, service.pid]), flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def started(folder: Path) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """A supervisor of a database, a broker and a service, and these three."""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(folder), SERVICE], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    return supervisor, [psutil.Process(pid) for pid in json.loads(supervisor.stdout.readline())]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel of Linux ends them")
@pytest.mark.parametrize("stopped", [False, True])
def test_what_a_supervisor_started_dies_with_it(short_path: Path, stopped: bool) -> None:
    supervisor, family = started(short_path / "state")
    if stopped:
        family[2].suspend()
    supervisor.kill()
    supervisor.communicate()
    try:
        assert wait_gone(family, 15) == []
    finally:
        end_processes(family, signal.SIGKILL, 5)


@pytest.fixture
def left(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[DemoState, list[psutil.Process]]]:
    """Database, broker and a service of a folder whose supervisor is gone; nobody ends them."""
    state = DemoState(short_path / "check")
    monkeypatch.setenv(leftovers.MARK, "")  # put back at the end
    with state.owned(1):
        leftovers.mark(state.directory)
        database = EmbeddedPostgres(state.postgres, tuning=FOR_TESTS)
        database.start()
        broker = EmbeddedBroker()
        broker.start()
        service = subprocess.Popen([sys.executable, "-c", SERVICE], stdout=subprocess.PIPE)
        assert service.stdout is not None
        service.stdout.readline()
    monkeypatch.delenv(leftovers.MARK)
    assert database.pid
    assert broker.pid
    family = [psutil.Process(pid) for pid in (database.pid, broker.pid, service.pid)]
    yield state, family
    service.kill()
    service.communicate()
    broker.stop()
    database.stop()


Left = tuple[DemoState, list[psutil.Process]]


def test_stop_finds_what_was_left_says_so_and_ends_it(left: Left, capsys: pytest.CaptureFixture[str]) -> None:
    state, (database, broker, service) = left
    service.suspend()
    assert ending.stop(state) == 0
    said = capsys.readouterr().out
    for words in (f"PostgreSQL (process {database.pid})", f"broker (process {broker.pid})", f"(process {service.pid})"):
        assert words in said
    assert "What was left has stopped." in said
    assert not any(map(is_alive, (database, broker, service)))
    assert "database system is shut down" in (state.postgres / "postgres.log").read_text(), "in order, not by SIGKILL"
    assert ending.stop(state) == 0
    assert capsys.readouterr().out == "No demo runs from this folder.\n"


def test_what_a_check_of_the_folder_left_is_found_too(left: Left, capsys: pytest.CaptureFixture[str]) -> None:
    state, family = left
    assert ending.reset(DemoState(state.directory.parent)) == 0
    assert "What was left has stopped." in capsys.readouterr().out
    assert not any(map(is_alive, family))
    assert not state.directory.parent.exists()


def test_a_stopped_database_is_ended_with_its_sessions(left: Left) -> None:
    state, (database, *_) = left
    sessions = database.children()
    for each in (database, *sessions):
        each.suspend()
    began = time.monotonic()
    assert ending.stop(state) == 0
    assert time.monotonic() - began < 10
    assert not any(map(is_alive, (database, *sessions)))


def test_reset_deletes_nothing_under_a_server_that_lives(
    left: Left, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, family = left
    with monkeypatch.context() as immortal:  # as where they belong to another user
        immortal.setattr(leftovers, "end_server", lambda _: False)
        assert ending.reset(state) == 1
        assert f"PostgreSQL (process {family[0].pid}) can't be stopped: type `kill -9" in capsys.readouterr().err
        assert (state.postgres / "data" / "PG_VERSION").exists()
    assert ending.reset(state) == 0
    assert not any(map(is_alive, family))
    assert not state.directory.exists()
    assert "The demo's data is gone" in capsys.readouterr().out
    assert ending.reset(state) == 0


def test_reset_deletes_no_folder_but_a_demos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("all that I have")
    assert ending.reset(DemoState(tmp_path)) == 1
    assert "is not the folder of a demo" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").exists()


def test_only_what_is_marked_for_this_very_folder_is_found(left: Left, tmp_path: Path) -> None:
    state, _ = left
    assert len(leftovers.find(state.directory)) == 3
    other = tmp_path / "postgres" / "data"
    other.mkdir(parents=True)
    (other / "postmaster.pid").write_text(f"{os.getpid()}\n{other}\n")  # its number was given anew, to this test
    assert leftovers.find(tmp_path) == []
    assert serving(other) is None


async def test_a_start_ends_what_was_left_before_it_asks_for_the_port(left: Left) -> None:
    state, family = left
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "citywatch", "demo", "--port", str(free_port()), "--directory", str(state.directory)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        said = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
        assert "was killed and left running: " in said
        await asyncio.to_thread(wait_gone, family, 30)
        process.terminate()  # where the tests run in the background, an interrupt is ignored until there is a handler
        await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert not any(map(is_alive, family))


def test_a_folder_that_is_deleted_while_somebody_waits_for_it_is_made_anew(tmp_path: Path) -> None:
    state = DemoState(tmp_path / "state")
    with state.owned(1), pytest.raises(EmbeddedError, match="already running"), state.held():
        pass
    with state.held():
        (tmp_path / "state" / "demo.pid").unlink()
        with DemoState(tmp_path / "state").held():
            pass
