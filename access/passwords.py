"""Passwords of local accounts: argon2id with the second recommended parameters of RFC 9106, and what may be one.

What may be a password follows NIST SP 800-63B and OWASP ASVS 6.2: length counts, no rules of composition, nothing is
cut off, and neither the well-known ones nor the account's own name.
"""

import asyncio
import functools
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from access.errors import AccessError
from access.names import folded

SHORTEST: Final = 12
LONGEST: Final = 128
AT_ONCE: Final = 2
"""Each takes 64 MiB and a core for some 50 ms."""
MOST_WAITING: Final = 40
"""More than that is no shift change but somebody who tries; they are told to come again."""

Given = TypeVar("Given")
Result = TypeVar("Result")

_hasher: Final = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
_threads: Final = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="password")
_in_hand: Final = {"count": 0}


class Unsuitable(AccessError):
    """Not taken as a password; the sentence says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__("unsuitable_password", sentence)


class Busy(AccessError):
    """Too many passwords are being compared; come again in some seconds."""

    def __init__(self) -> None:
        super().__init__("busy", "Too many people are signing in; try again in some seconds.")


def check(password: str, name: str) -> None:
    """Raises Unsuitable."""
    prepared = _prepared(password)
    if len(prepared) < SHORTEST:
        raise Unsuitable(f"A password has at least {SHORTEST} characters; a sentence is a good one.")
    if len(prepared) > LONGEST:
        raise Unsuitable(f"A password has at most {LONGEST} characters.")
    if any(unicodedata.category(char) in ("Cs", "Cc") for char in prepared):
        raise Unsuitable("A password has no control characters.")
    alike = folded(prepared)
    if alike in well_known() or len(set(alike)) < 4:
        raise Unsuitable("This password is among the first that are tried; choose another.")
    if len(name) >= 4 and folded(name) in alike:
        raise Unsuitable("The password contains the account's name; choose another.")


@functools.cache
def well_known() -> frozenset[str]:
    """Passwords of twelve characters and more that are tried first, folded."""
    lines = resources.files("access").joinpath("well_known.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(folded(line) for line in lines if not line.startswith("#"))


async def hashed(password: str) -> str:
    """The encoded argon2id hash. Raises Busy."""
    return await _in_turn(_hash, None, _prepared(password))


async def verify(encoded: str | None, password: str) -> bool:
    """Whether it is the password. Takes as long without a hash to compare with: a name that is free must not show.

    Raises Busy.
    """
    tried = password if len(password) <= LONGEST * 4 else ""
    return await _in_turn(_verify, encoded, _prepared(tried))


def same(one: str, other: str) -> bool:
    """Whether both are the same password, however they were typed."""
    return _prepared(one) == _prepared(other)


def outdated(encoded: str) -> bool:
    """Whether it was made with other parameters than today's."""
    return _hasher.check_needs_rehash(encoded)


async def _in_turn(work: Callable[[Given, str], Result], given: Given, password: str) -> Result:
    if _in_hand["count"] >= MOST_WAITING:
        raise Busy
    _in_hand["count"] += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, work, given, password)
    finally:
        _in_hand["count"] -= 1


def _hash(_: None, password: str) -> str:
    return _hasher.hash(password)


def _verify(encoded: str | None, password: str) -> bool:
    try:
        return _hasher.verify(encoded or _nobodys(), password.encode(errors="surrogatepass")) and encoded is not None
    except (VerificationError, InvalidHashError):
        return False


@functools.cache
def _nobodys() -> str:
    return _hasher.hash("a password that no account has")


def _prepared(password: str) -> str:
    """NFC: the same key strokes must give the same bytes on every keyboard (RFC 8265, OpaqueString)."""
    return unicodedata.normalize("NFC", password)
