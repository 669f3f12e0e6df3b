"""Dead letters into their table, inside the transaction that moves the ledger."""

import base64
import json
from collections.abc import Iterable

from city.database import Connection, load_sql
from city.envelope import is_storable
from ingest.flood import DeadLetter
from ingest.work import Part

Headers = Iterable[tuple[str, bytes]]


async def insert(connection: Connection, parts: list[Part]) -> None:
    """Write the letters of these parts."""
    letters: list[tuple[Part, DeadLetter]] = [(part, letter) for part in parts for letter in part.letters]
    if not letters:
        return
    await connection.execute(
        _INSERT,
        [part.owned.cluster for part, _ in letters],
        [part.batch.topic for part, _ in letters],
        [part.owned.generation for part, _ in letters],
        [part.batch.partition for part, _ in letters],
        [letter.first_offset for _, letter in letters],
        [letter.next_offset for _, letter in letters],
        [letter.reason for _, letter in letters],
        [letter.detail for _, letter in letters],
        [letter.raw for _, letter in letters],
        [letter.key for _, letter in letters],
        [headers_to_json(letter.headers) for _, letter in letters],
        [letter.records for _, letter in letters],
    )


def headers_to_json(headers: Headers) -> str:
    """A list of [name, content]; what a text column can't hold becomes {"base64": …}."""
    return json.dumps(
        [[_storable(name.encode(errors="surrogatepass")), _storable(content)] for name, content in headers]
    )


def headers_from_json(text: str) -> list[tuple[str, bytes]]:
    """The headers that `headers_to_json` wrote."""
    return [(_bytes(name).decode(errors="surrogatepass"), _bytes(content)) for name, content in json.loads(text)]


def _storable(content: bytes) -> str | dict[str, str]:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}
    return text if is_storable(text) else {"base64": base64.b64encode(content).decode()}


def _bytes(stored: str | dict[str, str]) -> bytes:
    return stored.encode() if isinstance(stored, str) else base64.b64decode(stored["base64"])


_INSERT = load_sql("ingest", "insert_letters.sql")
