"""The wall's own view of the system, through the WebSocket: when data is live, which alerts come and go."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, NamedTuple

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from city.timestamps import parse_time
from citywatch.supervisor.letting_in import NotYet


class Seen(NamedTuple):
    """One thing that a screen would show: kind is live, open (an alert that was there already), or a transition's."""

    kind: str
    text: str
    alert: str = ""
    raised_at: float = 0.0
    """Of the alert, seconds since the epoch."""


def seen_in(message: dict[str, Any], since: float) -> list[Seen]:
    """What a message of the `live` or `alerts` channel shows.

    Only values measured after `since`, seconds since the epoch, are live: center has older ones from the database.
    """
    match message.get("type"), message.get("channel"):
        case "delta", "live":
            live = sum(time_ms > since * 1000 for _, time_ms, _ in message.get("values", ()))
            return [Seen("live", f"{live} live values")] if live else []
        case "snapshot", "alerts":
            return [_seen("open", alert) for alert in message["alerts"]]
        case "delta", "alerts":
            return [_seen(message["kind"], message["alert"])]
    return []


async def watch(port: int, cookie: Callable[[], Awaitable[str]] | None = None) -> AsyncGenerator[Seen]:
    """Follow a center on 127.0.0.1 for ever, over restarts of it; live is what is measured from now on.

    `cookie` gives the credential of each connection.
    """
    since = time.time()
    while True:
        with contextlib.suppress(OSError, WebSocketException, TimeoutError, NotYet):
            headers = {"Cookie": await cookie()} if cookie is not None else {}
            address = f"ws://127.0.0.1:{port}/ws/v1"
            async with connect(address, max_size=64 * 2**20, additional_headers=headers) as socket:
                for channel in ("live", "alerts"):
                    await socket.send(json.dumps({"type": "subscribe", "channel": channel}))
                async for frame in socket:
                    for seen in seen_in(json.loads(frame), since):
                        yield seen
        await asyncio.sleep(0.2)


async def wait_for(port: int, kind: str, cookie: Callable[[], Awaitable[str]] | None = None) -> Seen:
    """The next thing of this kind."""
    async with contextlib.aclosing(watch(port, cookie)) as everything:
        async for seen in everything:
            if seen.kind == kind:
                return seen
    raise RuntimeError("the watch never ends")


def _seen(kind: str, alert: dict[str, Any]) -> Seen:
    raised_at = alert.get("raised_at")
    return Seen(kind, _title(alert), alert["id"], parse_time(raised_at) / 1e6 if raised_at else 0.0)


def _title(alert: dict[str, Any]) -> str:
    place = (alert.get("zone_name") or {}).get("en") or alert.get("zone") or alert.get("asset") or ""
    return f"{alert['severity']}: {alert['title']['en']}" + (f" ({place})" if place else "")
