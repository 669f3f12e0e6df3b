"""Who sends a request: the cookie or key that it brings, and the cookies that a sign-in leaves.

Over https the cookies are `__Host-…` and Secure; over plain HTTP there is sign-in on localhost only, where browsers
count a page as safe. A cookie that comes over plain HTTP from elsewhere is not looked at, and a key is refused unless
its network is one of CITYWATCH_PLAIN_HTTP_NETWORKS.
"""

import ipaddress
from datetime import timedelta
from typing import Final, Literal

import msgspec
from starlette.requests import HTTPConnection
from starlette.responses import Response

from access import devices, keys
from access.directory import Credential, Directory
from access.policy import NOBODY, Denied, Principal, Role
from center.errors import ApiError
from center.security import is_within, networks
from city.actor import Actor
from city.settings import Settings

COOKIE: Final = "citywatch"
CSRF_HEADER: Final = "X-CSRF-Token"
LONGEST: Final = 200
"""Characters of a credential; ours have some 70."""
LOOPBACK: Final = networks("127.0.0.0/8, ::1")
LOCAL: Final = Principal("local", "local", "local", Role.admin)
"""Everybody, while sign-in is off."""

Use = Literal["session", "device", "oidc"]


class Caller(msgspec.Struct, frozen=True):
    """Who asks, by which credential, from which address."""

    principal: Principal
    address: str | None
    credential: Credential | None = None

    @property
    def actor(self) -> Actor:
        """As the audit trail names them."""
        return Actor.of(self.principal, self.address)


class SignIn:
    """Reads credentials and writes cookies."""

    def __init__(self, settings: Settings, directory: Directory) -> None:
        self.required = settings.sign_in == "required"
        self.lasts = timedelta(hours=settings.session_hours)
        self.idle = timedelta(minutes=settings.session_idle_minutes)
        self._directory = directory
        self._plain = networks(settings.plain_http_networks)

    async def who(self, connection: HTTPConnection) -> Caller:
        """Whoever sends this; nobody without a valid credential.

        Raises Denied: insecure_transport, the database's errors.
        """
        address = address_of(connection)
        if not self.required:
            return Caller(LOCAL, address)
        for credential in credentials(connection):
            if credential.kind == "key":
                self._need_secret(connection, address)
            principal = await self._directory.resolve(credential)
            if principal is not None:
                return Caller(principal, address, credential)
        return Caller(NOBODY, address)

    def _need_secret(self, connection: HTTPConnection, address: str | None) -> None:
        """Raises Denied where others may have read the key on its way here."""
        if _encrypted(connection) or address is None or is_within(address, LOOPBACK) or is_within(address, self._plain):
            return
        sentence = (
            "This key came over plain HTTP, where others can read it, so it was not looked at: use https, and rotate "
            "the key. Behind a proxy that ends TLS, list the proxy's address in CITYWATCH_TRUSTED_PROXIES."
        )
        raise Denied("insecure_transport", sentence)

    def keep(self, response: Response, connection: HTTPConnection, use: Use, token: str, lasts: timedelta) -> None:
        """Sets a cookie."""
        secure = _encrypted(connection)
        response.set_cookie(
            cookie_name(use, secure),
            token,
            max_age=int(lasts.total_seconds()),
            path="/",
            secure=secure,
            httponly=True,
            samesite="lax",
        )

    def keep_device(self, response: Response, connection: HTTPConnection, token: str) -> None:
        """Sets a screen's cookie."""
        self.keep(response, connection, "device", token, devices.LASTS)

    def drop(self, response: Response, connection: HTTPConnection, use: Use) -> None:
        """Has the browser forget a cookie."""
        secure = _encrypted(connection)
        response.delete_cookie(cookie_name(use, secure), path="/", secure=secure, httponly=True, samesite="lax")


def credentials(connection: HTTPConnection) -> list[Credential]:
    """What was sent, what counts first first: a key alone, else the session's cookie, else the screen's."""
    scheme, _, text = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":  # another scheme is for a proxy before us
        is_key = text.startswith(keys.PREFIX) and len(text) <= LONGEST
        return [Credential("key", text)] if is_key else []
    if not is_private(connection):
        return []
    secure = _encrypted(connection)
    found: list[Credential] = []
    if text := connection.cookies.get(cookie_name("session", secure), "")[:LONGEST]:
        found.append(Credential("session", text))
    if text := connection.cookies.get(cookie_name("device", secure), "")[:LONGEST]:
        found.append(Credential("device", text))
    return found


def cookie_name(use: Use, secure: bool) -> str:
    """The name of a cookie; the prefix has browsers refuse it without Secure, from a subdomain, or for a part only."""
    name = COOKIE if use == "session" else f"{COOKIE}-{use}"
    return f"__Host-{name}" if secure else name


def is_private(connection: HTTPConnection) -> bool:
    """Whether nobody between here and the browser can read along: https, or the browser's own machine."""
    return _encrypted(connection) or is_this_machine(connection.url.hostname or "")


def need_private(connection: HTTPConnection) -> None:
    """Raises ApiError 403 where a secret would cross a network in the clear."""
    if not is_private(connection):
        sentence = (
            "Over plain HTTP there is sign-in on localhost only; use https. Behind a proxy that ends TLS, list the "
            "proxy's address in CITYWATCH_TRUSTED_PROXIES."
        )
        raise ApiError(403, "https_required", sentence)


def _encrypted(connection: HTTPConnection) -> bool:
    """Whether it came by https, here or at a proxy that is trusted (center.security believes those)."""
    return connection.url.scheme in ("https", "wss")


def is_this_machine(host: str) -> bool:
    """Whether a host in an address bar is the browser's own machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def address_of(connection: HTTPConnection) -> str | None:
    """The network address of whoever sends this (behind trusted proxies: as they tell it)."""
    return None if connection.client is None else connection.client.host
