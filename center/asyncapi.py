"""/asyncapi.json: the document of the WebSocket and of the Kafka topics (AsyncAPI 3.0)."""

from importlib import resources
from typing import Any, Final

import msgspec

DOCUMENT: Final = "asyncapi.json"


def document(version: str) -> dict[str, Any]:
    """The document, with the version of this installation."""
    text = resources.files("center").joinpath(DOCUMENT).read_bytes()
    loaded: dict[str, Any] = msgspec.json.decode(text)
    loaded["info"]["version"] = version
    return loaded
