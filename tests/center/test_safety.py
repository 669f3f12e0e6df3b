"""What a browser is told and what it may be made to do: headers, cookies, proxies, plain HTTP, other origins."""

import re
from typing import Any

import httpx
import pytest
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from access.policy import Denied
from center.limiting import bucket
from center.security import Guard
from center.service import Center
from city import metrics
from city.clock import SystemClock
from city.settings import Settings
from tests.center.conftest import Running, running
from tests.center.people import PASSWORD, People, by_key, client

SIGN_IN = "/api/v1/session"
BEHIND = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7", "Host": "watch.city.example"}


async def sign_in(http: httpx.AsyncClient, name: str) -> httpx.Response:
    return await http.post(SIGN_IN, json={"name": name, "password": PASSWORD})


async def test_every_answer_carries_the_headers(guarded: Running, people: People) -> None:
    async with client(guarded.url, by_key(await people.key())) as http:
        for path in ("/wall", "/", "/api/v1/sectors", "/api/v1/nothing", "/openapi.json", "/metrics"):
            headers = (await http.get(path)).headers
            policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
            assert policy["default-src"] == "'none'"
            assert policy["script-src"] == policy["style-src"] == "'self'"
            assert "unsafe" not in headers["content-security-policy"]
            assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert "camera=()" in headers["permissions-policy"]
            assert "strict-transport-security" not in headers, "there is no https here"
            if path.startswith(("/api", "/metrics")):
                assert headers["cache-control"] == "no-store"
            if headers.get("content-type", "").startswith("text/"):
                assert "charset=utf-8" in headers["content-type"]
        shapes = await http.get("/api/v1/zones.geojson")
        assert shapes.headers["cache-control"] == "private, max-age=300"


async def test_behind_a_trusted_proxy_cookies_are_secure_and_addresses_true(topics: Settings, people: People) -> None:
    account = await people.account()
    trusting = {"sign_in": "required", "trusted_proxies": "127.0.0.0/8, ::1", "center_hosts": "watch.city.example"}
    async with running(topics.model_copy(update=trusting)) as center:
        await center.ready()
        async with client(center.url, BEHIND) as http:
            answer = await sign_in(http, account.name)
            assert answer.status_code == 200, answer.text
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("__Host-citywatch=")
            assert "Secure" in cookie
            assert "Path=/" in cookie
            assert "Domain" not in cookie
            assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
            token = re.match(r"__Host-citywatch=([^;]+)", cookie)
            assert token is not None
            address = await people.pool.fetchval("SELECT address FROM session")
            assert address == "203.0.113.7"
            http.cookies.clear()
            spoofed = {"X-Forwarded-For": "10.1.1.1, 203.0.113.9, 127.0.0.1"}
            await http.post(SIGN_IN, json={"name": "x", "password": "y"}, headers=spoofed)
            refused = await people.pool.fetchval("SELECT address FROM audit ORDER BY seq DESC LIMIT 1")
            assert refused == "203.0.113.9", "the last hop that no trusted proxy vouches for"
            named = {"Cookie": f"__Host-citywatch={token[1]}"}
            assert (await http.get("/api/v1/sectors", headers=named)).status_code == 200
            plain = {"Cookie": f"citywatch={token[1]}"}
            assert (await http.get("/api/v1/sectors", headers=plain)).status_code == 401
            over_http = named | {"X-Forwarded-Proto": "http"}
            assert (await http.get("/api/v1/sectors", headers=over_http)).status_code == 401


@pytest.mark.parametrize("headers", [{}, {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}])
async def test_over_plain_http_from_elsewhere_nobody_signs_in(
    topics: Settings, people: People, headers: dict[str, str]
) -> None:
    account = await people.account()
    token = await people.session(account)
    open_to = {"sign_in": "required", "center_hosts": "watch.city.example"}
    async with running(topics.model_copy(update=open_to)) as center:
        await center.ready()
        async with client(center.url, {"Host": "watch.city.example", **headers}) as http:
            told = (await http.get(SIGN_IN)).json()
            assert told["sign_in"]["private"] is False
            for path, body in (
                (SIGN_IN, {"name": account.name, "password": PASSWORD}),
                ("/api/v1/devices/claim", {"link": "x"}),
                ("/api/v1/devices/pairing", {}),
            ):
                answer = await http.post(path, json=body)
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "https_required")
                assert "set-cookie" not in answer.headers
                assert "https" in answer.json()["error"]["message"]
            for name in ("citywatch", "__Host-citywatch"):
                answer = await http.get("/api/v1/sectors", headers={"Cookie": f"{name}={token}"})
                assert answer.status_code == 401, "a cookie that crossed a network in the clear is not looked at"


