"""Who may speak to this server from a browser: checks of Host and Origin, and the headers of every answer.

Until there is sign-in, what keeps strangers out is the loopback address. A web page elsewhere can still make a browser
speak to 127.0.0.1, under its own name (DNS rebinding) or as a cross-site request; both are refused here.
"""

import ipaddress
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
)


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


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listed_names(setting: str) -> frozenset[str]:
    """The comma-separated names of CITYWATCH_CENTER_HOSTS."""
    return frozenset(name.strip().lower() for name in setting.split(",") if name.strip())


class Guard:
    """ASGI middleware: refuses foreign hosts (421) and foreign origins (403); adds the security headers."""

    def __init__(self, app: ASGIApp, listed: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._listed = listed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send) if scope["type"] == "http" else send)
        elif scope["type"] == "http":
            await error_response(*refusal)(scope, receive, _with_headers(send))
        else:
            metrics.SOCKET_REFUSED.labels(refusal[1]).inc()
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})

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


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS:
                headers.setdefault(name, value)
        await send(message)

    return with_headers
