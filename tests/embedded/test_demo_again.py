"""A demo that is stopped in the middle of its story, and started again."""

import asyncio
import contextlib
import re
import sys
from pathlib import Path

import pytest

from tests.embedded.test_demo import Demo, demo, short_path

__all__ = ["short_path"]


async def raised(running: Demo) -> str:
    """The first alert that a screen sees raised."""
    async with contextlib.aclosing(running.watch()) as everything:
        async for seen in everything:
            if seen.kind == "raised":
                return seen.alert
    raise AssertionError("the watch never ends")


@pytest.mark.skipif(sys.platform == "win32", reason="no embedded broker there")
async def test_what_was_left_open_clears_and_only_then_the_story_begins_again(
    short_path: Path,
) -> None:
    directory = short_path / "state"
    async with demo(directory, "--rate", "50") as first:
        await first.says(r"Everything runs since")
        await asyncio.wait_for(raised(first), 90)
    async with demo(directory, "--rate", "50", "--check") as again:
        await again.says(r"An earlier run left open alerts \(1\)")
        cleared = (await again.says(r"([\d.]+) s  alert cleared: .*Street flooding", 200))[1]
        began = (await again.says(r"([\d.]+) s  alert raised: .*Street flooding", 120))[1]
        assert await asyncio.wait_for(again.process.wait(), 60) == 0
    assert float(cleared) < float(began)
    said = [line for line in again.printed if re.search("alert (open|cleared|raised)|scenario", line)]
    kinds = [re.search("open:|cleared:|scenario welcome begins|raised:", line) for line in said]
    order = [found[0] for found in kinds if found]
    assert order == ["open:", "cleared:", "scenario welcome begins", "raised:"], said
