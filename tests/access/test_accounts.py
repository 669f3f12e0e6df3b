"""Accounts: names, lock-out by time, the last admin, and what ends a person's sessions."""

import asyncio
import unicodedata
import uuid
from datetime import timedelta
from typing import ClassVar, Literal

import asyncpg
import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from access import accounts, by_password, by_provider, passwords, sessions, unlocking
from access.accounts import Account, AccountError
from access.by_password import Locked
from access.errors import AccessError
from access.passwords import Unsuitable
from access.policy import Role
from tests.access.conftest import CHIEF, PASSWORD, actions

HERE = "10.0.0.7"
LASTS, IDLE = timedelta(hours=12), timedelta(minutes=30)


async def refused(pool: asyncpg.Pool, name: str, password: str) -> AccountError:
    with pytest.raises(AccountError) as error:
        await by_password.sign_in(pool, name, password, HERE)
    return error.value


async def fail(pool: asyncpg.Pool, times: int) -> None:
    for _ in range(times):
        assert (await refused(pool, "Lan", "not this one at all")).code == "wrong_credentials"


async def let_pass(pool: asyncpg.Pool, seconds: float) -> None:
    """Move the database's idea of when the lock ends."""
    await pool.execute("UPDATE account SET locked_until = locked_until - $1 * interval '1 second'", seconds)


async def test_a_name_is_one_however_it_was_typed(pool: asyncpg.Pool) -> None:
    decomposed = unicodedata.normalize("NFD", "Trần Thị Lan")
    account, _ = await accounts.create(pool, CHIEF, f"  {decomposed} ", Role.viewer, password=PASSWORD)
    assert account.name == unicodedata.normalize("NFC", "Trần Thị Lan")
    for typed in ("TRẦN THỊ LAN", "trần  thị lan", decomposed, "Ｔrần Thị Lan"):
        with pytest.raises(AccountError) as taken:
            await accounts.create(pool, CHIEF, typed, Role.viewer, password=PASSWORD)
        assert taken.value.code == "name_taken"
        assert (await by_password.sign_in(pool, typed, PASSWORD, HERE)).id == account.id
    other, _ = await accounts.create(pool, CHIEF, "Tran Thi Lan", Role.viewer, password=PASSWORD)
    assert other.id != account.id  # without the accents it is another name


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\x00b", "a\u200db", "a\u202eb", "a\ud800b"])
async def test_bad_names_are_refused_and_never_break_signing_in(pool: asyncpg.Pool, name: str) -> None:
    with pytest.raises(AccessError) as bad:
        await accounts.create(pool, CHIEF, name, Role.viewer, password=PASSWORD)
    assert bad.value.code == "bad_name"
    assert (await refused(pool, name, PASSWORD)).code == "wrong_credentials"


async def test_a_first_password_must_be_changed(pool: asyncpg.Pool) -> None:
    account, first = await accounts.create(pool, CHIEF, "Minh", Role.admin)
    assert account.must_change
    assert len(first) >= 16
    signed = await by_password.sign_in(pool, "minh", first, HERE)
    session = await sessions.resolve(pool, await sessions.create(pool, signed, HERE, "x", LASTS), IDLE)
    assert session is not None
    assert session.session is not None
    assert session.must_change
    with pytest.raises(Unsuitable, match="old one"):
        await by_password.change(pool, uuid.UUID(account.id), first, first, HERE, uuid.UUID(session.session))
    await by_password.change(pool, uuid.UUID(account.id), first, PASSWORD, HERE, uuid.UUID(session.session))
    assert not (await accounts.get(pool, uuid.UUID(account.id))).must_change
    assert (await refused(pool, "minh", first)).code == "wrong_credentials"
    assert first not in str([tuple(row) for row in await pool.fetch("SELECT * FROM audit")])


async def test_unknown_wrong_and_disabled_read_the_same(pool: asyncpg.Pool, lan: Account) -> None:
    wrong = await refused(pool, "Lan", "not this one at all")
    unknown = await refused(pool, "hunter2 my password", "not this one at all")
    await accounts.change(pool, CHIEF, uuid.UUID(lan.id), disabled=True)
    disabled = await refused(pool, "Lan", PASSWORD)
    assert {(error.code, error.sentence) for error in (wrong, unknown, disabled)} == {accounts.WRONG}
    rows = await pool.fetch(
        "SELECT actor_kind, actor, address, after::text FROM audit WHERE action = 'session.refused'"
    )
    assert [(row["actor_kind"], row["actor"]) for row in rows] == [("person", "Lan"), ("nobody", ""), ("person", "Lan")]
    assert {row["address"] for row in rows} == {HERE}
    assert "hunter2" not in str(rows)


class Watched(PasswordHasher):
    """Compares as ever, and keeps what each comparison costs: the parameters of the hash."""

    costs: ClassVar[list[Parameters]] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.costs.append(extract_parameters(hash if isinstance(hash, str) else hash.decode()))
        return super().verify(hash, password)


