"""GET /api/v1/ledger: what became of every offset of every partition."""

from datetime import datetime
from typing import Final

from fastapi import Depends
from pydantic import BaseModel, Field

from center.api.common import CenterOf
from center.errors import errors
from center.permit import Permit, resources
from ingest import ledger as books

router = resources(tag="operation")
MAY: Final = [Depends(Permit("ledger.read"))]


class Book(BaseModel):
    """One partition of one log: next - first = stored + duplicate + late + dead + no_record + expired."""

    cluster: str
    topic: str
    generation: int = Field(description="Rises when the topic was found to be another log")
    partition: int
    epoch: int = Field(description="Rises with each owner")
    owner: str | None
    first_offset: int
    next_offset: int
    stored: int
    duplicate: int
    late: int
    dead: int
    no_record: int
    expired: int
    accepted_expired: int
    readings_stored: int
    readings_duplicate: int
    readings_conflict: int
    letters: int = Field(description="Records of this log that have dead letters")
    last_timestamp: datetime | None


class Ledger(BaseModel):
    """All books."""

    partitions: list[Book]


@router.get("/ledger", summary="The books of ingest", dependencies=MAY, responses=errors(503))
async def ledger(center: CenterOf) -> Ledger:
    """Every partition's books as of now; `citywatch ledger --verify` compares them with the broker."""
    all_books = await books.books(center.pool)
    return Ledger(partitions=[Book.model_validate(book, from_attributes=True) for book in all_books])
