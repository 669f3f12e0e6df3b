"""Sign-in at a real OpenID Connect provider, with everything that goes wrong there."""

from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from access import accounts
from access.accounts import Account
from access.errors import AccessError
from access.oidc import SignIn, local_path
from access.policy import Role
from access.provider import NEW_KEYS_S, Client
from city.clock import ManualClock, SystemClock
from tests.access.conftest import CHIEF, actions
from tests.access.provider import BACK, SECRET, Running, running, sign_in

ROLES = {"watchers": Role.viewer, "desk": Role.operator, "chiefs": Role.admin}
CALM: dict[str, Any] = {"clock_s": 0, "delay_ms": 0, "delayed": [], "forge": None, "in_id_token": True}
PEOPLE = {
    "lan": {"groups": ["staff", "desk", "watchers"]},
    "minh": {"groups": "chiefs", "sectors": ["traffic", "health", "none of ours"]},
    "guest": {"groups": ["staff"]},
    "nobody": {},
    "stray": {"groups": ["desk"], "sectors": ["none of ours"]},
}


@pytest.fixture(scope="module")
def process() -> Iterator[Running]:
    with running() as provider:
        yield provider


@pytest.fixture
def provider(process: Running) -> Running:
    """A provider that behaves, with keys and people as they were."""
    process.set(**CALM, accounts=PEOPLE)
    return process


def client(provider: Running, **changed: Any) -> Client:
    given: dict[str, Any] = {
        "issuer": provider.issuer,
        "client_id": "citywatch",
        "client_secret": SECRET,
        "redirect_uri": BACK,
        "title": "Test",
        "role_claim": "groups",
        "sectors_claim": "sectors",
        "roles": ROLES,
    }
    return Client(**{**given, **changed})


def entrance(provider: Running, clock: ManualClock | None = None, timeout_s: float = 5.0, **changed: Any) -> SignIn:
    sectors = frozenset({"traffic", "health"})
    return SignIn(client(provider, **changed), sectors, clock=clock, timeout_s=timeout_s)


async def walk(door: SignIn, pool: asyncpg.Pool, name: str) -> tuple[Account, str]:
    """The whole way of one browser."""
    url, state = await door.begin(pool, "/console#alerts")
    return await door.finish(pool, await sign_in(url, name), state, "10.0.0.7")


async def refused(door: SignIn, pool: asyncpg.Pool, name: str = "lan") -> AccessError:
    with pytest.raises(AccessError) as error:
        await walk(door, pool, name)
    return error.value


@pytest.mark.parametrize("in_id_token", [True, False])
async def test_a_person_comes_in_with_the_best_of_their_groups(
    provider: Running, pool: asyncpg.Pool, in_id_token: bool
) -> None:
    provider.set(in_id_token=in_id_token)  # else they are told at the user-info endpoint only
    door = entrance(provider)
    account, path = await walk(door, pool, "lan")
    assert (account.name, account.role, account.sectors, account.local) == ("lan", Role.operator, [], False)
    assert (account.issuer, path) == (provider.issuer, "/console#alerts")
    chief, _ = await walk(door, pool, "minh")
    assert (chief.role, chief.sectors) == (Role.admin, ["health", "traffic"])
    assert (await walk(door, pool, "lan"))[0].id == account.id
    assert await actions(pool) == ["account.create", "account.create"]
    assert await pool.fetchval("SELECT count(*) FROM sign_in_state") == 0


async def test_roles_follow_the_provider(provider: Running, pool: asyncpg.Pool) -> None:
    door = entrance(provider)
    await walk(door, pool, "lan")
    provider.set(accounts={"lan": {"groups": ["watchers"]}})
    assert (await walk(door, pool, "lan"))[0].role is Role.viewer
    provider.set(accounts={"lan": {"groups": []}})
    assert (await refused(door, pool)).code == "not_a_member"


@pytest.mark.parametrize("name", ["guest", "nobody", "stray"])
async def test_without_a_group_or_sector_of_ours_nobody_comes_in(
    provider: Running, pool: asyncpg.Pool, name: str
) -> None:
    assert (await refused(entrance(provider), pool, name)).code == "not_a_member"
    assert await accounts.listed(pool) == []


async def test_a_disabled_account_stays_out(provider: Running, pool: asyncpg.Pool) -> None:
    import uuid

    door = entrance(provider)
    account, _ = await walk(door, pool, "lan")
    await accounts.change(pool, CHIEF, uuid.UUID(account.id), disabled=True)
    assert (await refused(door, pool)).code == "disabled"


async def test_an_answer_counts_once_and_only_in_the_browser_that_asked(provider: Running, pool: asyncpg.Pool) -> None:
    door = entrance(provider)
    url, state = await door.begin(pool, "/console")
    _, other = await door.begin(pool, "/console")
    answer = await sign_in(url, "lan")
    for query, cookie in (
        (answer, other),
        (answer, None),
        (answer, ""),
        ({**answer, "state": ""}, ""),
        ({**answer, "state": "guessed"}, "guessed"),
        ({**answer, "state": "\ud800"}, "\ud800"),
    ):
        with pytest.raises(AccessError) as error:
            await door.finish(pool, query, cookie, None)
        assert error.value.code == "refused"
    await door.finish(pool, answer, state, None)  # strangers did not use it up
    with pytest.raises(AccessError, match="used before"):
        await door.finish(pool, answer, state, None)


async def test_a_code_is_used_once(provider: Running, pool: asyncpg.Pool) -> None:
    door = entrance(provider)
    url, state = await door.begin(pool, "/console")
    answer = await sign_in(url, "lan")
    await door.finish(pool, answer, state, None)
    _, again = await door.begin(pool, "/console")
    with pytest.raises(AccessError, match="refused the code") as error:
        await door.finish(pool, {**answer, "state": again}, again, None)
    assert error.value.code == "refused"


