"""A process that runs but does nothing is noticed, told of, and in the end given up; a busy machine is no hang."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from citywatch import pulse
from citywatch.embedded.broker import EmbeddedBroker
from citywatch.embedded.postgres import FOR_TESTS, EmbeddedPostgres
from citywatch.embedded.process import free_port, is_alive
from citywatch.supervisor import attention, child, servers
from citywatch.supervisor.attention import GIVE_UP_AFTER, START_PATIENCE, TELL_AFTER, Attention, Verdict
from citywatch.supervisor.child import Child
from citywatch.supervisor.servers import ServerWatch, broker_answers, postgres_answers, watched

SERVICE = """
import asyncio, signal, sys, time
from citywatch.service import serve
async def run(stop):
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, time.sleep, 600)
    print("up", flush=True)
    await stop.wait()
    print("drained", flush=True)
serve(run)
"""


def verdicts(seen: Attention, ticks: int, *, beats: bool = False, stopped: bool = False) -> list[Verdict]:
    found = [seen.tick(1.0, beats=beats, stopped=stopped) for _ in range(ticks)]
    return [verdict for verdict in found if verdict is not Verdict.nothing]


def test_silence_is_told_once_then_given_up() -> None:
    seen = Attention()
    assert verdicts(seen, 5, beats=True) == []
    assert verdicts(seen, int(TELL_AFTER) - 1) == []
    assert verdicts(seen, int(GIVE_UP_AFTER - TELL_AFTER)) == [Verdict.silent]
    assert verdicts(seen, 1) == [Verdict.given_up]


def test_what_is_stopped_is_told_at_once_and_that_it_goes_on() -> None:
    seen = Attention()
    assert verdicts(seen, 5, beats=True) == []
    assert verdicts(seen, int(GIVE_UP_AFTER) - 1, stopped=True) == [Verdict.stopped]
    assert verdicts(seen, 3, beats=True) == [Verdict.back]
    assert verdicts(seen, int(GIVE_UP_AFTER), stopped=True) == [Verdict.stopped, Verdict.given_up]


def test_a_start_may_take_long_and_a_busy_machine_is_no_hang() -> None:
    seen = Attention()
    assert verdicts(seen, int(START_PATIENCE) - 1) == []
    assert verdicts(seen, 1, beats=True) == []
    for _ in range(100):  # a beat comes only now and then
        assert verdicts(seen, int(TELL_AFTER) - 1) == []
        assert verdicts(seen, 1, beats=True) == []
    assert seen.tick(3600.0, beats=False, stopped=False) is Verdict.nothing, "it was the supervisor that was paused"


class Felt(Child):
    """Counts the looks that found a sign of life."""

    felt = 0

    def _beats(self) -> bool:
        found = super()._beats()
        self.felt += found
        return found


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Felt, list[str]]]:
    """A service that beats, under a supervisor of little patience; SIGUSR1 hangs its loop."""
    monkeypatch.setattr(child, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(child, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(attention, "TELL_AFTER", 2.0)
    told: list[str] = []
    made = Felt("service", [], {}, tmp_path / "log", tell=told.append, patience=4.0)
    made._command = [sys.executable, "-c", SERVICE]
    await made.start()
    await until(lambda: ups(made) == 1)
    yield made, told
    await made.stop(patience=1)


async def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


def ups(made: Child) -> int:
    return made.log.read_text().count("up") if made.log.exists() else 0


Service = tuple[Felt, list[str]]


async def test_a_service_that_beats_lives(service: Service) -> None:
    made, told = service
    await until(lambda: made.felt > made.patience + 1)  # one a second: for longer than silence would be borne
    assert (told, made.restarts) == ([], 0)


async def test_a_stopped_service_is_told_of_and_starts_again(service: Service) -> None:
    made, told = service
    first = made.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    await until(lambda: bool(told), 5)
    assert told == ["service is stopped (by SIGSTOP, or a debugger): after 4 s without a sign of life it is killed "
                    "and starts again"]  # fmt: skip
    await until(lambda: ups(made) == 2)
    assert made.pid != first
    assert told[1].endswith("and is killed")
    assert "ended (killed by SIGKILL) and starts again" in told[2]
    assert made.restarts == 1


async def test_a_service_that_is_paused_for_a_moment_goes_on(service: Service) -> None:
    made, told = service
    first = made.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    await until(lambda: bool(told))
    os.kill(first, signal.SIGCONT)
    await until(lambda: told[1:] == ["service goes on"])
    assert (made.pid, made.restarts) == (first, 0)


async def test_a_service_whose_loop_hangs_starts_again_and_gets_more_time_the_next_time(service: Service) -> None:
    made, told = service
    first = made.pid
    assert first is not None
    os.kill(first, signal.SIGUSR1)
    await until(lambda: ups(made) == 2)
    assert "has not answered for 2 s: after 4 s without a sign of life" in told[0]
    assert "gave no sign of life for 4 s and is killed" in told[1]
    second = made.pid
    assert second is not None
    before = made.felt
    await until(lambda: made.felt > before)
    os.kill(second, signal.SIGUSR1)
    await until(lambda: len(told) == 4)
    assert "after 8 s without" in told[3]


async def test_a_stopped_service_can_still_drain_when_it_is_told_to_end(service: Service) -> None:
    made, _ = service
    assert made.pid is not None
    os.kill(made.pid, signal.SIGSTOP)
    await made.stop()
    assert made.log.read_text() == "up\ndrained\n"


def test_a_service_ends_when_nobody_listens_to_its_pulse_any_more(tmp_path: Path) -> None:
    listener, given = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", SERVICE],
        env=os.environ | {pulse.PIPE: str(given)},
        pass_fds=(given,),
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(given)
    assert os.read(listener, 1) == b"."
    os.close(listener)
    printed, _ = process.communicate(timeout=20)
    assert (printed, process.returncode) == ("up\ndrained\n", 0)


async def test_a_stopped_broker_is_told_to_go_on_as_its_log_is_in_its_memory(
    embedded_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await broker_answers(embedded_broker.bootstrap)
    told = await watch_of(
        monkeypatch,
        embedded_broker,
        lambda: broker_answers(embedded_broker.bootstrap),
        lambda: psutil.Process(embedded_broker.pid).suspend(),
        "the server goes on",
    )
    assert told == [
        "the server is stopped (by SIGSTOP): after 2 s it is told to go on",
        "the server was stopped for 2 s and is told to go on (SIGCONT)",
        "the server goes on",
    ]
    assert embedded_broker.pid is not None
    assert await broker_answers(embedded_broker.bootstrap)


async def test_a_server_that_takes_connections_and_says_nothing_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    program = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(600)"
    mute = subprocess.Popen([sys.executable, "-c", program])
    try:
        process = psutil.Process(mute.pid)
        told = await watch_of(
            monkeypatch, mute, lambda: broker_answers(f"127.0.0.1:{port}"), lambda: None, "is killed", start_patience=2
        )
        assert told == ["the server gave no answer for 2 s and is killed"]
        await until(lambda: not is_alive(process))
    finally:
        mute.kill()
        mute.wait()


async def test_a_database_is_asked_through_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = EmbeddedPostgres(tmp_path, tuning=FOR_TESTS)
    assert not await postgres_answers(server.dsn("postgres"))
    server.start()
    try:
        assert await postgres_answers(server.dsn("postgres"))
        assert await postgres_answers(server.dsn("nothing")), "a refusal is an answer"
        told = await watch_of(
            monkeypatch,
            server,
            lambda: postgres_answers(server.dsn("postgres")),
            lambda: psutil.Process(server.pid).suspend(),
            "the server goes on",
        )
        assert len(told) == 3
        assert await postgres_answers(server.dsn("postgres"))
    finally:
        server.stop()


async def watch_of(
    monkeypatch: pytest.MonkeyPatch,
    server: EmbeddedBroker | EmbeddedPostgres | subprocess.Popen[bytes],
    answers: Callable[[], Awaitable[bool]],
    harm: Callable[[], None],
    last: str,
    start_patience: float = START_PATIENCE,
) -> list[str]:
    """What is told from the harm until `last`, with little patience."""
    monkeypatch.setattr(attention, "START_PATIENCE", start_patience)
    monkeypatch.setattr(servers, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(servers, "ASK_EVERY", 0.2)
    monkeypatch.setattr(servers, "ANSWER_SECONDS", 1.0)
    told: list[str] = []
    asked = 0

    async def ask() -> bool:
        nonlocal asked
        asked += 1
        return await answers()

    async with watched([ServerWatch("the server", lambda: server.pid, ask, told.append, patience=2.0)]):
        await until(lambda: asked > 1)  # it has answered once, or had its time to
        assert told == []
        harm()
        await until(lambda: bool(told) and told[-1].endswith(last))
    return told
