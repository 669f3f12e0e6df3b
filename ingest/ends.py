"""How far logs are known to go, told by those who publish or watch: what a log held unread when it died is a number.

What ingest itself sees is in its own books. An end is a fact about one log (a cluster's), and is only ever raised.
"""

from collections.abc import Mapping
from typing import Final

import asyncpg

from city.database import load_sql
from city.kafka import TopicPartition, sector_of

Ends = Mapping[tuple[str, TopicPartition], int]
"""The first offset that is not known to exist, by cluster and partition."""


class KnownEnds:
    """What is to be told; kept while the database is away."""

    def __init__(self) -> None:
        self._ends: dict[tuple[str, TopicPartition], int] = {}

    def note(self, ends: Ends) -> None:
        """Take these where they concern records of sector topics."""
        for (cluster, tp), end in ends.items():
            if cluster and end and sector_of(tp.topic):
                self._ends[cluster, tp] = max(end, self._ends.get((cluster, tp), 0))

    async def tell(self, database: asyncpg.Pool | asyncpg.Connection) -> None:
        """Write them down. Raises what the database raises, and keeps them then; telling again is harmless."""
        told = sorted((cluster, tp, end) for (cluster, tp), end in self._ends.items())
        if told:
            await database.execute(
                _TELL,
                [cluster for cluster, _, _ in told],
                [tp.topic for _, tp, _ in told],
                [tp.partition for _, tp, _ in told],
                [end for _, _, end in told],
            )
        for cluster, tp, end in told:
            if self._ends.get((cluster, tp)) == end:
                del self._ends[cluster, tp]


_TELL: Final = load_sql("ingest", "tell_ends.sql")
