"""A demo that is stopped in the middle of its story, checked, and started again."""

import asyncio
import contextlib
import re
import sys
from pathlib import Path

import pytest

from citywatch.supervisor.settling import simulated_assets
from simulation.scenario import WELCOME_SENSOR
from tests.embedded.test_demo import Demo, demo, example, short_path

__all__ = ["short_path"]


async def raised(running: Demo, times: int = 1) -> None:
    """A screen has seen so many different alerts raised."""
    found: set[str] = set()
    async with contextlib.aclosing(running.watch()) as everything:
        async for seen in everything:
            if seen.kind in ("raised", "open"):
                found.add(seen.alert)
            if len(found) == times:
                return


async def story(running: Demo) -> list[str]:
    """What becomes of the street of the story, until it is flooded anew; in order, with what the demo says."""
    told: list[str] = []
    async with contextlib.aclosing(running.watch()) as everything:
        async for seen in everything:
            if seen.kind in ("cleared", "raised"):
                begun = any("The scenario welcome begins" in line for line in running.printed)
                told.append(f"{seen.kind}{', the story has begun' if begun else ''}")
            if seen.kind == "raised":
                return told
    raise AssertionError("the watch never ends")


def test_the_simulated_city_is_known_by_its_instruments() -> None:
    assert WELCOME_SENSOR in simulated_assets()
    assert not any(name.startswith("FL-MY") for name in simulated_assets())


@pytest.mark.skipif(sys.platform == "win32", reason="no embedded broker there")
async def test_what_was_left_open_clears_and_only_then_the_story_begins_again(
    short_path: Path,
) -> None:
    directory = short_path / "state"
    async with demo(directory, "--rate", "50") as first:
        await first.says(r"Everything runs since")
        bootstrap = (await first.says(r"Kafka +(127\.0\.0\.1:\d+)"))[1]
        # An example's gauge says nothing more, so its alert stays open; that holds nobody up.
        await example("publish.py", "--bootstrap", bootstrap, "--asset", "FL-MY-STREET", "--flood-cm", "55")
        await asyncio.wait_for(raised(first, 2), 90)

    async with demo(directory, "--rate", "50", "--check") as check:
        assert await asyncio.wait_for(check.process.wait(), 120) == 0
    said = "\n".join(check.printed)
    assert re.search(r"alert raised: .*Street flooding", said)
    assert "check passed" in said
    assert "earlier run" not in said
    assert "before this check" not in said, "a check of its own knows nothing of earlier runs"
    assert "sign in as" not in said, "nobody can get in there any more"
    assert not (directory / "check").exists()

    async with demo(directory, "--rate", "50") as again:
        await again.says(r"An earlier run left open alerts \(1\)")
        await again.says(r"Everything runs since")
        assert await asyncio.wait_for(story(again), 240) == ["cleared", "raised, the story has begun"]
