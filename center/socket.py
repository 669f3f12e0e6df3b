"""One WebSocket connection, from hello to goodbye: hears requests, lets the hub answer."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, cast

import asyncpg
import structlog
from msgspec import structs
from starlette.websockets import WebSocket

from access.policy import Denied, Principal, narrowed, require
from center import frames, history
from center.alertchannel import CATCH_UP
from center.client import Client, Wire
from center.hub import Hub
from center.protocol import EVERYTHING, Channel, Filter, Listener, Painted, ProtocolError, Subscribe, Unsubscribe
from center.screens import Screens
from center.sign_in import Caller, SignIn
from center.watch import CHANGED, SIGNED_OUT, Watch
from center.wire import GOODBYE_S, WIRE
from city import metrics
from city.clock import Clock
from city.database import STORE_ERRORS
from city.timestamps import format_time

MAX_CLIENTS: Final = 10_000
LATER: Final = 1013
ENDED: Final = {
    "signed_out": "The session is over; sign in again.",
    "rights_changed": "Role or scope have changed; connect again.",
}
LOAD_S: Final = 5.0
POLICY: Final = 1008
CATCH_UPS: Final = 4
"""Clients that may read history from the database at the same time; the others wait in line."""

CONNECT: Final = "city.read"
"""The permission to be connected at all, and to say what was painted."""
CHANNELS: Final[dict[Channel, str]] = {"alerts": "alerts.read", "live": "readings.read", "city": "city.read"}
"""The permission to subscribe to each channel."""

log = structlog.get_logger(__name__)


class ScreenWire(Wire, Protocol):
    """What the server's protocol object offers beyond a Wire."""

    on_ready: Callable[[], None] | None

    async def drained(self) -> None: ...


