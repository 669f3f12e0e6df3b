"""GET /api/v1/ledger: what became of every offset of every partition."""

from typing import Any, Final

import msgspec
from fastapi import Depends
from starlette.responses import Response

from center.api.common import CenterOf, json_answer
from center.errors import errors
from center.permit import Permit, resources
from ingest import ledger as books

router = resources(tag="operation")
MAY: Final = [Depends(Permit("ledger.read"))]


class Ledger(msgspec.Struct, frozen=True):
    """All books."""

    partitions: list[books.Book]


def _schema() -> dict[str, Any]:
    """The answer as ingest's own struct describes it, without references."""
    (ledger,), parts = msgspec.json.schema_components((Ledger,), ref_template="{name}")
    schema: dict[str, Any] = parts[ledger["$ref"]]
    schema["properties"]["partitions"]["items"] = parts["Book"]
    return schema


ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "OK", "content": {"application/json": {"schema": _schema()}}}
}


@router.get("/ledger", summary="The books of ingest", dependencies=MAY, responses={**ANSWER, **errors(503)})
async def ledger(center: CenterOf) -> Response:
    """Every partition's books as of now; `citywatch ledger --verify` compares them with the broker."""
    return json_answer(Ledger(await books.books(center.pool)))
