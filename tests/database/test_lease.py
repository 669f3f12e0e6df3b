"""A lease has one owner by the database's clock; what a former owner still tries to write is refused."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from city.clock import ManualClock
from city.database import LeaseLost, open_pool
from city.lease import Lease
from city.settings import Settings


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    settings = Settings(database_dsn=database, _env_file=None)
    pool = await open_pool(settings, application="test", min_size=2, max_size=6)
    yield pool
    await pool.close()


async def run_out(pool: asyncpg.Pool) -> None:
    """Time passes for the database: every lease ends."""
    await pool.execute("UPDATE lease SET expires_at = clock_timestamp() - interval '1 microsecond'")


async def test_one_of_many_gets_it(pool: asyncpg.Pool) -> None:
    leases = [Lease(pool, "rollup", f"worker {number}") for number in range(6)]
    got = await asyncio.gather(*(lease.acquire() for lease in leases))
    assert sum(got) == 1
    assert [lease.epoch for lease, held in zip(leases, got, strict=True) if held] == [1]


async def test_release_lets_the_next_in_at_once(pool: asyncpg.Pool) -> None:
    first, second = Lease(pool, "rollup", "first"), Lease(pool, "rollup", "second")
    assert await first.acquire()
    assert not await second.acquire()
    await first.release()
    assert await second.acquire()
    assert second.epoch == 2


async def test_renewal_extends_by_the_databases_clock(pool: asyncpg.Pool) -> None:
    lease = Lease(pool, "rollup", "first", seconds=60)
    assert await lease.acquire()
    await pool.execute("UPDATE lease SET expires_at = clock_timestamp() + interval '1 second'")
    assert await lease.renew()
    left = await pool.fetchval("SELECT extract(epoch FROM expires_at - clock_timestamp()) FROM lease")
    assert 55 < left <= 60


async def test_what_ran_out_is_not_renewed_and_another_takes_it(pool: asyncpg.Pool) -> None:
    first, second = Lease(pool, "rollup", "first"), Lease(pool, "rollup", "second")
    assert await first.acquire()
    await run_out(pool)
    assert not await first.renew()
    assert first.epoch is None
    assert await second.acquire()


async def test_fence_refuses_the_former_owner(pool: asyncpg.Pool) -> None:
    first, second = Lease(pool, "rollup", "first"), Lease(pool, "rollup", "second")
    assert await first.acquire()
    await run_out(pool)
    assert await second.acquire()
    async with pool.acquire() as connection, connection.transaction():
        await second.fence(connection)
    with pytest.raises(LeaseLost, match="no longer held by 'first'"):
        async with pool.acquire() as connection, connection.transaction():
            await first.fence(connection)
    assert not await first.renew()


async def test_fence_refuses_what_ran_out_even_if_nobody_took_it(pool: asyncpg.Pool) -> None:
    lease = Lease(pool, "rollup", "first")
    assert await lease.acquire()
    await run_out(pool)
    with pytest.raises(LeaseLost):
        async with pool.acquire() as connection, connection.transaction():
            await lease.fence(connection)


async def test_taker_waits_for_a_fenced_transaction_and_renewal_does_not(pool: asyncpg.Pool) -> None:
    first, second = Lease(pool, "rollup", "first"), Lease(pool, "rollup", "second")
    assert await first.acquire()
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        await first.fence(connection)
        assert await asyncio.wait_for(first.renew(), 1)
        await run_out(pool)
        taking = asyncio.create_task(second.acquire())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(taking), 0.3)
    assert await taking
    assert second.epoch == 2


async def test_owner_paused_inside_a_fenced_transaction_holds_it_for_seconds_only(pool: asyncpg.Pool) -> None:
    first, second = Lease(pool, "rollup", "first"), Lease(pool, "rollup", "second")
    assert await first.acquire()
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await first.fence(connection)
        await run_out(pool)
        assert await asyncio.wait_for(second.acquire(), 6)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await connection.execute("SELECT 1")


async def test_lead_runs_the_work_while_held_and_hands_over(pool: asyncpg.Pool) -> None:
    working: list[str] = []
    clock = ManualClock()

    def work_of(name: str) -> Lease:
        return Lease(pool, "rollup", name, seconds=30)

    async def work(name: str) -> None:
        working.append(name)
        try:
            await asyncio.Event().wait()
        finally:
            working.remove(name)

    async def until(expected: list[str]) -> None:
        async with asyncio.timeout(10):
            while working != expected:
                await clock.advance(10)
                await asyncio.sleep(0.02)

    first = asyncio.create_task(work_of("first").lead(lambda: work("first"), clock))
    await until(["first"])
    second = asyncio.create_task(work_of("second").lead(lambda: work("second"), clock))
    await clock.advance(10)
    assert working == ["first"]
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await until(["second"])
    await pool.execute(
        "UPDATE lease SET owner = 'third', epoch = epoch + 1, expires_at = clock_timestamp() + interval '1 hour'"
    )
    await until([])
    await run_out(pool)
    await until(["second"])
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert working == []


async def test_fault_of_the_work_reaches_the_caller_and_frees_the_lease(pool: asyncpg.Pool) -> None:
    async def work() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await Lease(pool, "rollup", "first").lead(work, ManualClock())
    assert await Lease(pool, "rollup", "second").acquire()