async def test_no_failure_takes_longer_than_another(
    pool: asyncpg.Pool, lan: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_hasher", Watched.from_parameters(RFC_9106_LOW_MEMORY))
    await accounts.create(pool, CHIEF, "Held", Role.viewer, password=PASSWORD)
    await pool.execute("UPDATE account SET failures = 5, locked_until = now() + interval '1 hour' WHERE name = 'Held'")
    for name in ("Lan", "Held", "nobody at all"):
        Watched.costs.clear()
        await refused(pool, name, "not this one at all")
        assert Watched.costs == [RFC_9106_LOW_MEMORY], name  # one comparison, and as dear as any
    rows = await pool.fetch("SELECT DISTINCT after ->> 'why' AS why FROM audit WHERE action = 'session.refused'")
    assert {row["why"] for row in rows} == {"password", "locked", "unknown"}


async def test_five_failures_lock_for_a_minute_and_then_twice_as_long(pool: asyncpg.Pool, lan: Account) -> None:
    for seconds in (60, 120, 240, 480, 900, 900):
        await fail(pool, 5)
        locked = await refused(pool, "Lan", PASSWORD)  # the right one does not help now
        assert isinstance(locked, Locked)
        assert (locked.code, locked.sentence) == accounts.WRONG
        assert seconds - 5 < locked.seconds <= seconds
        assert (await accounts.get(pool, uuid.UUID(lan.id))).locked
        await let_pass(pool, seconds)
    assert (await by_password.sign_in(pool, "Lan", PASSWORD, HERE)).id == lan.id
    await fail(pool, 5)
    again = await refused(pool, "Lan", PASSWORD)
    assert isinstance(again, Locked)
    assert again.seconds <= 60  # whoever was in begins anew


async def test_after_thousands_of_failures_it_still_locks(pool: asyncpg.Pool, lan: Account) -> None:
    await pool.execute("UPDATE account SET failures = 999994")
    await fail(pool, 1)
    locked = await refused(pool, "Lan", PASSWORD)
    assert isinstance(locked, Locked)
    assert 890 < locked.seconds <= 900


async def test_guesses_at_once_count_one_by_one(pool: asyncpg.Pool, lan: Account) -> None:
    guesses = [f"guess number {n} of many" for n in range(14)] + [PASSWORD]
    answers = await asyncio.gather(
        *(by_password.sign_in(pool, "Lan", guess, HERE) for guess in guesses), return_exceptions=True
    )
    wrong = [a for a in answers if isinstance(a, AccountError) and not isinstance(a, Locked)]
    assert len(wrong) <= 9  # five, and four before the right one in between
    assert sum(isinstance(answer, Locked) for answer in answers) >= 5


async def test_unlocking_lets_in_at_once(pool: asyncpg.Pool, lan: Account) -> None:
    await fail(pool, 5)
    await unlocking.unlock(pool, CHIEF, uuid.UUID(lan.id))
    assert (await by_password.sign_in(pool, "Lan", PASSWORD, HERE)).id == lan.id
    assert "account.unlock" in await actions(pool)


async def test_the_last_admin_stays(pool: asyncpg.Pool, lan: Account) -> None:
    (one, _), (two, _) = [await accounts.create(pool, CHIEF, name, Role.admin) for name in ("one", "two")]
    a, b = uuid.UUID(one.id), uuid.UUID(two.id)
    outcomes = await asyncio.gather(
        accounts.change(pool, CHIEF, a, role=Role.viewer), accounts.delete(pool, CHIEF, b), return_exceptions=True
    )
    errors = [outcome for outcome in outcomes if isinstance(outcome, AccountError)]
    assert [error.code for error in errors] == ["last_admin"]
    admin = next(account for account in await accounts.listed(pool) if account.role is Role.admin)
    for kwargs in ({"disabled": True}, {"role": Role.supervisor}, {"sectors": ["traffic"]}, {"zones": ["26734"]}):
        with pytest.raises(AccountError) as last:
            await accounts.change(pool, CHIEF, uuid.UUID(admin.id), **kwargs)  # type: ignore[arg-type]
        assert last.value.code == "last_admin"


async def test_a_change_keeps_before_and_after(pool: asyncpg.Pool, lan: Account) -> None:
    await accounts.change(pool, CHIEF, uuid.UUID(lan.id), role=Role.supervisor, sectors=["traffic", "health"])
    row = await pool.fetchrow(
        "SELECT actor, before ->> 'role', after -> 'sectors' FROM audit WHERE action = 'account.change'"
    )
    assert row is not None
    assert tuple(row) == ("chief", "operator", '["health", "traffic"]')


async def test_a_provider_never_takes_over_a_local_account(pool: asyncpg.Pool, lan: Account) -> None:
    with pytest.raises(AccountError) as taken:
        await by_provider.account_for(pool, "https://id.example", "77", "LAN", Role.admin, [], HERE)
    assert taken.value.code == "name_taken"


async def test_a_provider_brings_a_person_and_changes_what_they_may(pool: asyncpg.Pool) -> None:
    first = await asyncio.gather(
        *(
            by_provider.account_for(pool, "https://id.example", "77", "An\u202e", Role.viewer, [], HERE)
            for _ in range(3)
        )
    )
    assert {(account.id, account.name) for account in first} == {(first[0].id, "An")}
    later = await by_provider.account_for(pool, "https://id.example", "77", "An", Role.operator, ["traffic"], HERE)
    assert (later.id, later.role, later.sectors, later.local) == (first[0].id, Role.operator, ["traffic"], False)
    assert await actions(pool) == ["account.create", "account.change"]
    with pytest.raises(AccountError) as not_local:
        await accounts.reset_password(pool, CHIEF, uuid.UUID(later.id))
    assert not_local.value.code == "not_local"
    assert (await refused(pool, "An", "")).code == "wrong_credentials"
    await accounts.change(pool, CHIEF, uuid.UUID(later.id), disabled=True)
    with pytest.raises(AccountError) as disabled:
        await by_provider.account_for(pool, "https://id.example", "77", "An", Role.operator, [], HERE)
    assert disabled.value.code == "disabled"
    assert (await actions(pool))[-1] == "session.refused"
