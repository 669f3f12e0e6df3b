"""Limits of what strangers may try: signing in, pairing, claiming links. Counted per process, in bounded memory."""

import ipaddress
import math
import time
from typing import Final

import msgspec
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from access.unlocking import Unlocked
from center.errors import ApiError

SIGN_IN_ADDRESS: Final = parse("20/minute")
SIGN_IN_NAME: Final = parse("10/minute")
SIGN_IN_ALL: Final = parse("600/minute")
PASSWORD: Final = parse("10/minute")
PAIRING: Final = parse("10/minute")
POLL: Final = parse("240/minute")
CONFIRM: Final = parse("20/minute")
CLAIM: Final = parse("60/minute")
PROVIDER: Final = parse("30/minute")
VERIFY: Final = parse("6/minute")

SIGN_IN_FROM: Final = "sign-in from"
SIGN_IN_AS: Final = "sign-in as"

MOST: Final = 20_000
"""Counters kept; a flood from more places than that is refused as a whole until its minute is over."""


class Limiter:
    """Counts what is tried in windows of a minute."""

    def __init__(self) -> None:
        self._storage = MemoryStorage()
        self._windows = FixedWindowRateLimiter(self._storage)

    def take(self, limit: RateLimitItem, what: str, who: str = "") -> None:
        """Counts one attempt. Raises ApiError 429 above the limit."""
        if len(self._storage.storage) >= MOST:
            raise _too_many(limit.get_expiry())
        if not self._windows.hit(limit, what, who):
            reset = self._windows.get_window_stats(limit, what, who).reset_time
            raise _too_many(reset - time.time())

    def take_sign_in(self, address: str | None, folded_name: str) -> None:
        """Counts one attempt to sign in, in each of its ways. Raises ApiError 429 above a limit."""
        self.take(SIGN_IN_ADDRESS, SIGN_IN_FROM, bucket(address))
        self.take(SIGN_IN_NAME, SIGN_IN_AS, folded_name)
        self.take(SIGN_IN_ALL, "sign-in")

    def unlocked(self, said: str) -> None:
        """Somebody's account was unlocked (access.unlocking says it): what their tries have used up is free again."""
        try:
            unlocked = msgspec.json.decode(said, type=Unlocked)
        except msgspec.MsgspecError:
            return
        self._windows.clear(SIGN_IN_NAME, SIGN_IN_AS, unlocked.folded_name)
        for address in unlocked.addresses:
            self._windows.clear(SIGN_IN_ADDRESS, SIGN_IN_FROM, bucket(address))


def bucket(address: str | None) -> str:
    """An address as it is counted: a whole /64 of IPv6 belongs to one subscriber."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def _too_many(seconds: float) -> ApiError:
    wait = max(1, math.ceil(seconds))
    return ApiError(429, "too_many_requests", f"Too many attempts; try again in {wait} s.", retry_after_s=wait)
