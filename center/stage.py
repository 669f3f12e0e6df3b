"""The operating stage: what it is and was, and how it is set: one call in autocommit, nothing overwritten unseen."""

from typing import Final

import asyncpg
import msgspec

from city.actor import Actor
from city.timestamps import format_time, from_datetime

SET: Final = "SELECT outcome, level, who, since FROM stage_set($1, $2, $3, $4::text::jsonb)"
STEPS: Final = "SELECT level, at, set_by, why FROM stage ORDER BY number DESC LIMIT $1"
KEPT: Final = 100


class Step(msgspec.Struct, frozen=True):
    """One setting of the stage."""

    level: int
    at: str
    by: str
    why: str


class Refused(Exception):
    """Somebody else was faster, or it is that stage already; the sentence says who and when."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


async def steps(pool: asyncpg.Pool) -> list[Step]:
    """The newest settings, the newest first; none: it is stage 1 and always was."""
    rows = await pool.fetch(STEPS, KEPT)
    return [Step(row["level"], format_time(from_datetime(row["at"])), row["set_by"], row["why"]) for row in rows]


async def change(pool: asyncpg.Pool, level: int, seen: int, why: str, actor: Actor) -> None:
    """Set it, if it still is as it was `seen`. Raises Refused: changed, same."""
    row = await pool.fetchrow(SET, level, seen, why, actor.json())
    assert row is not None, "the statement always returns a row"
    if row["outcome"] == "done":
        return
    since = "" if row["since"] is None else f", set by {row['who']} at {format_time(from_datetime(row['since']))}"
    raise Refused(row["outcome"], f"The stage is {row['level']} now{since}.")
