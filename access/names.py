"""Names that people give to accounts, keys and screens."""

import unicodedata
from typing import Final

from access.errors import AccessError

LONGEST: Final = 100


def tidy(name: str) -> str:
    """The name as it is kept: composed, without spaces around it or doubled. Raises AccessError: bad_name."""
    tidied = " ".join(unicodedata.normalize("NFC", name).split())
    if not 0 < len(tidied) <= LONGEST or not tidied.isprintable():
        raise AccessError("bad_name", f"A name has 1 to {LONGEST} printable characters.")
    return tidied


def folded(name: str) -> str:
    """The form in which names are compared: however they were typed, in whatever case or width."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", " ".join(name.split())).casefold())


def shown(text: str | None, longest: int = LONGEST) -> str | None:
    """What a stranger sent, cut to a length, without what does not print."""
    return None if text is None else "".join(char for char in text[: longest * 2] if char.isprintable())[:longest]
