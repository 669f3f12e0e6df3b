"""A screen that never gives up: it must show every transition once, in order, over every restart of center."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

SILENCE_SECONDS = 6.0


class Screen:
    """Follows the `alerts` channel with `since`; `shown` is what it has shown, by seq."""

    def __init__(self, ports: Callable[[], list[int]]) -> None:
        self._ports = ports
        self.have = 0
        self.epoch = ""
        self.shown: list[int] = []
        self.gaps = 0
        self.snapshots = 0
        self.connections = 0
        self.holes: list[tuple[int, int]] = []

    async def follow(self) -> None:
        """Until cancelled: connect to a center, subscribe from where it is, take what comes; silence means dead."""
        turn = 0
        while True:
            ports = self._ports()
            turn += 1
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                async with connect(f"ws://127.0.0.1:{ports[turn % len(ports)]}/ws/v1", max_size=64 * 2**20) as socket:
                    self.connections += 1
                    while True:
                        frame = await asyncio.wait_for(socket.recv(), SILENCE_SECONDS)
                        answer = self.take(json.loads(frame))
                        if answer is not None:
                            await socket.send(json.dumps(answer))
            await asyncio.sleep(0.2)

    def take(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """One message; what to answer, if anything."""
        kind = message["type"]
        if kind == "hello":
            self.epoch = self.epoch or message["epoch"]
            return {"type": "subscribe", "channel": "alerts", "since": self.have, "epoch": self.epoch}
        if kind == "gap" and message["channel"] == "alerts":
            self.gaps += 1
        elif kind == "snapshot" and message["channel"] == "alerts":
            self.snapshots += 1
            self.have = message["seq"]
        elif kind == "delta" and message["channel"] == "alerts":
            if message["seq"] <= self.have:
                return None
            if message["prev"] > self.have:
                self.holes.append((self.have, message["prev"]))
                return {"type": "subscribe", "channel": "alerts", "since": self.have, "epoch": self.epoch}
            self.have = message["seq"]
            self.shown.append(message["seq"])
        return None
