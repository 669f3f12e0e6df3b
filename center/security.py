"""What a browser may be made to do here: checks of Host and Origin, trusted proxies, and the headers of every answer.

A web page elsewhere can make a browser speak to this server with its cookies, under its own name (DNS rebinding) or as
a cross-site request; both are refused here.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from center.errors import error_response
from city import metrics

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CSP: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "media-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = (
    ("Content-Security-Policy", CSP),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    (
        "Permissions-Policy",
        "accelerometer=(), autoplay=(self), camera=(), display-capture=(), encrypted-media=(), fullscreen=(self), "
        "geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), "
        "screen-wake-lock=(self), usb=(), xr-spatial-tracking=()",
    ),
)
HSTS: Final = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
PERSONAL: Final = ("/api/", "/metrics")
"""Paths whose answers no cache may keep unless they say so."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_known_host(name: str, listed: frozenset[str]) -> bool:
    """Whether a Host may be answered: an address, a name without dots, or a listed name.

    Rebinding needs a name that a stranger can give any address to, which neither an address nor `center` is.
    """
    if name in listed:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(name) and "." not in name and ":" not in name
    return True


def listed_names(setting: str) -> frozenset[str]:
    """The comma-separated names of CITYWATCH_CENTER_HOSTS."""
    return frozenset(name.strip().lower() for name in setting.split(",") if name.strip())


def networks(setting: str) -> tuple[Network, ...]:
    """The addresses and networks of a setting, comma separated. Raises ValueError."""
    return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in setting.split(",") if text.strip())


def is_within(host: str, wanted: Iterable[Network]) -> bool:
    """Whether an address lies in one of these networks; an IPv4 address may be written as one of IPv6."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if address.version == 6 else None
    return any((mapped or address) in network for network in wanted)


class Guard:
    """ASGI middleware: believes trusted proxies, refuses foreign hosts (421) and origins (403), adds the headers."""

    def __init__(self, app: ASGIApp, listed: frozenset[str] = frozenset(), proxies: tuple[Network, ...] = ()) -> None:
        self._app = app
        self._listed = listed
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        self._believe(scope)
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(scope, send) if scope["type"] == "http" else send)
        elif scope["type"] == "http":
            await error_response(*refusal)(scope, receive, _with_headers(scope, send))
        else:
            metrics.SOCKET_REFUSED.labels(refusal[1]).inc()
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})

    def _believe(self, scope: Scope) -> None:
        """Takes scheme and client from X-Forwarded-…, as far as it was trusted proxies that wrote them."""
        client = scope.get("client")
        if client is None or not self._trusts(client[0]):
            return
        headers = Headers(scope=scope)
        hops = [hop.strip() for value in headers.getlist("x-forwarded-for") for hop in value.split(",") if hop.strip()]
        for hop in reversed(hops):
            if not _is_address(hop):
                break
            client = (hop, 0)
            if not self._trusts(hop):
                break
        scope["client"] = client
        if headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower() == "https":
            scope["scheme"] = "wss" if scope["type"] == "websocket" else "https"

    def _trusts(self, host: str) -> bool:
        return is_within(host, self._proxies)

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not is_known_host(_name(host), self._listed):
            name = _name(host)[:80]
            return 421, "wrong_host", f"This server is not known as {name!r}; list it in CITYWATCH_CENTER_HOSTS."
        origin = headers.get("origin")
        crossing = scope["type"] == "websocket" or scope["method"] not in SAFE
        if origin is not None and crossing and _origin_host(origin) != host.lower():
            return 403, "wrong_origin", "Pages of another origin may not speak to this server."
        return None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _origin_host(origin: str) -> str:
    """Host and port of an Origin header, lower case; empty if it has none (`null`)."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _name(host: str) -> str:
    """The host of `host[:port]`, without brackets, lower case."""
    host = host.lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _with_headers(scope: Scope, send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS:
                headers.setdefault(name, value)
            if scope["scheme"] == "https":
                headers.setdefault(*HSTS)
            if scope["path"].startswith(PERSONAL):
                headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return with_headers
