"""schemathesis against the running service, signed in as an admin: generated requests find no answer that the document
denies, good and bad ones.

CITYWATCH_SCHEMATHESIS=full runs every phase, and repeats the random ones until three minutes are over, however fast the
machine is; the default is a quick look. Both print their seed and how long they took (pytest -s).
"""

import asyncio
import os
import sys
import time
from pathlib import Path

import asyncpg

from tests.center.conftest import Running, raise_alert
from tests.center.people import People, by_session
from tests.center.test_live_values import READING, REPORT, new_series, now_us

SEED = "20261122"
FULL = os.environ.get("CITYWATCH_SCHEMATHESIS") == "full"
EXAMPLES = 60 if FULL else 5
PHASES = "examples,coverage,fuzzing,stateful" if FULL else "examples,fuzzing"
FULL_S = 180
DURATION = [f"--max-time={FULL_S}"] if FULL else []
MAX_S = 600 if FULL else 120
CONFIG = Path(__file__).with_name("schemathesis.toml")


async def test_schemathesis_finds_nothing(
    guarded: Running, people: People, db: asyncpg.Connection, tmp_path: Path
) -> None:
    series = await new_series(db, "VVK-1", zone="26740")
    await db.execute(READING, now_us(), series, 30.0)
    await db.execute(REPORT, "r-1", "26740")
    await raise_alert(db, 1)
    admin = await people.person("admin")
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={CONFIG}",
        "run",
        f"{guarded.url}/openapi.json",
        f"--seed={SEED}",
        f"--max-examples={EXAMPLES}",
        "--workers=1",
        f"--phases={PHASES}",
        *DURATION,
        "--generation-database=none",
        "--no-color",
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={
            **os.environ,
            "NO_PROXY": "*",
            "no_proxy": "*",
            "SESSION": admin,
            "KEY": await people.key(["traffic"], ["publish", "read"]),
            "CSRF": by_session(admin)["X-CSRF-Token"],
        },
    )
    began = time.monotonic()
    async with asyncio.timeout(MAX_S):
        output, _ = await process.communicate()
    lasted = time.monotonic() - began
    print(f"schemathesis: seed {SEED}, {lasted:.0f} s\n{output.decode()[-3_000:]}")
    assert process.returncode == 0, output.decode()[-12_000:]
    assert not FULL or lasted >= FULL_S, "the full run ended before its time"
