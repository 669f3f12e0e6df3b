"""An embedded broker with its topics, nothing taken before they were there.

The broker takes records for topics that it doesn't have, acknowledges and numbers them from 0; when a topic is created
it numbers from 0 again: the first are never read, and the next collide with them. Our own producers ask before they
send (`city.kafka.handshake`); a publisher of somebody else's may still be quicker than we are. A broker to which
that happened is started anew.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from city.kafka import BrokerUnavailable, LogReader, ensure_topics, open_log_reader, planned_topics
from city.kafka.topics import TopicPlan
from city.sectors import Catalogue
from city.settings import Settings
from citywatch.embedded.broker import EmbeddedBroker
from citywatch.embedded.process import EmbeddedError

TRIES: Final = 20
ANSWER_S: Final = 10.0


async def create_topics(broker: EmbeddedBroker, settings: Settings, tell: Callable[[str], None]) -> None:
    """Create the city's topics on a broker that was started just now, and start it again while it was used before.

    To be called in the main thread, at once after the start: a few milliseconds pass from there to here.
    Raises EmbeddedError.
    """
    catalogue = Catalogue.load(settings.city)
    for _ in range(TRIES):
        try:
            async with asyncio.timeout(ANSWER_S):
                await ensure_topics(settings, catalogue)
                created_ms = time.time_ns() // 1_000_000
                plans = planned_topics(settings, catalogue)
                async with open_log_reader(settings, [plan.name for plan in plans]) as reader:
                    used = await _used_before(reader, plans, created_ms)
        except (BrokerUnavailable, TimeoutError) as error:
            tell(f"the broker does not answer ({error or 'in time'}) and starts again")
        else:
            if not used:
                return
            tell(f"the broker took records before it had topics ({used[0]}) and starts again: those are lost")
        broker.stop(patience=0)  # it would go on taking records while it ends
        broker.start()
    raise EmbeddedError(
        f"the embedded broker can't be given its topics ({TRIES} times): who else publishes to {broker.bootstrap}?"
    )


async def _used_before(reader: LogReader, plans: list[TopicPlan], created_ms: int) -> list[str]:
    """Partitions with what was taken before they were numbered anew; topics that were made by others.

    What came in the milliseconds of the creation itself is sound where the log has neither hole nor overlap.

    Asking for a topic makes it, with four partitions: its creation may still be under way when ours was refused.
    """
    used = []
    for plan in plans:
        partitions = await reader.partitions(plan.name)
        if len(partitions) != plan.partitions:
            used.append(plan.name)
        for tp in partitions:
            written = await reader.oldest_write(tp)
            if written is not None and written <= created_ms and not await reader.is_seamless(tp):
                used.append(f"{tp.topic}/{tp.partition}")
    return used
