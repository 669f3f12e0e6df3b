"""Watches over the rights of everybody who is connected: whoever loses them while a WebSocket is open is let go.

A session that ended, ran out or was revoked closes with 4401, a role or scope that changed with 4403; both at once
where the database's NOTIFY comes through, else within the directory's poll of half a second. While the database is away
nobody is let go: the screens go on with what they have.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Final

import structlog
from msgspec import structs

from access.directory import Credential, Directory
from access.policy import Principal
from center.sign_in import Caller
from city import metrics
from city.clock import Clock
from city.database import STORE_ERRORS

SIGNED_OUT: Final = 4401
CHANGED: Final = 4403
TICK_S: Final = 0.25
LOOK_S: Final = 20.0
"""Everybody is looked up so often anyway: who is connected is not idle."""
AT_ONCE: Final = 4

Close = Callable[[int, str], None]
"""Ends a connection with a code and a reason; never waits for the client."""

log = structlog.get_logger(__name__)


class Watch:
    """Everybody who is connected with a credential."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._present: dict[object, tuple[Caller, Close]] = {}
        self._changed = asyncio.Event()
        self._turns = asyncio.Semaphore(AT_ONCE)
        directory.on_change(self._changed.set)

    @contextlib.contextmanager
    def over(self, caller: Caller, close: Close) -> Iterator[None]:
        """While the block lasts, `close(code, reason)` is called once if the caller's rights end."""
        key = object()
        if caller.credential is not None:
            self._present[key] = (caller, close)
        try:
            yield
        finally:
            self._present.pop(key, None)

    async def run(self) -> None:
        """Until cancelled."""
        looked = self._clock.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._changed.wait()
            if self._changed.is_set() or self._clock.monotonic() - looked >= LOOK_S:
                self._changed.clear()
                looked = self._clock.monotonic()
                if not await self._look():
                    self._changed.set()
                    await asyncio.sleep(TICK_S)
            self._expire()

    async def _look(self) -> bool:
        """Asks for everybody anew; False if the database did not answer."""
        wanted = {caller.credential for caller, _ in self._present.values() if caller.credential is not None}
        try:
            found = dict(await asyncio.gather(*(self._resolve(credential) for credential in wanted)))
        except STORE_ERRORS as lost:
            log.warning("rights_unknown", error=f"{type(lost).__name__}: {lost}")
            return False
        for key, (caller, close) in list(self._present.items()):
            if caller.credential not in found:
                continue  # came in this moment
            now = found[caller.credential]
            if now is None:
                self._end(key, close, SIGNED_OUT, "signed_out")
            elif _rights(now) != _rights(caller.principal):
                self._end(key, close, CHANGED, "rights_changed")
            else:
                self._present[key] = structs.replace(caller, principal=now), close  # it may end at another time
        return True

    async def _resolve(self, credential: Credential) -> tuple[Credential, Principal | None]:
        async with self._turns:
            return credential, await self._directory.resolve(credential)

    def _expire(self) -> None:
        now_us = self._clock.now_us()
        for key, (caller, close) in list(self._present.items()):
            expires_us = caller.principal.expires_us
            if expires_us is not None and expires_us <= now_us:
                self._end(key, close, SIGNED_OUT, "signed_out")

    def _end(self, key: object, close: Close, code: int, reason: str) -> None:
        if self._present.pop(key, None) is None:
            return
        metrics.SOCKET_ENDED.labels(reason).inc()
        close(code, reason)


def _rights(principal: Principal) -> tuple[object, ...]:
    return principal.role, principal.sectors, principal.zones, principal.grants, principal.must_change
