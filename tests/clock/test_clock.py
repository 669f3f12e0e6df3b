"""The manual clock: sleepers wake at their own instants, in order, and a loop runs as often as time says."""

import asyncio

import pytest

from city.clock import Clock, ManualClock, SystemClock


async def test_sleepers_wake_in_order_of_their_deadlines_at_their_own_instants() -> None:
    clock = ManualClock(now_us=0)
    woken: list[tuple[str, int]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now_us()))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("late", 3))
        group.create_task(sleeper("early", 1))
        group.create_task(sleeper("also early", 1))
        await clock.advance(2)
        assert woken == [("early", 1_000_000), ("also early", 1_000_000)]
        assert clock.sleeping == 1
        await clock.advance(2)
    assert woken[-1] == ("late", 3_000_000)
    assert clock.monotonic() == 4.0


async def test_a_loop_that_sleeps_a_second_runs_ten_times_in_ten_seconds() -> None:
    clock = ManualClock()
    runs = 0

    async def loop() -> None:
        nonlocal runs
        while True:
            await clock.sleep(1)
            runs += 1

    task = asyncio.create_task(loop())
    await clock.advance(10)
    task.cancel()
    assert runs == 10


async def test_a_cancelled_sleeper_is_passed_over() -> None:
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(1))
    await clock.advance(0.5)
    task.cancel()
    await clock.advance(1)
    assert task.cancelled()


async def test_time_never_goes_back() -> None:
    with pytest.raises(ValueError, match="cannot go back"):
        await ManualClock().advance(-1)


async def test_both_clocks_keep_the_protocol() -> None:
    clocks: list[Clock] = [SystemClock(), ManualClock()]
    for clock in clocks:
        assert clock.now_us() > 1_700_000_000_000_000
        before = clock.monotonic()
        await clock.sleep(0)
        assert clock.monotonic() >= before
