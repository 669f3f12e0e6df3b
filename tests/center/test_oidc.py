"""Signing in at a real identity provider through the center: the browser's whole way, and what must not work."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from city.settings import Settings
from tests.access import provider as providers
from tests.access.provider import SECRET
from tests.center.conftest import Running, running
from tests.center.people import client

START, BACK = "/api/v1/oidc/start", "/api/v1/oidc/callback"
PEOPLE = {"lan": {"groups": ["desk"], "sectors": ["traffic"]}, "guest": {"groups": ["staff"], "sectors": []}}


@pytest.fixture(scope="module")
def provider() -> Iterator[providers.Running]:
    with providers.running() as one:
        one.set(accounts=PEOPLE)
        yield one


@pytest.fixture
async def center(topics: Settings, provider: providers.Running) -> AsyncIterator[Running]:
    known = {
        "sign_in": "required",
        "public_url": "http://127.0.0.1:8700",
        "oidc_issuer": provider.issuer,
        "oidc_client_id": "citywatch",
        "oidc_client_secret": SECRET,
        "oidc_title": "City hall",
        "oidc_sectors_claim": "sectors",
        "oidc_roles": "watchers=viewer, desk=operator",
    }
    async with running(topics.model_copy(update=known)) as one:
        await one.ready()
        yield one


async def away_and_back(browser: httpx.AsyncClient, name: str, next_path: str = "/console/alerts") -> dict[str, str]:
    """What the browser brings back from the provider."""
    sent = await browser.get(START, params={"next": next_path})
    assert sent.status_code == 303, sent.text
    assert "HttpOnly" in sent.headers["set-cookie"]
    return await providers.sign_in(sent.headers["location"], name)


async def test_a_person_comes_back_with_a_session_where_they_wanted_to_go(center: Running) -> None:
    async with client(center.url) as browser:
        assert (await browser.get("/api/v1/session")).json()["sign_in"]["oidc"] == {"title": "City hall"}
        brought = await away_and_back(browser, "lan")
        back = await browser.get(BACK, params=brought)
        assert (back.status_code, back.headers["location"]) == (303, "/console/alerts")
        who = (await browser.get("/api/v1/session")).json()["principal"]
        assert (who["role"], who["sectors"]) == ("operator", ["traffic"])
        again = await browser.get(BACK, params=brought)
        assert again.headers["location"] == "/console#sign_in_error=refused", "an answer counts once"


async def test_what_another_browser_began_is_refused(center: Running) -> None:
    async with client(center.url) as attacker, client(center.url) as victim:
        brought = await away_and_back(attacker, "lan")
        back = await victim.get(BACK, params=brought)
        assert back.headers["location"] == "/console#sign_in_error=refused"
        assert (await victim.get("/api/v1/session")).json()["principal"] is None


@pytest.mark.parametrize("path", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
async def test_nobody_is_sent_elsewhere(center: Running, path: str) -> None:
    async with client(center.url) as browser:
        back = await browser.get(BACK, params=await away_and_back(browser, "lan", path))
        assert back.headers["location"] == "/console"


async def test_who_has_no_role_here_is_told(center: Running) -> None:
    async with client(center.url) as browser:
        back = await browser.get(BACK, params=await away_and_back(browser, "guest"))
        assert back.headers["location"] == "/console#sign_in_error=not_a_member"
        assert (await browser.get("/api/v1/session")).json()["principal"] is None


async def test_a_provider_that_is_down_is_told_and_local_accounts_go_on(
    topics: Settings, provider: providers.Running
) -> None:
    gone = {"sign_in": "required", "oidc_issuer": "http://127.0.0.1:1", "oidc_roles": "desk=operator"}
    async with running(topics.model_copy(update=gone)) as center:
        await center.ready()
        async with client(center.url) as browser:
            answer = await browser.get(START)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
            assert int(answer.headers["retry-after"]) > 0
            wrong = await browser.post("/api/v1/session", json={"name": "x", "password": "y"})
            assert wrong.status_code == 401


async def test_without_a_provider_there_is_no_way_to_one(guarded: Running) -> None:
    async with client(guarded.url) as browser:
        assert (await browser.get(START)).status_code == 404
        assert (await browser.get(BACK)).status_code == 404