class Socket:
    """Serves connections of one hub."""

    def __init__(
        self,
        hub: Hub,
        pool: asyncpg.Pool,
        screens: Screens,
        clock: Clock,
        loaded: asyncio.Event,
        sign_in: SignIn,
        watch: Watch,
        *,
        sectors: frozenset[str],
        zones: frozenset[str],
    ) -> None:
        self._hub = hub
        self._pool = pool
        self._screens = screens
        self._clock = clock
        self._loaded = loaded
        self._sign_in = sign_in
        self._watch = watch
        self._sectors = sectors
        self._zones = zones
        self._catching_up = asyncio.Semaphore(CATCH_UPS)
        self._number = 0
        self._goodbyes: set[asyncio.Task[None]] = set()

    async def serve(self, websocket: WebSocket) -> None:
        """Until the client leaves, is let go, or makes too many mistakes."""
        offered = websocket.scope.get("subprotocols", [])
        await websocket.accept(subprotocol=frames.VERSION if frames.VERSION in offered else None)
        if len(self._hub.clients) >= MAX_CLIENTS:
            metrics.SOCKET_REFUSED.labels("too_many").inc()
            await websocket.close(LATER, "too many connections")
            return
        caller = await self._caller(websocket)
        if caller is None:
            return
        if not await self._is_loaded():
            metrics.SOCKET_REFUSED.labels("not_loaded").inc()
            await websocket.close(LATER, "the database has not answered yet")
            return
        wire = cast(ScreenWire, websocket.scope["extensions"][WIRE])
        client = self._client(websocket, wire)
        wire.on_ready = lambda: self._hub.resume(client)
        self._hub.attach(client, format_time(self._clock.now_us()))
        metrics.CLIENTS.inc()

        def close(code: int, reason: str) -> None:
            self._hub.detach(client)
            wire.write(frames.error(reason, ENDED[reason]))
            task = asyncio.create_task(_goodbye(websocket, wire, code, reason))
            self._goodbyes.add(task)
            task.add_done_callback(self._goodbyes.discard)

        try:
            with self._watch.over(caller, close):
                await self._converse(websocket, wire, client, caller.principal)
        finally:
            wire.on_ready = None
            self._hub.detach(client)
            self._screens.gone(client.name, client.address)
            metrics.CLIENTS.dec()

    async def _caller(self, websocket: WebSocket) -> Caller | None:
        """Who connects; None if they may not, and were told so."""
        try:
            caller = await self._sign_in.who(websocket)
            require(caller.principal, CONNECT)
        except STORE_ERRORS as lost:
            log.warning("rights_unknown", error=f"{type(lost).__name__}: {lost}")
            metrics.SOCKET_REFUSED.labels("not_loaded").inc()
            await websocket.close(LATER, "the database does not answer")
        except Denied as denied:
            nobody = denied.code == "sign_in_required"
            reason = denied.code if denied.code in ("sign_in_required", "insecure_transport") else "not_allowed"
            metrics.SOCKET_REFUSED.labels(reason).inc()
            cast(ScreenWire, websocket.scope["extensions"][WIRE]).write(frames.error(denied.code, denied.sentence))
            await websocket.close(SIGNED_OUT if nobody else CHANGED, denied.code)
        else:
            return caller
        return None

    async def _is_loaded(self) -> bool:
        """Waits a moment for the first look at the database; before it there is nothing true to say."""
        try:
            async with asyncio.timeout(LOAD_S):
                await self._loaded.wait()
        except TimeoutError:
            return False
        return True

    def _client(self, websocket: WebSocket, wire: ScreenWire) -> Client:
        self._number += 1
        host, port = websocket.client or ("unknown", 0)
        return Client(wire, f"{host}:{port}", f"screen-{self._number}")

    async def _converse(self, websocket: WebSocket, wire: ScreenWire, client: Client, who: Principal) -> None:
        listener = Listener(self._sectors, self._zones, now=self._clock.monotonic())
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await wire.drained()  # who does not read the answers is not heard further
            heard = message.get("text")
            try:
                request = listener.hear(message.get("bytes") if heard is None else heard, self._clock.monotonic())
            except ProtocolError as mistake:
                metrics.SOCKET_ERRORS.labels(mistake.code).inc()
                wire.write(frames.error(mistake.code, mistake.sentence))
                if mistake.fatal:
                    await websocket.close(POLICY, mistake.code)
                    return
                continue
            match request:
                case Subscribe():
                    try:
                        await self._subscribe(client, _within(who, request))
                    except Denied as denied:
                        metrics.SOCKET_ERRORS.labels(denied.code).inc()
                        wire.write(frames.error(denied.code, denied.sentence))
                case Unsubscribe():
                    self._hub.unsubscribe(client, request)
                case Painted(seq=seq, screen=screen):
                    client.name = screen or client.name
                    self._screens.painted(
                        client.name, client.address, seq, self._clock.now_us(), self._clock.monotonic()
                    )

    async def _subscribe(self, client: Client, request: Subscribe) -> None:
        member = self._hub.subscribe(client, request)
        if member is None or request.since is None:
            return
        missed = await self._missed(request.since)
        if missed is None or missed.epoch != self._hub.alerts.book.epoch:
            member.lost = True
            self._hub.alerts.catch_up(member, request.since, request.since, [])
        else:
            self._hub.alerts.catch_up(member, request.since, missed.head, missed.transitions)

    async def _missed(self, since: int) -> history.Missed | None:
        """What came after `since`; None while history cannot be read: then what the hub knows stands for it."""
        try:
            async with self._catching_up:
                return await history.missed(self._pool, since, CATCH_UP + 1)
        except STORE_ERRORS as lost:
            log.warning("history_unavailable", error=f"{type(lost).__name__}: {lost}")
            return None


async def _goodbye(websocket: WebSocket, wire: ScreenWire, code: int, reason: str) -> None:
    """Closes; a client that takes nothing is cut off."""
    try:
        async with asyncio.timeout(GOODBYE_S):
            await websocket.close(code, reason)
    except TimeoutError:
        wire.abort()
    except RuntimeError:  # it is closing already
        return


def _within(who: Principal, request: Subscribe) -> Subscribe:
    """The request with what was asked for cut down to the principal's scope. Raises Denied."""
    require(who, CHANNELS[request.channel])
    wanted = request.filter or EVERYTHING
    within = Filter(narrowed(who.sectors, wanted.sectors, "sectors"), narrowed(who.zones, wanted.zones, "zones"))
    return structs.replace(request, filter=within)
