"""Who comes with which credential, known without asking the database each time.

Who was found is remembered for a minute at most, and only until something changes: the row `access_version` moves with
every change of an account, session, key or screen. A NOTIFY on CHANNEL hints at it (whoever hears it calls `hint`) and
a poll every half second proves it, so nobody keeps a right for longer. What is unknown is never remembered: a stranger
can't fill the memory.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Literal

import asyncpg
import msgspec
import structlog

from access import devices, keys, sessions
from access.policy import Principal
from city.clock import Clock
from city.database import STORE_ERRORS

CHANNEL: Final = "citywatch_access"
POLL_S: Final = 0.5
BLIND_S: Final = 5.0
"""Without the database's word for this long nothing that was remembered counts."""
REMEMBER_S: Final = 60.0
"""Asking anew is also how the database learns that a session, screen or key is in use."""
TIDY_S: Final = 3600.0
MOST: Final = 20_000
VERSION: Final = "SELECT version FROM access_version"

log = structlog.get_logger(__name__)


class Credential(msgspec.Struct, frozen=True):
    """What a request brought: a session's or screen's cookie, or a key. Prints without its secret."""

    kind: Literal["session", "device", "key"]
    secret: str

    def __repr__(self) -> str:
        return f"Credential({self.kind})"


class Directory:
    """Resolves credentials; `run` watches for changes and calls every listener after one."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock, *, idle: timedelta, most: int = MOST) -> None:
        self._pool = pool
        self._clock = clock
        self._idle = idle
        self._most = most
        self._known: dict[Credential, tuple[Principal, float]] = {}
        self._version: int | None = None
        self._heard = clock.monotonic() - BLIND_S
        self._hint = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` whenever somebody may have lost or gained a right; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def resolve(self, credential: Credential) -> Principal | None:
        """Who that is now, or None. Raises the database's errors where nothing fresh is remembered."""
        if (known := self._remembered(credential)) is not None:
            return self._unexpired(known)
        version = self._version
        principal = await self._look(credential)
        if principal is None:
            return None
        if self._fresh() and version == self._version:
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[credential] = principal, self._clock.monotonic() + REMEMBER_S
        return self._unexpired(principal)

    async def run(self) -> None:
        """Until cancelled: notice changes, and clear away once an hour what is over."""
        tidied = self._clock.monotonic()
        while True:
            try:
                await self._watch()
                if self._clock.monotonic() - tidied >= TIDY_S:
                    tidied = self._clock.monotonic()
                    await sessions.forget(self._pool, self._idle)
                    await devices.forget(self._pool)
            except STORE_ERRORS as lost:
                log.warning("access_unknown", error=f"{type(lost).__name__}: {lost}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._hint.wait()
            self._hint.clear()

    def hint(self) -> None:
        """Something may have changed (a NOTIFY came): look at once."""
        self._hint.set()

    @property
    def remembered(self) -> int:
        """How many credentials are remembered."""
        return len(self._known)

    async def _watch(self) -> None:
        asked = self._clock.monotonic()
        async with asyncio.timeout(BLIND_S / 2):
            version = await self._pool.fetchval(VERSION)
        blind = not self._fresh()
        self._heard = asked
        if version != self._version or blind:
            self._version = version
            self._known.clear()
            for listener in list(self._listeners):
                listener()

    def _fresh(self) -> bool:
        return self._clock.monotonic() - self._heard < BLIND_S

    def _remembered(self, credential: Credential) -> Principal | None:
        known = self._known.get(credential) if self._fresh() else None
        return known[0] if known is not None and self._clock.monotonic() < known[1] else None

    def _unexpired(self, principal: Principal) -> Principal | None:
        over = principal.expires_us is not None and principal.expires_us <= self._clock.now_us()
        return None if over else principal

    async def _look(self, credential: Credential) -> Principal | None:
        match credential.kind:
            case "session":
                return await sessions.resolve(self._pool, credential.secret, self._idle)
            case "device":
                return await devices.resolve(self._pool, credential.secret)
        return await keys.resolve(self._pool, credential.secret)