async def test_a_key_that_crossed_a_network_in_the_clear_is_refused(topics: Settings, people: People) -> None:
    key = by_key(await people.key(["traffic"], ["read", "publish"]))
    insist = {"sign_in": "required", "trusted_proxies": "127.0.0.0/8, ::1", "plain_http_networks": "198.51.100.0/24"}
    counted = metrics.DENIED.labels("insecure_transport")._value
    async with running(topics.model_copy(update=insist)) as center:
        await center.ready()
        async with client(center.url, key) as http:
            for path in ("/api/v1/sectors", "/api/v1/session", "/metrics", "/api/v1/events"):
                method = "POST" if path.endswith("events") else "GET"
                for address in ("203.0.113.7", "2001:db8::7", "::ffff:203.0.113.7"):
                    before = counted.get()
                    for proto in ({}, {"X-Forwarded-Proto": "http"}):
                        answer = await http.request(method, path, headers={"X-Forwarded-For": address, **proto})
                        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "insecure_transport")
                        assert "https" in answer.json()["error"]["message"]
                    assert counted.get() == before + 2
            for allowed in (
                {},  # this machine
                {"X-Forwarded-For": "198.51.100.9"},
                {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"},
            ):
                assert (await http.get("/api/v1/sectors", headers=allowed)).status_code == 200
        plain = key | {"X-Forwarded-For": "203.0.113.7"}
        async with center.listen(additional_headers=plain) as wall:
            error = await wall.next("error")
            assert error["code"] == "insecure_transport"
            await wall.connection.wait_closed()
            assert wall.connection.close_code == 4403


async def test_what_an_untrusted_proxy_says_of_a_key_does_not_count(topics: Settings, people: People) -> None:
    key = by_key(await people.key(["traffic"], ["read"]))
    center = await Center.open(topics.model_copy(update={"sign_in": "required"}), SystemClock())
    seen = []

    async def ask(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            seen.append((await center.sign_in.who(HTTPConnection(scope))).principal.kind)
        except Denied as denied:
            seen.append(denied.code)

    async def nothing(*_: object) -> Any:
        return {"type": "http.disconnect"}

    try:
        for peer in ("203.0.113.7", "127.0.0.1", "::1", "::ffff:127.0.0.1"):
            headers = {"host": "127.0.0.1", "x-forwarded-proto": "https", **key}
            raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
            scope = {"type": "http", "method": "GET", "scheme": "http", "path": "/", "query_string": b""}
            await Guard(ask)(
                {**scope, "client": (peer, 1), "server": ("127.0.0.1", 1), "headers": raw}, nothing, nothing
            )
    finally:
        await center.close()
    assert seen == ["insecure_transport", "key", "key", "key"]


async def test_a_large_body_is_not_read(guarded: Running, people: People) -> None:
    async with client(guarded.url) as http:
        answer = await http.post(SIGN_IN, json={"name": "x", "password": "y" * 200_000})
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
        nobody = await http.post("/api/v1/accounts", content=b"{" * 2_000, headers={"Content-Type": "application/json"})
        assert nobody.status_code == 401, "who may not is told so before the body is looked at"


async def test_a_field_that_nobody_knows_is_refused(guarded: Running) -> None:
    async with client(guarded.url) as http:
        answer = await http.post(SIGN_IN, json={"name": "x", "password": "y", "role": "admin"})
        assert answer.status_code == 422


def test_a_subscribers_ipv6_addresses_are_counted_as_one() -> None:
    assert bucket("2001:db8:1:2:3::4") == bucket("2001:db8:1:2:9::9") != bucket("2001:db8:1:3::1")
    assert bucket("192.0.2.1") != bucket("192.0.2.2")
    assert bucket(None) == bucket("testclient") == "unknown"
