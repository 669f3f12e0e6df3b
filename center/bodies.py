"""The size of every request's body but those of events, which the door counts as it reads them."""

import asyncio
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from center.errors import error_response

MAX_BODY: Final = 16 * 1024
"""Bytes; the longest legal body of a route is a few hundred."""
READ_S: Final = 10.0
"""How long a body may take to come."""
CLOSE: Final = {"Connection": "close"}


class BodyLimit:
    """ASGI middleware: a body is read before the application hears of the request, or refused with 413 or 408."""

    def __init__(self, app: ASGIApp, unlimited: frozenset[tuple[str, str]]) -> None:
        self._app = app
        self._unlimited = unlimited
        """(method, path) of the routes that bound what they read themselves."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) in self._unlimited:
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(READ_S):
                body = await _read(receive)
        except TimeoutError:
            sentence = f"The body did not come within {READ_S:g} s; nothing was done."
            await error_response(408, "too_slow", sentence, CLOSE)(scope, receive, send)
            return
        except _TooLarge:
            sentence = f"The body has more than {MAX_BODY} bytes; nothing was done."
            await error_response(413, "too_large", sentence, CLOSE)(scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _again(body, receive), send)


class _TooLarge(Exception):
    """More than MAX_BODY."""


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None if the client left before its end. Raises _TooLarge, having read no further."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise _TooLarge
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives the body first, then what comes after it."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return again
