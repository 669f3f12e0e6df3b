"""The broker of a running demo is killed: nothing valid is refused, and what is missing is a number."""

import asyncio
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from citywatch.embedded.postgres import EmbeddedPostgres
from tests.embedded.test_demo import ROOT, Demo, demo, short_path

__all__ = ["short_path"]
KILLS = 2
MISSING = """
SELECT count(*) FROM unnest($1::timestamptz[]) AS t (time)
WHERE NOT EXISTS (SELECT FROM reading r JOIN series s ON s.id = r.series_id JOIN asset a ON a.id = s.asset_id
                  WHERE a.name = 'FL-KILLED' AND r.time = t.time)
"""


def command(running: Demo, *arguments: str) -> tuple[int, str]:
    environment = os.environ | running.state.shared()
    done = subprocess.run(
        [sys.executable, "-m", "citywatch", *arguments], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    return done.returncode, done.stdout


def broker_of(running: Demo) -> psutil.Process:
    return next(child for child in psutil.Process(running.process.pid).children() if "tansu" in child.name())


class Publisher:
    """Sends readings by HTTP until told to stop; remembers which were answered 202."""

    def __init__(self, running: Demo, key: str) -> None:
        self.accepted: list[datetime] = []
        self.done = asyncio.Event()
        self._address = f"http://127.0.0.1:{running.port}/api/v1/events"
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/cloudevents+json"}

    async def run(self) -> None:
        async with httpx.AsyncClient(headers=self._headers, timeout=30) as http:
            while not self.done.is_set():
                now = datetime.now(UTC)
                answer = await http.post(self._address, content=json.dumps(self._event(now)))
                assert answer.status_code in (202, 503), answer.text
                if answer.status_code == 202:
                    self.accepted.append(now)
                await asyncio.sleep(0.02)

    def _event(self, now: datetime) -> dict[str, object]:
        return {
            "specversion": "1.0",
            "id": now.isoformat(),
            "source": "//test.example",
            "type": "city.environment.reading.v1",
            "subject": "FL-KILLED",
            "time": now.isoformat(),
            "data": {"location": [106.695, 10.776], "measurements": {"flood_cm": 1}},
        }


@pytest.mark.skipif(sys.platform == "win32", reason="no embedded broker there")
async def test_valid_records_are_stored_or_counted_lost_when_the_broker_is_killed(short_path: Path) -> None:
    directory = short_path / "state"
    async with demo(directory, "--scenario", "calm", "--rate", "200") as running:
        await running.says(r"Everything runs since")
        code, output = await asyncio.to_thread(
            command, running, "keys", "create", "killed", "--sector", "environment", "--publish"
        )
        assert code == 0, output
        publisher = Publisher(running, output.strip().rpartition(": ")[2])
        async with asyncio.TaskGroup() as group:
            group.create_task(publisher.run())
            for kill in range(1, KILLS + 1):
                await asyncio.sleep(3)
                broker_of(running).kill()
                deadline = time.monotonic() + 30
                while sum("the broker ended and starts again" in line for line in running.printed) < kill:
                    assert time.monotonic() < deadline, running.printed
                    await asyncio.sleep(0.05)
            await asyncio.sleep(4)
            publisher.done.set()
        code, output = await asyncio.to_thread(command, running, "ledger", "--verify", "--wait", "30")
        connection = await asyncpg.connect(EmbeddedPostgres(directory / "postgres").dsn())
        try:
            missing = await connection.fetchval(MISSING, publisher.accepted)
            lost = await connection.fetchval("SELECT coalesce(sum(lost), 0)::int FROM ledger_lost")
            assert missing <= lost
            assert (code, bool(lost)) in ((0, False), (1, True)), output
            assert await connection.fetchval("SELECT count(*) FROM dead_letter") == 0
            logs = await connection.fetch("SELECT cluster, max(generation) AS last FROM ledger GROUP BY cluster")
            assert [row["last"] for row in logs] == [1] * (KILLS + 1)
            assert await connection.fetchval("SELECT sum(no_record) FROM ledger") == 0
        finally:
            await connection.close()
        if lost:
            assert (await asyncio.to_thread(command, running, "ledger", "--accept-lost"))[0] == 0
        assert (await asyncio.to_thread(command, running, "ledger", "--verify", "--wait", "30"))[0] == 0
        assert len(publisher.accepted) > 100
    assert "AlreadyExists" not in (directory / "logs" / "broker.log").read_text()
