"""How far the readers are behind the broker: what a stop of the embedded broker would lose now."""

from typing import Final

import asyncpg

from city.kafka import LogReader, TopicPartition, open_log_reader, sector_of
from city.settings import Settings

BOOKED: Final = """
    SELECT DISTINCT ON (topic, partition) topic, partition, next_offset
    FROM ledger WHERE cluster = $1 ORDER BY topic, partition, generation DESC
"""


async def backlog(settings: Settings, topics: list[str]) -> int:
    """Records of the sector topics that ingest has not booked yet.

    Raises:
        BrokerUnavailable: the broker does not answer.
        OSError, asyncpg.PostgresError: the database does not.
    """
    connection = await asyncpg.connect(settings.database_dsn)
    try:
        async with open_log_reader(settings, topics) as log:
            rows = await connection.fetch(BOOKED, await log.cluster_id())
            booked = {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
            return sum([await _behind(log, topic, booked) for topic in topics if sector_of(topic)])
    finally:
        await connection.close()


async def _behind(log: LogReader, topic: str, booked: dict[TopicPartition, int]) -> int:
    behind = 0
    for partition in await log.partitions(topic):
        start = booked.get(partition) or await log.log_start(partition)
        behind += max(0, await log.end_offset(partition) - start)
    return behind
