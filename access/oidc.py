"""Sign-in at an OpenID Connect provider: code flow with PKCE, state and nonce (OpenID Connect Core 1.0, RFC 7636).

What a sign-in begins with is one row that is used once; the browser that began it holds the state in a cookie, so an
answer that somebody else began is refused. What the provider says of itself and its keys is access/provider.py's.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import asyncpg
import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError

from access import by_provider, secrets
from access.accounts import Account
from access.policy import Role
from access.provider import LEEWAY_S, Client, Provider, ProviderError
from city.clock import Clock, SystemClock

LASTS: Final = timedelta(minutes=10)
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signed with a key that only the provider has: never `none`, never with the client's secret."""
NAMES: Final = ("preferred_username", "email", "name")
HOME: Final = "/console"

BEGIN: Final = """INSERT INTO sign_in_state (hash, nonce, verifier, next_path, expires_at)
    VALUES ($1, $2, $3, $4, now() + $5)"""
FORGET: Final = "DELETE FROM sign_in_state WHERE expires_at < now()"
USE: Final = """DELETE FROM sign_in_state WHERE hash = $1
    RETURNING nonce, verifier, next_path, expires_at > now() AS valid"""


class SignIn:
    """Sign-in at one provider; `sectors` are those that the city has."""

    def __init__(
        self, client: Client, sectors: frozenset[str], *, clock: Clock | None = None, timeout_s: float = 5.0
    ) -> None:
        self.client = client
        self._sectors = sectors
        self._clock = clock or SystemClock()
        self._timeout_s = timeout_s
        self._provider = Provider(client, self._clock, timeout_s)

    async def begin(self, pool: asyncpg.Pool, next_path: str) -> tuple[str, str]:
        """The address to send the browser to, and the state that its cookie must hold.

        Raises ProviderError: unavailable, bad_answer.
        """
        document = await self._provider.document()
        state, nonce, verifier = secrets.token(), secrets.token(), secrets.token()
        async with self._oauth(document) as oauth:
            url, _ = oauth.create_authorization_url(
                document["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
            )
        await pool.execute(FORGET)
        await pool.execute(BEGIN, secrets.kept(state), nonce, verifier, local_path(next_path), LASTS)
        return str(url), state

    async def finish(
        self, pool: asyncpg.Pool, query: Mapping[str, str], cookie_state: str | None, address: str | None
    ) -> tuple[Account, str]:
        """The account of who came back, and the path they wanted.

        Raises:
            ProviderError: of every kind.
            AccessError: name_taken, disabled.
        """
        state = query.get("state", "")
        if not state or cookie_state is None or not secrets.same(state, cookie_state):
            raise ProviderError("refused", "This sign-in was not begun by this browser; begin again.")
        begun = await pool.fetchrow(USE, secrets.kept(state))
        if begun is None or not begun["valid"]:
            raise ProviderError("refused", "This sign-in is over or was used before; begin again.")
        if query.get("iss", self.client.issuer) != self.client.issuer:  # RFC 9207
            raise ProviderError("refused", "Another identity provider answered; begin again.")
        if "error" in query or not query.get("code"):
            told = query.get("error_description") or query.get("error") or "no code came"
            raise ProviderError("refused", f"The identity provider refused: {told[:200]}")
        claims = await self._claims(query["code"], begun["nonce"], begun["verifier"])
        role, sectors = self._rights(claims)
        name = next((claims[n] for n in NAMES if isinstance(claims.get(n), str)), "")
        account = await by_provider.account_for(pool, self.client.issuer, claims["sub"], name, role, sectors, address)
        return account, begun["next_path"]

    async def _claims(self, code: str, nonce: str, verifier: str) -> dict[str, Any]:
        token = await self._redeem(code, verifier)
        encoded, access_token = token.get("id_token"), token.get("access_token")
        if not isinstance(encoded, str):
            raise ProviderError("bad_answer", "The identity provider sent no ID token; is the scope openid allowed?")
        claims = await self._verified(encoded, nonce, access_token)
        if self.client.role_claim in claims or not isinstance(access_token, str):
            return claims
        told = await self._provider.user_info(access_token)
        if told.get("sub", claims["sub"]) != claims["sub"]:  # OpenID Connect Core 5.3.2
            raise ProviderError("bad_answer", "The identity provider told of somebody else.")
        return {**told, **claims}

    async def _redeem(self, code: str, verifier: str) -> Mapping[str, object]:
        document = await self._provider.document()
        try:
            async with self._provider.patience(), self._oauth(document) as oauth:
                token: Mapping[str, object] = await oauth.fetch_token(
                    document["token_endpoint"], grant_type="authorization_code", code=code, code_verifier=verifier
                )
                return token
        except httpx2.HTTPError as error:
            raise self._provider.away(error) from error
        except AuthlibBaseError as error:
            raise ProviderError("refused", f"The identity provider refused the code: {str(error)[:200]}") from error
        except ValueError as error:
            raise ProviderError("bad_answer", "The identity provider's answer is no JSON.") from error

    async def _verified(self, encoded: str, nonce: str, access_token: object) -> dict[str, Any]:
        try:
            token = await self._decoded(encoded)
            claims = CodeIDToken(
                token.claims,
                token.header,
                {
                    "iss": {"essential": True, "value": self.client.issuer},
                    "sub": {"essential": True},
                    "aud": {"essential": True, "value": self.client.client_id},
                    "nonce": {"essential": True, "value": nonce},
                },
                {"nonce": nonce, "client_id": self.client.client_id, "access_token": access_token},
            )
            claims.validate(now=self._clock.now_us() // 1_000_000, leeway=LEEWAY_S)
        except (JoseError, AuthlibBaseError, ValueError, TypeError) as error:
            sentence = f"The identity provider's token is not valid: {str(error)[:200]}. Are both clocks right?"
            raise ProviderError("bad_answer", sentence) from error
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
            raise ProviderError("bad_answer", "The identity provider's token names nobody.")
        return dict(claims)

    async def _decoded(self, encoded: str) -> jwt.Token:
        """Try the keys that are known, then, if it may be a new one, the keys of now."""
        try:
            return jwt.decode(encoded, await self._provider.keys(), algorithms=list(ALGORITHMS))
        except (JoseError, ValueError):
            if not self._provider.keys_may_be_new():
                raise
        return jwt.decode(encoded, await self._provider.keys(renew=True), algorithms=list(ALGORITHMS))

    def _rights(self, claims: Mapping[str, object]) -> tuple[Role, list[str]]:
        groups = _texts(claims.get(self.client.role_claim))
        roles = [self.client.roles[group] for group in groups if group in self.client.roles]
        if not roles:
            sentence = "The identity provider gives you no role here; ask for membership in one of its groups."
            raise ProviderError("not_a_member", sentence)
        best = max(roles, key=list(Role).index)
        asked = claims.get(self.client.sectors_claim) if self.client.sectors_claim else None
        if asked is None:
            return best, []
        sectors = [sector for sector in _texts(asked) if sector in self._sectors]
        if not sectors:
            raise ProviderError("not_a_member", "The identity provider gives you no sector that this city has.")
        return best, sectors

    def _oauth(self, document: Mapping[str, Any]) -> AsyncOAuth2Client:
        methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return AsyncOAuth2Client(
            self.client.client_id,
            self.client.client_secret,
            token_endpoint_auth_method=next(
                (m for m in ("client_secret_basic", "client_secret_post") if m in methods), None
            ),
            scope=self.client.scope,
            redirect_uri=self.client.redirect_uri,
            code_challenge_method="S256",
            timeout=self._timeout_s,
        )


def local_path(path: str) -> str:
    """A path of this server, or the console: never an address elsewhere (open redirects)."""
    if path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path:
        return path[:500]
    return HOME


def _texts(claim: object) -> list[str]:
    given = [claim] if isinstance(claim, str) else claim if isinstance(claim, list) else []
    return [one for one in given if isinstance(one, str)]
