"""The audit trail: part of the act, only appended to, read by pages, and hashed as the chain of it is checked."""

import asyncio
import tracemalloc

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from access import audit
from access.chain import Chain, Entry, Head, Verdict, netstring
from city.migrations import migrate
from tests.access.conftest import CHIEF, actions
from tests.access.trail import found, kept_head, tamper, write
from tests.conftest import execute


async def test_what_was_only_appended_has_no_fault(pool: asyncpg.Pool) -> None:
    assert await found(pool) == []
    await write(pool, 12)
    early = await kept_head(pool)
    await write(pool, 12)
    verdict = await audit.verify(pool, early)
    assert verdict == Verdict(24, await kept_head(pool), [])


async def test_a_row_is_part_of_the_act(pool: asyncpg.Pool) -> None:
    await write(pool, 2)
    async with pool.acquire() as connection:
        act = connection.transaction()
        await act.start()
        await audit.append(connection, CHIEF, "rules.apply", "rules")
        await act.rollback()
    await write(pool, 1)
    assert await actions(pool) == ["alert.acknowledge"] * 3
    assert await found(pool) == []


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET actor = 'x'", "DELETE FROM audit WHERE false", "TRUNCATE audit"],
)
async def test_nothing_but_appending(pool: asyncpg.Pool, statement: str) -> None:
    await write(pool, 2)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only appended to"):
        await pool.execute(statement)


async def test_without_the_count_nothing_can_be_done_unseen(pool: asyncpg.Pool) -> None:
    await write(pool, 2)
    await pool.execute("DELETE FROM audit_head")
    assert await found(pool) == [(3, "truncated")]
    with pytest.raises(asyncpg.PostgresError):
        await write(pool, 1)


async def test_two_hundred_at_once_are_gapless(pool: asyncpg.Pool) -> None:
    async def act(n: int) -> int:
        async with pool.acquire() as connection, connection.transaction():
            return await audit.append(connection, CHIEF, "alert.acknowledge", f"alert {n}", None, {"n": n})

    assert sorted(await asyncio.gather(*map(act, range(200)))) == list(range(1, 201))
    assert await found(pool) == []


async def test_a_verification_holds_while_others_append(pool: asyncpg.Pool) -> None:
    await write(pool, 50)

    async def go_on() -> None:
        for _ in range(10):
            await write(pool, 10)

    _, *verdicts = await asyncio.gather(go_on(), *(audit.verify(pool) for _ in range(5)))
    assert all(verdict.faults == [] for verdict in verdicts)


async def test_a_long_trail_takes_little_memory(pool: asyncpg.Pool) -> None:
    fill = """SELECT count(audit_append('{"kind": "key", "id": "1", "name": "pumps"}', 'event', 'series ' || n, NULL,
        jsonb_build_object('n', n, 'text', repeat('x', 200)))) FROM generate_series(1, 500) AS n"""
    for _ in range(60):
        await pool.execute(fill)
    await tamper(pool, "UPDATE audit SET actor = 'x' WHERE seq BETWEEN 15001 AND 16000")
    tracemalloc.start()
    verdict = await audit.verify(pool)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert verdict.rows == 30_000
    assert {fault.kind for fault in verdict.faults} == {"edited"}
    assert verdict.faults[0].seq == 15_001
    assert "800 more rows" in verdict.faults[-1].sentence
    assert peak < 8 * 2**20


async def test_pages_go_back_in_time_and_filter(pool: asyncpg.Pool) -> None:
    await write(pool, 7)
    first = await audit.page(pool, limit=3)
    assert [entry.seq for entry in first] == [7, 6, 5]
    assert [entry.seq for entry in await audit.page(pool, before_seq=5, limit=3)] == [4, 3, 2]
    assert [entry.seq for entry in await audit.page(pool, object_="alert 2")] == [2]
    assert await audit.page(pool, actor="Lan 2", action="rules.apply") == []


async def test_what_was_kept_before_is_carried_over(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from city import migrations

    every = migrations.load
    monkeypatch.setattr(migrations, "load", lambda kind, package: [m for m in every(kind, package) if m.name < "0040"])
    await migrate(empty_database, "plain")
    old = "INSERT INTO audit (at, actor, action, subject, detail) VALUES ('2026-01-02 03:04:05.678901Z', 'Lan', "
    await execute(empty_database, old + """'accept expired', 'ledger', '{"records": 30}')""")
    monkeypatch.undo()
    await migrate(empty_database, "plain")
    async with asyncpg.create_pool(empty_database) as pool:
        (entry,) = await audit.page(pool)
        assert (entry.at, entry.actor, entry.action) == (1_767_323_045_678_901, "Lan", "ledger.accept")
        assert (entry.object, entry.after) == ("ledger", '{"records": 30}')
        assert await found(pool) == []


TEXTS = st.none() | st.text()


@given(st.lists(TEXTS, max_size=6), st.lists(TEXTS, max_size=6))
def test_no_two_rows_of_fields_join_to_the_same(one: list[str | None], other: list[str | None]) -> None:
    def joined(fields: list[str | None]) -> bytes:
        return b"".join(map(netstring, fields))

    assert (joined(one) == joined(other)) == (one == other)


@given(st.lists(TEXTS.filter(lambda text: text is None or text.isprintable()), min_size=1, max_size=8))
def test_a_netstring_is_read_back(fields: list[str | None]) -> None:
    rest, read = b"".join(map(netstring, fields)), []
    while rest:
        if rest.startswith(b"-,"):
            read.append(None)
            rest = rest[2:]
            continue
        size, _, rest = rest.partition(b":")
        read.append(rest[: int(size)].decode())
        assert rest[int(size) : int(size) + 1] == b","
        rest = rest[int(size) + 1 :]
    assert read == fields


async def test_the_database_hashes_as_python_does(pool: asyncpg.Pool) -> None:
    for text in ("", "ếộự 🛰", "1:a,", "-,", "\\x00", "\n\t'\"", "x" * 5000):
        assert (await pool.fetchval("SELECT netstring($1)", text)).encode() == netstring(text)
    assert (await pool.fetchval("SELECT netstring(NULL)")).encode() == netstring(None)


@pytest.mark.parametrize("text", ["", "1", "1:", ":" + "0" * 64, "1:" + "0" * 63, "-1:" + "0" * 64, "1:" + "g" * 64,
                                  "²:" + "0" * 64, "1:" + "0" * 64 + ":"])  # fmt: skip
def test_what_is_no_head(text: str) -> None:
    with pytest.raises(ValueError, match="SEQ:HASH"):
        Head.parse(text)


def test_an_empty_trail_ends_at_nothing() -> None:
    assert Chain().verdict(Head(0, bytes(32))).faults == []
    entry = Entry(1, 0, "local", "", "x", None, "a", "b", None, None, bytes(32))
    assert entry.digest(bytes(32)) != entry.digest(bytes(32), 2)
