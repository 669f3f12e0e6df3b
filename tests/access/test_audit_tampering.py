"""The audit trail is a chain: every break in it is found and placed, and told as what it was."""

import asyncpg
import pytest

from access import audit
from tests.access.trail import found, kept_head, tamper, write

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
