"""Random secrets, and the hash under which they are kept: they have 256 bits, so one round of SHA-256 is enough."""

import hashlib
import hmac
import re
import secrets
from typing import Final

ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Of codes that people read from a screen: nothing that looks like something else."""
CODE_LENGTH: Final = 8
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def token() -> str:
    """256 bits, safe in URLs and cookies."""
    return secrets.token_urlsafe(32)


def is_token(text: str) -> bool:
    """Whether it has the form of a token; anything else need not be looked up."""
    return _TOKEN.fullmatch(text) is not None


def code() -> str:
    """Letters and digits for people to type, in two halves: XXXX-XXXX (39 bits)."""
    return _halves("".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH)))


def easy_password() -> str:
    """A first password (98 bits): small letters and digits that look like nothing else, in groups, hyphens between."""
    letters = [secrets.choice(ALPHABET.lower()) for _ in range(20)]
    return "-".join("".join(letters[at : at + 5]) for at in range(0, 20, 5))


def typed_code(text: str) -> str | None:
    """The code that somebody meant, or None if it can't be one."""
    letters = re.sub(r"[\s-]", "", text[: CODE_LENGTH * 4]).upper()
    return _halves(letters) if len(letters) == CODE_LENGTH and set(letters) <= set(ALPHABET) else None


def kept(secret: str) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(_bytes(secret)).digest()


def csrf(secret: str) -> str:
    """The token that a page of this session must send with every act; tells nothing of the session's secret."""
    return hmac.new(_bytes(secret), b"citywatch csrf", hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare without telling by time how much is equal."""
    return hmac.compare_digest(_bytes(one), _bytes(other))


def _halves(letters: str) -> str:
    return f"{letters[: CODE_LENGTH // 2]}-{letters[CODE_LENGTH // 2 :]}"


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
