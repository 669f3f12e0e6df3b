"""What supervises keeps running what ended, stops what must stop, and renews the broker in the right order."""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from citywatch.embedded.process import EmbeddedError
from citywatch.supervisor import child, logfile, renewal
from citywatch.supervisor.check import Sightings
from citywatch.supervisor.child import Child, ending, next_pause
from citywatch.supervisor.state import DemoState
from citywatch.supervisor.watch import Seen, wait_for

UP = "import signal, sys, time; signal.signal(signal.SIGTERM, {}); print('up', flush=True); time.sleep(600)"
SLEEPER = UP.format("lambda *_: sys.exit(0)")
DEAF = UP.format("signal.SIG_IGN")


def running(program: str, log: Path, told: list[str]) -> Child:
    """A Child whose command is a Python program instead of a service."""
    made = Child("service", [], {}, log, tell=told.append)
    made._command = [sys.executable, "-c", program]
    return made


async def until_up(log: Path, times: int = 1) -> None:
    async with asyncio.timeout(10):
        while not log.exists() or log.read_text().count("up") < times:
            await asyncio.sleep(0.01)


async def test_a_killed_process_starts_again_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "FIRST_PAUSE", 0.01)
    told: list[str] = []
    service = running(SLEEPER, tmp_path / "log", told)
    await service.start()
    await until_up(tmp_path / "log")
    first = service.pid
    assert first is not None
    assert service._process is not None
    service._process.send_signal(signal.SIGKILL)
    await until_up(tmp_path / "log", 2)
    assert service.restarts == 1
    assert service.pid != first
    assert "killed by SIGKILL" in told[0]
    await service.stop()
    assert service.pid is None


async def test_a_stopped_process_stays_stopped_and_can_be_started_again(tmp_path: Path) -> None:
    service = running(SLEEPER, tmp_path / "log", [])
    await service.start()
    await until_up(tmp_path / "log")
    await service.stop()
    assert service.pid is None
    await service.start()
    await until_up(tmp_path / "log", 2)
    assert service.restarts == 0
    await service.stop()


async def test_a_process_that_does_not_drain_is_killed(tmp_path: Path) -> None:
    told: list[str] = []
    service = running(DEAF, tmp_path / "log", told)
    await service.start()
    await until_up(tmp_path / "log")
    await service.stop(patience=0.1)
    assert service.pid is None
    assert "was killed" in told[0]


def test_pauses_double_up_to_a_bound_and_start_anew_after_a_healthy_life() -> None:
    pauses = [child.FIRST_PAUSE]
    for _ in range(8):
        pauses.append(next_pause(pauses[-1], lived=1))
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert next_pause(30, lived=child.HEALTHY_AFTER) == child.FIRST_PAUSE


def test_an_ending_is_said_in_words() -> None:
    assert ending(3) == "exit code 3"
    assert ending(-9) == "killed by SIGKILL"


def test_logs_are_cut_and_a_few_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "center.log"
    assert logfile.rotate(log) is False
    with log.open("ab", buffering=0) as writer:
        for generation in range(5):
            writer.write(f"generation {generation}\n".encode() * 10)
            assert logfile.rotate(log, limit=100, keep=3)
        writer.write(b"after\n")
        assert logfile.rotate(log, limit=100, keep=3) is False
    assert log.read_text() == "after\n"
    kept = [(tmp_path / f"center.log.{number}").read_text()[:12] for number in (1, 2, 3)]
    assert kept == ["generation 4", "generation 3", "generation 2"]
    assert len(list(tmp_path.iterdir())) == 4


def test_a_second_demo_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    state = DemoState(tmp_path)
    with state.owned(8701):
        assert state.running()[1] == 8701
        with pytest.raises(EmbeddedError, match=r"already running.*make demo-stop"), DemoState(tmp_path).owned(8702):
            pass
    assert state.running() == (0, 0)
    assert state.stop() is False


class Recorded:
    """A process or broker that writes down what is done with it."""

    def __init__(self, name: str, journal: list[str]) -> None:
        self.name, self.journal = name, journal

    async def start(self) -> None:
        self.journal.append(f"start {self.name}")

    async def stop(self) -> None:
        self.journal.append(f"stop {self.name}")


class RecordedBroker:
    def __init__(self, journal: list[str]) -> None:
        self.journal = journal

    def resident_bytes(self) -> int:
        return 0

    def start(self) -> None:
        self.journal.append("start broker")

    def stop(self) -> None:
        self.journal.append("stop broker")


