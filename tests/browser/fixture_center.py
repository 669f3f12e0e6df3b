"""A stand-in for center that a test holds in its hand: it serves the built frontend and speaks citywatch.v1.

The real center cannot be told to fall silent, to send one transition at a chosen instant or to lose a feed on command;
this one can. It knows nothing of Kafka and databases. `python -m tests.browser.fixture_center --scene flood` serves it.
"""

import argparse
import asyncio
import contextlib
import copy
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from center.security import Guard
from tests.browser import scenes
from tests.browser.scenes import Json, Scene, stamp

OPERATOR = {"kind": "person", "name": "Trần Hương", "role": "operator"}
DIST = Path(__file__).parents[2] / "frontend" / "dist"


class FixtureCenter:
    """Context manager: serves on a free port of 127.0.0.1 from a thread of its own; every method may be called from the
    test's thread and returns when the frames are handed to the sockets."""

    def __init__(self, scene: Scene, dist: Path = DIST, port: int = 0) -> None:
        if not (dist / "index.html").is_file():
            raise FileNotFoundError(f"{dist} has no index.html; build the frontend first: npm run build")
        self.scene = scene
        self.address = ""
        self.ahead_s = 0.0
        """How far this server's clock is ahead of the machine's."""
        self.painted: list[Json] = []
        self.subscriptions: list[Json] = []
        self._dist = dist
        self._port = port
        self._sockets: set[WebSocket] = set()
        self._city_seq = 1
        self._live_seq = 1
        self._beating = True
        self._refusing = False
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="fixture-center", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(10):
            raise TimeoutError("The fixture center did not start in 10 s.")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # What a test does to it.

    def transition(self, kind: str, alert: Json) -> None:
        """One alert transition, now, to every subscriber."""
        self.scene.seq += 1
        if alert["state"] == "normal":
            self.scene.alerts.pop(alert["id"], None)
        else:
            self.scene.alerts[alert["id"]] = alert
        self._send(
            "alerts",
            {"seq": self.scene.seq, "prev": self.scene.seq - 1, "kind": kind, "at": stamp(), "alert": alert},
        )

    def tear_a_hole(self, missed: int = 3) -> None:
        """Transitions that no client is told of; each is told of the gap."""
        first = self.scene.seq
        self.scene.seq += missed
        self._run(self._broadcast({"type": "gap", "channel": "alerts", "from": first, "to": self.scene.seq}))

    def end_the_hole(self) -> None:
        """The snapshot after a gap."""
        self._run(self._broadcast({"type": "snapshot", "channel": "alerts", **self._alerts()}))

    def change_city(self, **changed: Any) -> None:
        """Keys of the city state that changed."""
        self._city_seq += 1
        sectors = changed.get("sectors", [])
        named = {sector["sector"]: sector for sector in sectors}
        self.scene.city["sectors"] = [named.get(s["sector"], s) for s in self.scene.city["sectors"]]
        self.scene.city.update({key: value for key, value in changed.items() if key != "sectors"})
        self._send("city", {"seq": self._city_seq, "prev": self._city_seq - 1, **changed})

    def fall_silent(self) -> None:
        """Nothing more is said, and the sockets stay open: what a hung server or a half-open link looks like."""
        self._beating = False

    def refuse(self) -> None:
        """Ends every connection and takes no new one."""
        self._refusing = True
        self._beating = False
        self._run(self._close_all())

    def come_back(self) -> None:
        """Speaks again."""
        self._refusing = False
        self._beating = True

    def stop(self) -> None:
        """Is gone: its port takes no connection any more. A second time nothing happens."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)

    def announce_restart(self, in_s: float) -> None:
        """Says that it will restart."""
        self._run(self._broadcast({"type": "restarting", "in_s": in_s}))

    # The server.

    def _send(self, channel: str, body: Json) -> None:
        self._run(self._broadcast({"type": "delta", "channel": channel, **body}))

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    def _alerts(self) -> Json:
        return {"seq": self.scene.seq, "alerts": list(self.scene.alerts.values())}

    async def _broadcast(self, message: Json) -> None:
        for socket in list(self._sockets):
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.send_text(json.dumps(message, ensure_ascii=False))

    async def _close_all(self) -> None:
        for socket in list(self._sockets):
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.close(1012)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        app = Starlette(
            routes=[
                Route("/api/v1/session", self._session),
                Route("/api/v1/sectors", self._sectors),
                Route("/api/v1/zones.geojson", self._zones),
                Route("/api/v1/alerts/{id}/acknowledge", self._acknowledge, methods=["POST"]),
                Route("/api/v1/alerts/{id}/history", self._history),
                WebSocketRoute("/ws/v1", self._socket),
                *[Route(path, self._page) for path in ("/", "/wall", "/console")],
                Mount("/", StaticFiles(directory=self._dist)),
            ]
        )
        config = uvicorn.Config(Guard(app), host="127.0.0.1", port=self._port, log_level="warning", lifespan="off")
        config.ws = "websockets-sansio"
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server._serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        beating = asyncio.create_task(self._beat())
        self._started.set()
        await self._stop.wait()
        beating.cancel()
        server.should_exit = True
        server.force_exit = True
        await serving

    async def _beat(self) -> None:
        """Heartbeats every 2 s, fresh values every second: as center does."""
        beat = 0
        while True:
            await asyncio.sleep(1)
            if not self._beating:
                continue
            beat += 1
            if beat % 2 == 0:
                await self._broadcast(
                    {"type": "heartbeat", "server_time": stamp(-self.ahead_s), "alerts_through": self.scene.seq}
                )
            self._live_seq += 1
            await self._broadcast(
                {
                    "type": "delta",
                    "channel": "live",
                    "seq": self._live_seq,
                    "prev": self._live_seq - 1,
                    "values": self.scene.fresh_values(),
                }
            )
            if changed := self.scene.fresh_sectors():
                self._city_seq += 1
                await self._broadcast(
                    {
                        "type": "delta",
                        "channel": "city",
                        "seq": self._city_seq,
                        "prev": self._city_seq - 1,
                        "sectors": changed,
                    }
                )

    async def _page(self, _: Request) -> Response:
        return FileResponse(self._dist / "index.html")

    async def _session(self, _: Request) -> Response:
        principal = {**OPERATOR, "sectors": [], "zones": [], "must_change_password": False}
        ways = {"required": False, "local": True, "private": True, "oidc": None}
        return JSONResponse({"principal": principal, "csrf": None, "expires_at": None, "sign_in": ways})

    async def _sectors(self, _: Request) -> Response:
        return JSONResponse(self.scene.catalogue)

    async def _zones(self, _: Request) -> Response:
        return FileResponse(self.scene.zones, media_type="application/geo+json")

    async def _history(self, request: Request) -> Response:
        alert = self.scene.alerts.get(request.path_params["id"])
        if alert is None:
            return JSONResponse({"error": {"code": "not_found", "message": "No such alert."}}, 404)
        raised = {"seq": 1, "kind": "raised", "at": alert["raised_at"], "actor": None, "alert": alert}
        return JSONResponse({"transitions": [raised]})

    async def _acknowledge(self, request: Request) -> Response:
        alert = self.scene.alerts.get(request.path_params["id"])
        by = OPERATOR["name"]
        if alert is None:
            return JSONResponse({"error": {"code": "not_found", "message": "No such alert."}}, 404)
        if alert["acknowledged_by"] is not None:
            sentence = f"{alert['acknowledged_by']} acknowledged it at {alert['acknowledged_at']}."
            return JSONResponse({"error": {"code": "illegal_transition", "message": sentence}}, 409)
        after = {
            **copy.deepcopy(alert),
            "state": "normal" if alert["cleared_at"] else "acknowledged",
            "acknowledged_by": by,
            "acknowledged_at": stamp(),
        }
        await asyncio.to_thread(self.transition, "acknowledged", after)
        return JSONResponse(after)

    async def _socket(self, socket: WebSocket) -> None:
        if self._refusing:
            await socket.close(1013)
            return
        await socket.accept("citywatch.v1" if "citywatch.v1" in socket.scope["subprotocols"] else None)
        await socket.send_json(
            {
                "type": "hello",
                "server_time": stamp(-self.ahead_s),
                "epoch": self.scene.epoch,
                "heartbeat_s": 2,
                "version": "citywatch.v1",
            }
        )
        self._sockets.add(socket)
        try:
            while True:
                await self._hear(socket, json.loads(await socket.receive_text()))
        except WebSocketDisconnect:
            pass
        finally:
            self._sockets.discard(socket)

    async def _hear(self, socket: WebSocket, message: Json) -> None:
        if message["type"] == "painted":
            self.painted.append(message)
        if message["type"] != "subscribe" or not self._beating:
            return
        self.subscriptions.append(message)
        channel = message["channel"]
        if channel == "alerts" and message.get("since") == self.scene.seq:
            return
        body: Json
        if channel == "alerts":
            body = self._alerts()
        elif channel == "live":
            body = {"seq": self._live_seq, "series": self.scene.series, "values": self.scene.fresh_values()}
        else:
            body = {"seq": self._city_seq, **self.scene.city}
        await socket.send_text(json.dumps({"type": "snapshot", "channel": channel, **body}, ensure_ascii=False))


def serve(scene: Scene, port: int) -> Iterator[str]:
    """For hand and eye: yields the address, then serves until the generator is closed."""
    with FixtureCenter(scene, port=port) as center:
        yield center.address
        while True:
            time.sleep(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", choices=sorted(scenes.ALL), default="flood")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        for address in serve(scenes.ALL[arguments.scene](), arguments.port):
            print(f"{address}/wall", flush=True)
