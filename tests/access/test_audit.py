"""The audit trail: part of the act, only appended to, and a chain whose every break is found and placed."""

import asyncio
import tracemalloc

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from access import audit
from access.chain import Chain, Entry, Head, Verdict, netstring
from city.actor import Actor
from city.migrations import migrate
from tests.access.conftest import CHIEF, actions
from tests.conftest import execute

ACT: dict[str, object] = {"name": "Trần Thị Lan", "limits": [1.5, 2, None], "quote": '"}\n,3:abc,'}


async def write(pool: asyncpg.Pool, rows: int) -> None:
    """Rows 1 … `rows`, each different."""
    async with pool.acquire() as connection:
        for n in range(1, rows + 1):
            actor = Actor("person", str(n), f"Lan {n}", None if n % 2 else "10.0.0.7")
            await audit.append(connection, actor, "alert.acknowledge", f"alert {n}", ACT if n % 3 else None, {"n": n})


async def tamper(pool: asyncpg.Pool, *statements: str) -> None:
    """What somebody with the rights of the database's owner can do."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("ALTER TABLE audit DISABLE TRIGGER audit_append_only")
        for statement in statements:
            await connection.execute(statement)
        await connection.execute("ALTER TABLE audit ENABLE TRIGGER audit_append_only")


async def found(pool: asyncpg.Pool, kept: Head | None = None) -> list[tuple[int, str]]:
    return [(fault.seq, fault.kind) for fault in (await audit.verify(pool, kept)).faults]


async def kept_head(pool: asyncpg.Pool) -> Head:
    head = await audit.head(pool)
    assert head is not None
    return Head.parse(str(head))


CONTENT = "at, actor_kind, actor_id, actor, address, action, object, before, after"


def swap(one: int, other: int, *, hashes: bool) -> list[str]:
    """Two rows change places: all their content, and their hashes too or not."""
    what = CONTENT + (", hash" if hashes else "")
    return [
        f"CREATE TEMP TABLE held ON COMMIT DROP AS SELECT * FROM audit WHERE seq IN ({one}, {other})",
        f"UPDATE audit SET ({what}) = (SELECT {what} FROM held WHERE seq = {other}) WHERE seq = {one}",
        f"UPDATE audit SET ({what}) = (SELECT {what} FROM held WHERE seq = {one}) WHERE seq = {other}",
    ]


def renumber(after: int, by: int) -> list[str]:
    """All rows after one get other numbers."""
    return [
        f"UPDATE audit SET seq = seq + 1000000 WHERE seq > {after}",
        f"UPDATE audit SET seq = seq - 1000000 + {by} WHERE seq > 1000000",
    ]


def rewrite(first: int) -> str:
    """Every hash from a row on is computed anew, as the database computes them."""
    return f"""DO $$ DECLARE entry audit; last bytea; BEGIN
        SELECT hash INTO last FROM audit WHERE seq = {first} - 1;
        FOR entry IN SELECT * FROM audit WHERE seq >= {first} ORDER BY seq LOOP
            last := audit_hash(last, entry); UPDATE audit SET hash = last WHERE seq = entry.seq;
        END LOOP; END $$"""


HEAD_TOO = "UPDATE audit_head SET (seq, hash) = (SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1)"


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


@pytest.mark.parametrize(
    "column",
    [
        "actor = 'Minh'",
        "address = NULL",
        "after = '{\"n\": 5.0}'",
        "before = NULL",
        "at = at + interval '1 microsecond'",
        "object = object || ' '",
        "actor_id = ''",
    ],
)
async def test_an_edited_row(pool: asyncpg.Pool, column: str) -> None:
    await write(pool, 10)
    await tamper(pool, f"UPDATE audit SET {column} WHERE seq = 4")
    assert await found(pool) == [(4, "edited")]


async def test_an_edited_row_with_its_hash_made_to_fit(pool: asyncpg.Pool) -> None:
    await write(pool, 10)
    await tamper(
        pool,
        "UPDATE audit SET actor = 'Minh' WHERE seq = 4",
        "UPDATE audit SET hash = audit_hash((SELECT hash FROM audit WHERE seq = 3), audit) WHERE seq = 4",
    )
    (fault,) = (await audit.verify(pool)).faults
    assert (fault.seq, fault.kind) == (5, "edited")
    assert "or row 4 was given another hash" in fault.sentence


async def test_rows_written_anew_to_the_end(pool: asyncpg.Pool) -> None:
    await write(pool, 10)
    kept = await kept_head(pool)
    await write(pool, 2)
    await tamper(pool, "UPDATE audit SET actor = 'Minh' WHERE seq = 4", rewrite(4))
    assert await found(pool) == [(12, "rewritten")]  # by the database's own count
    await pool.execute(HEAD_TOO)
    assert await found(pool) == []  # only who kept a head can tell
    assert await found(pool, kept) == [(10, "rewritten")]


@pytest.mark.parametrize("gone", [1, 4, 9])
async def test_a_removed_row(pool: asyncpg.Pool, gone: int) -> None:
    await write(pool, 10)
    await tamper(pool, f"DELETE FROM audit WHERE seq = {gone}")
    assert await found(pool) == [(gone, "removed")]


async def test_several_removed_rows(pool: asyncpg.Pool) -> None:
    await write(pool, 12)
    await tamper(pool, "DELETE FROM audit WHERE seq IN (2, 3, 4, 8)")
    verdict = await audit.verify(pool)
    assert [fault.sentence for fault in verdict.faults] == ["rows 2 to 4 are gone", "row 8 is gone"]


@pytest.mark.parametrize("gone", [1, 4, 9])
@pytest.mark.parametrize("head_too", [False, True])
async def test_a_removed_row_with_the_rest_renumbered(pool: asyncpg.Pool, gone: int, head_too: bool) -> None:
    await write(pool, 10)
    kept = await kept_head(pool)
    await tamper(pool, f"DELETE FROM audit WHERE seq = {gone}", *renumber(gone, -1))
    if head_too and gone < 9:
        await pool.execute(HEAD_TOO)
        assert (gone, "removed") in await found(pool)
    assert await found(pool, kept) == [(gone, "removed")]


async def test_three_rows_put_away_and_one_put_in(pool: asyncpg.Pool) -> None:
    await write(pool, 20)
    await tamper(
        pool,
        "DELETE FROM audit WHERE seq BETWEEN 5 AND 7",
        *renumber(7, -3),
        *renumber(9, 1),
        f"INSERT INTO audit (seq, {CONTENT}, hash) SELECT 10, {CONTENT}, hash FROM audit WHERE seq = 2",
        "UPDATE audit SET hash = audit_hash((SELECT hash FROM audit WHERE seq = 9), audit) WHERE seq = 10",
    )
    faults = await found(pool)
    assert faults[0] == (5, "removed")
    assert (11, "inserted") in faults or (10, "inserted") in faults


@pytest.mark.parametrize("hashes", [False, True])
@pytest.mark.parametrize(("one", "other"), [(4, 5), (1, 2), (9, 10), (4, 6), (2, 9), (1, 10)])
async def test_a_swapped_pair(pool: asyncpg.Pool, one: int, other: int, hashes: bool) -> None:
    await write(pool, 10)
    await tamper(pool, *swap(one, other, hashes=hashes))
    verdict = await audit.verify(pool)
    told = [(fault.seq, fault.kind, fault.sentence) for fault in verdict.faults if fault.kind == "swapped"]
    assert told == [(one, "swapped", f"rows {one} and {other} have changed places")]
    rest = [fault.kind for fault in verdict.faults if fault.kind != "swapped"]
    assert rest == (["rewritten"] if hashes and other == 10 else [])  # the count names the hash of the last row


async def test_two_swaps_and_an_edit(pool: asyncpg.Pool) -> None:
    await write(pool, 20)
    await tamper(pool, *swap(3, 12, hashes=True))
    await tamper(pool, *swap(5, 6, hashes=False), "UPDATE audit SET actor = 'Minh' WHERE seq = 17")
    assert await found(pool) == [(3, "swapped"), (5, "swapped"), (17, "edited")]


async def test_a_tail_cut_off(pool: asyncpg.Pool) -> None:
    await write(pool, 10)
    kept = await kept_head(pool)
    await tamper(pool, "DELETE FROM audit WHERE seq > 7")
    (fault,) = (await audit.verify(pool)).faults
    assert fault.sentence == "the trail ends at row 7, the database's own count is at 10: the rows after it are gone"
    await pool.execute(HEAD_TOO)
    assert await found(pool) == []
    assert await found(pool, kept) == [(8, "truncated")]
    await write(pool, 2)  # and others take their numbers
    assert await found(pool, kept) == [(10, "truncated")]
    await write(pool, 5)
    assert await found(pool, kept) == [(10, "rewritten")]
    await tamper(pool, "DELETE FROM audit", "UPDATE audit_head SET seq = 0, hash = decode(repeat('00', 32), 'hex')")
    assert await found(pool, kept) == [(1, "truncated")]


async def test_a_row_appended_past_the_count(pool: asyncpg.Pool) -> None:
    await write(pool, 3)
    await pool.execute(f"INSERT INTO audit (seq, {CONTENT}, hash) SELECT 4, {CONTENT}, hash FROM audit WHERE seq = 2")
    await tamper(
        pool, "UPDATE audit SET hash = audit_hash((SELECT hash FROM audit WHERE seq = 3), audit) WHERE seq = 4"
    )
    assert await found(pool) == [(4, "inserted")]


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