async def test_renewal_stops_producers_drains_stops_readers_and_starts_all_again() -> None:
    journal: list[str] = []
    answers = iter([False, False, True])

    async def drained() -> bool:
        answer = next(answers)
        journal.append(f"drained {answer}")
        return answer

    async def prepare() -> None:
        journal.append("topics")

    complete = await renewal.renew(
        RecordedBroker(journal),
        producers=[Recorded("simulate", journal), Recorded("center", journal)],
        readers=[Recorded("ingest", journal), Recorded("alerts", journal)],
        drained=drained,
        prepare=prepare,
    )
    assert complete
    assert journal == [
        *("stop simulate", "stop center"),
        *("drained False", "drained False", "drained True"),
        *("stop ingest", "stop alerts", "stop broker", "start broker", "topics"),
        *("start ingest", "start alerts", "start center", "start simulate"),
    ]


async def test_renewal_goes_on_when_a_reader_cannot_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> bool:
        return False

    assert await renewal.drain(never, patience=0.0) is False


async def test_the_watch_sees_live_values_and_alerts_over_a_restart_of_center() -> None:
    """Live is what was measured since the watch began: what center read from its database at its start is not."""
    alert = {"id": "a1", "severity": "warning", "title": {"en": "Tide"}, "zone_name": {"en": "Ben Thanh"}}
    old, new = (int((time.time() + seconds) * 1000) for seconds in (-1, 60))
    frames = [
        {"type": "hello"},
        {"type": "snapshot", "channel": "alerts", "seq": 1, "alerts": [alert]},
        {"type": "delta", "channel": "live", "seq": 1, "prev": 0, "values": [[1, old, 3.0]]},
        {"type": "delta", "channel": "live", "seq": 2, "prev": 1, "values": [[1, new, 3.0], [2, old, 4.0]]},
        {"type": "delta", "channel": "alerts", "seq": 2, "prev": 1, "kind": "cleared", "alert": alert},
    ]
    connections = 0

    async def center(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        assert {json.loads(await socket.recv())["channel"] for _ in range(2)} == {"live", "alerts"}
        for frame in frames[:4] if connections == 1 else frames:
            await socket.send(json.dumps(frame))

    async with serve(center, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        assert (await wait_for(port, "live")).text == "1 live values"
        assert await wait_for(port, "cleared") == Seen("cleared", "warning: Tide (Ben Thanh)", "a1")


def test_a_check_counts_only_alerts_that_were_raised_since_it_began() -> None:
    seen = Sightings(began=100.0)
    assert seen.take(Seen("live", "7 live values"), 1.0) == "live readings: 7 live values"
    assert seen.take(Seen("live", "9 live values"), 2.0) is None
    seen.take(Seen("cleared", "old", "a0"), 3.0)
    assert not seen.cleared_one()
    assert seen.take(Seen("open", "from an earlier run", "a2", 99.0), 3.0) is None, "told once for all of them"
    seen.take(Seen("cleared", "from an earlier run", "a2", 99.0), 3.5)
    assert not seen.raised
    assert not seen.cleared_one()
    seen.take(Seen("raised", "new", "a1", 104.0), 4.0)
    seen.take(Seen("open", "in a snapshot, the connection was lost", "a3", 104.5), 4.5)
    assert seen.raised == {"a1": 4.0, "a3": 4.5}
    assert not seen.cleared_one()
    seen.take(Seen("cleared", "new", "a1"), 5.0)
    assert seen.cleared_one()


async def test_a_process_that_cannot_be_started_again_is_tried_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "FIRST_PAUSE", 0.01)
    told: list[str] = []
    service = running(SLEEPER, tmp_path / "log", told)
    await service.start()
    await until_up(tmp_path / "log")
    works, service._command = service._command, [str(tmp_path / "absent")]
    assert service._process is not None
    service._process.kill()
    async with asyncio.timeout(10):
        while not any("can't be started" in sentence for sentence in told):
            await asyncio.sleep(0.01)
    service._command = works
    await until_up(tmp_path / "log", 2)
    await service.stop()


def test_what_a_demo_shares_is_there_while_it_runs_and_for_its_user_only(tmp_path: Path) -> None:
    state = DemoState(tmp_path)
    with state.owned(8700):
        state.share({"CITYWATCH_DATABASE_DSN": "postgresql://somewhere"})
        assert state.shared() == {"CITYWATCH_DATABASE_DSN": "postgresql://somewhere"}
        assert (tmp_path / "demo.json").stat().st_mode & 0o077 == 0
    assert state.shared() == {}