async def test_a_code_of_another_sign_in_is_refused_by_its_verifier(provider: Running, pool: asyncpg.Pool) -> None:
    door = entrance(provider)
    theirs, _ = await door.begin(pool, "/console")
    _, mine = await door.begin(pool, "/console")
    stolen = await sign_in(theirs, "minh")
    with pytest.raises(AccessError, match="refused the code"):
        await door.finish(pool, {**stolen, "state": mine}, mine, None)


async def test_an_old_sign_in_and_a_refusal_and_another_issuer(provider: Running, pool: asyncpg.Pool) -> None:
    door = entrance(provider)
    for change, match in (
        ({"iss": "https://elsewhere.example"}, "Another identity provider"),
        ({"error": "access_denied", "error_description": "not today"}, "refused: not today"),
        ({"code": ""}, "no code came"),
    ):
        _, state = await door.begin(pool, "/console")
        with pytest.raises(AccessError, match=match):
            await door.finish(pool, {"code": "x", "state": state, **change}, state, None)
    url, state = await door.begin(pool, "/console")
    answer = await sign_in(url, "lan")
    await pool.execute("UPDATE sign_in_state SET expires_at = expires_at - interval '10 minutes'")
    with pytest.raises(AccessError, match="is over"):
        await door.finish(pool, answer, state, None)


FORGED = ["none", "hs256", "client_secret", "other_key", "edited", "issuer", "audience", "also_for_another", "expired",
          "nonce", "no_nonce", "no_subject", "no_expiry", "not_a_token", {"sub": 7}, {"sub": ""}, {"exp": "tomorrow"},
          {"azp": "another-client"}, {"at_hash": "AAAA"}, {"aud": []}]  # fmt: skip


@pytest.mark.parametrize("forge", FORGED, ids=str)
async def test_a_token_that_is_not_the_providers_word_to_us(
    provider: Running, pool: asyncpg.Pool, forge: object
) -> None:
    door = entrance(provider)
    await walk(door, pool, "lan")
    provider.set(forge=forge)
    error = await refused(door, pool)
    assert error.code == "bad_answer"
    assert "is not valid" in error.sentence or "names nobody" in error.sentence


@pytest.mark.parametrize(("clock_s", "comes_in"), [(45, True), (-45, True), (90, False), (-640, True), (-720, False)])
async def test_a_clock_that_is_off(provider: Running, pool: asyncpg.Pool, clock_s: int, comes_in: bool) -> None:
    """Tokens last ten minutes; 60 s of difference are forgiven at both ends."""
    provider.set(clock_s=clock_s)
    door = entrance(provider)
    if comes_in:
        assert (await walk(door, pool, "lan"))[0].name == "lan"
    else:
        error = await refused(door, pool)
        assert error.code == "bad_answer"
        assert "clocks" in error.sentence


async def test_rotated_keys_are_asked_for_at_most_once_a_minute(provider: Running, pool: asyncpg.Pool) -> None:
    clock = ManualClock(SystemClock().now_us())
    door = entrance(provider, clock)
    await walk(door, pool, "lan")
    provider.set(rotate=True)
    assert (await refused(door, pool)).code == "bad_answer"  # asked a moment ago
    await clock.advance(NEW_KEYS_S)
    await walk(door, pool, "lan")
    provider.set(rotate=True)
    await clock.advance(NEW_KEYS_S / 2)
    assert (await refused(door, pool)).code == "bad_answer"


async def test_a_provider_that_is_down(pool: asyncpg.Pool) -> None:
    with running() as own:
        own.set(**CALM, accounts=PEOPLE)
        door = entrance(own)
        url, state = await door.begin(pool, "/console")
        answer = await sign_in(url, "lan")
        own.stop()
        for attempt in (door.finish(pool, answer, state, None), entrance(own).begin(pool, "/console")):
            with pytest.raises(AccessError, match="does not answer") as error:
                await attempt
            assert error.value.code == "unavailable"
        own.start()
        own.set(**CALM, accounts=PEOPLE, rotate=True)
        assert (await walk(entrance(own), pool, "lan"))[0].name == "lan"


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/jwks", "/me"])
async def test_a_provider_that_is_slow(provider: Running, pool: asyncpg.Pool, path: str) -> None:
    provider.set(delay_ms=3000, delayed=[path], in_id_token=False)
    error = await refused(entrance(provider, timeout_s=0.8), pool)
    assert (error.code, "TimeoutError" in error.sentence or "Timeout" in error.sentence) == ("unavailable", True)


async def test_another_secret_and_another_name_are_refused(provider: Running, pool: asyncpg.Pool) -> None:
    assert (await refused(entrance(provider, client_secret="guessed"), pool)).code == "refused"
    with pytest.raises(AccessError, match="calls itself"):
        await entrance(provider, issuer=provider.issuer + "/").begin(pool, "/")


def test_a_provider_over_plain_http_elsewhere_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no https address"):
        Client("http://id.example", "a", "b", BACK, "t", "groups", "", ROLES)
    assert SECRET not in repr(Client("https://id.example", "a", SECRET, BACK, "t", "groups", "", ROLES))


@pytest.mark.parametrize(
    ("path", "goes"),
    [
        ("/wall?zone=1#x", "/wall?zone=1#x"),
        ("//evil.example", "/console"),
        ("/\\evil.example", "/console"),
        ("https://evil.example", "/console"),
        ("/\tx", "/console"),
        ("", "/console"),
    ],
)
def test_the_way_back_stays_here(path: str, goes: str) -> None:
    assert local_path(path) == goes
