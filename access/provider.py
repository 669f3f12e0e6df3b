"""What an identity provider says of itself: its discovery document, its keys, and of a person at its user-info.

The document is asked for again after an hour. Keys are asked for again when a token was signed with none of those that
are known, at most once a minute, whatever is sent to us.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import msgspec
from joserfc import jwk
from joserfc.errors import JoseError

from access.errors import AccessError
from access.policy import Role
from city.clock import Clock

LEEWAY_S: Final = 60
DOCUMENT_S: Final = 3600.0
NEW_KEYS_S: Final = 60.0
ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class ProviderError(AccessError):
    """Sign-in at the provider failed: unavailable, refused, bad_answer, not_a_member."""


class Client(msgspec.Struct, frozen=True):
    """How this installation is known to the provider. `roles` maps a value of `role_claim` to a role."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str
    title: str
    role_claim: str
    sectors_claim: str
    roles: Mapping[str, Role]
    scope: str = "openid profile email"

    def __post_init__(self) -> None:
        if not _safe(self.issuer):
            raise ValueError(f"issuer {self.issuer!r} is no https address")

    def __repr__(self) -> str:
        return f"Client({self.issuer!r}, {self.client_id!r})"


class Provider:
    """One identity provider."""

    def __init__(self, client: Client, clock: Clock, timeout_s: float) -> None:
        self._issuer = client.issuer
        self._clock = clock
        self._timeout_s = timeout_s
        self._document: dict[str, Any] | None = None
        self._document_at = 0.0
        self._keys: jwk.KeySet | None = None
        self._keys_at = 0.0

    async def document(self) -> Mapping[str, Any]:
        """The discovery document, with every endpoint that a sign-in needs. Raises ProviderError."""
        if self._document is not None and self._clock.monotonic() - self._document_at < DOCUMENT_S:
            return self._document
        document = await self._get(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
        if document.get("issuer") != self._issuer:
            sentence = f"The identity provider calls itself {document.get('issuer')!r}, not {self._issuer!r}."
            raise ProviderError("bad_answer", sentence)
        for endpoint in ENDPOINTS:
            if not _safe(document.get(endpoint)):
                raise ProviderError("bad_answer", f"The identity provider's discovery document has no safe {endpoint}.")
        self._document, self._document_at = document, self._clock.monotonic()
        return document

    async def keys(self, *, renew: bool = False) -> jwk.KeySet:
        """The keys it signs with. Raises ProviderError."""
        if self._keys is None or renew:
            answer = await self._get((await self.document())["jwks_uri"])
            self._keys, self._keys_at = _key_set(answer), self._clock.monotonic()
        return self._keys

    def keys_may_be_new(self) -> bool:
        """Whether its keys may be asked for again."""
        return self._clock.monotonic() - self._keys_at >= NEW_KEYS_S

    async def user_info(self, access_token: str) -> dict[str, Any]:
        """What else it tells of a person; nothing where it has no such endpoint. Raises ProviderError."""
        endpoint = (await self.document()).get("userinfo_endpoint")
        if not _safe(endpoint):
            return {}
        return await self._get(str(endpoint), {"Authorization": f"Bearer {access_token}"})

    @asynccontextmanager
    async def patience(self) -> AsyncIterator[None]:
        """What is done within must be done in time, however slowly the answer drips. Raises ProviderError."""
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except TimeoutError as error:
            raise self.away(error) from error

    def away(self, error: Exception) -> ProviderError:
        """It does not answer."""
        host = urlsplit(self._issuer).netloc
        return ProviderError("unavailable", f"The identity provider {host} does not answer ({type(error).__name__}).")

    async def _get(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        try:
            async with self.patience(), httpx2.AsyncClient(timeout=self._timeout_s) as http:
                answer = await http.get(url, headers=headers)
                answer.raise_for_status()
                found = answer.json()
        except httpx2.HTTPError as error:
            raise self.away(error) from error
        except ValueError as error:
            raise ProviderError("bad_answer", "The identity provider's answer is no JSON.") from error
        if not isinstance(found, dict):
            raise ProviderError("bad_answer", "The identity provider's answer is no JSON object.")
        return found


def _key_set(answer: Mapping[str, Any]) -> jwk.KeySet:
    """The keys that can be read; one of a kind that nobody here knows does not spoil the others."""
    found: list[jwk.Key] = []
    given = answer.get("keys")
    for one in given if isinstance(given, list) else []:
        if not isinstance(one, dict) or one.get("kty") == "oct" or one.get("use", "sig") != "sig":
            continue
        try:
            found.append(jwk.import_key(one))
        except (JoseError, ValueError, KeyError, TypeError):
            continue
    if not found:
        raise ProviderError("bad_answer", "The identity provider has no key that can be read.")
    return jwk.KeySet(found)


def _safe(address: object) -> bool:
    """An https address; on this machine http will do."""
    if not isinstance(address, str):
        return False
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
