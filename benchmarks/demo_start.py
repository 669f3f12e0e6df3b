"""The demo's second start: seconds from the command to live readings on a WebSocket."""

import asyncio
import re
import sys
import tempfile
from typing import Final

from benchmarks.stack import Row, row
from citywatch.embedded.process import free_port

BUDGET_S: Final = 20
LIVE: Final = re.compile(r"^\s*([\d.]+) s\s+live readings: ", re.MULTILINE)


async def measure() -> list[Row]:
    """One row. The first start, which makes the database, is not counted."""
    with tempfile.TemporaryDirectory(prefix="citywatch-bench-") as folder:
        await _live_after(folder)
        warm = await _live_after(folder)
    return [row("demo_warm_start_s", warm, "s", BUDGET_S)]


async def _live_after(folder: str) -> float:
    command = (sys.executable, "-m", "citywatch", "demo", "--check", "--port", str(free_port()), "--directory", folder)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    found = LIVE.search(output.decode())
    if found is None:
        raise RuntimeError(f"the demo showed no live readings:\n{output.decode()}")
    return float(found[1])
