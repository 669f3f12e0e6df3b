"""Finding the records that the database refuses, so that one of them never stops its partition.

The decoder refuses what it knows to be wrong; what PostgreSQL refuses beyond that is found by halving the work.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from msgspec.structs import replace

from city.database import sqlstate
from city.envelope import is_storable
from ingest.flood import DeadLetter
from ingest.work import Part, Work

DETAIL: Final = 500
"""Characters of the server's own words that are kept."""

Refusal = Callable[[Work], Awaitable[Exception | None]]
"""Tries a work and takes it back: why the database refuses it, or None."""

log = structlog.get_logger(__name__)


def why_unstorable(error: Exception) -> str:
    """The detail of the dead letter."""
    said = "".join(letter for letter in str(error)[:DETAIL] if is_storable(letter))
    return (
        f"the database refuses the record ({sqlstate(error) or 'not sent'}): {said}; "
        "report it with these bytes, and replay it once it is mended"
    )


async def sift(work: Work, refusal: Refusal) -> int:
    """Turn what the database refuses into dead letters; how many records and letters that are, 0 if none is to blame.

    The work changes only after the last trial. Raises what `refusal` raises: then nothing has changed.
    """
    refused = dict(await _refused(work, work.taken, refusal))
    bare = await _bare_letters(work, refusal)
    for part, place in bare:
        part.letters[place] = _bare(part.letters[place])
    work.refuse(refused, "unstorable")
    for detail in list(refused.values())[:1]:
        log.error("records refused by the database became dead letters", records=len(refused), first=detail)
    return len(refused) + len(bare)


async def _refused(work: Work, numbers: list[int], refusal: Refusal) -> list[tuple[int, str]]:
    """The numbers of those that the database refuses, with the reason."""
    error = await refusal(work.only(numbers)) if numbers else None
    if error is None:
        return []
    if len(numbers) == 1:
        return [(numbers[0], why_unstorable(error))]
    half = len(numbers) // 2
    return await _refused(work, numbers[:half], refusal) + await _refused(work, numbers[half:], refusal)


async def _bare_letters(work: Work, refusal: Refusal) -> list[tuple[Part, int]]:
    """Letters that the database refuses themselves: part and place in it."""
    found = []
    if await refusal(_with_letters(work, {part.base: part.letters for part in work.parts})) is not None:
        for part in work.parts:
            for place, letter in enumerate(part.letters):
                if await refusal(_with_letters(work, {part.base: [letter]})) is not None:
                    found.append((part, place))
    return found


def _with_letters(work: Work, letters: dict[int, list[DeadLetter]]) -> Work:
    trial = work.only(())
    for part in trial.parts:
        part.letters = letters.get(part.base, [])
    return trial


def _bare(letter: DeadLetter) -> DeadLetter:
    """What is left when the letter itself can't be stored: where it was, why, and its bytes."""
    detail = "".join(character for character in letter.detail if is_storable(character))
    return replace(letter, key=None, headers=(), detail=f"{detail} (key and headers were refused by the database)")
