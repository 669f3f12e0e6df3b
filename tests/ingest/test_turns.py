"""However dear its records are, decoding gives other tasks their turn."""

import asyncio
import gc
import time

from city.decoding import Decoder
from city.events import MAX_EVENT_BYTES
from city.kafka import Batch, Record, TopicPartition, topic_for
from city.sectors import Catalogue
from city.settings import DEFAULT_CITY
from city.zones import ZoneMap
from ingest.decode import Opener
from ingest.ownership import Owned
from tests.ingest.conftest import event, now_us

TRAFFIC = TopicPartition(topic_for("traffic"), 0)


async def longest_turn(values: list[bytes]) -> float:
    """Opens a batch of these; the most CPU time that passed without a turn for another task, as a share of all of it.

    A share, because a busy machine makes everything dearer; without turns it is 1. Garbage of the other tests is not
    collected meanwhile.
    """
    catalogue = Catalogue.load(DEFAULT_CITY)
    opener = Opener(Decoder(catalogue, ZoneMap.load(DEFAULT_CITY)), {name: {} for name in catalogue.sectors}, 90)
    records = [Record(at, now_us(), None, value) for at, value in enumerate(values)]
    batch = Batch(*TRAFFIC, 0, len(records), records, [], 0, len(records), b"")
    gc.disable()
    opening = asyncio.create_task(opener.open([(Owned(TRAFFIC, "c", 1, 1, 0, 0, None), batch)]))
    longest, began = 0.0, time.thread_time()
    last = began
    while not opening.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, last = max(longest, now - last), now
    gc.enable()
    assert (await opening).records == len(records)
    return longest / (last - began)


async def test_a_batch_of_the_dearest_records_is_decoded_in_turns() -> None:
    now = now_us()
    many = {f"m{i}": 1 for i in range(3000)}
    dear = event("VVK-1", now, many)
    assert len(dear) <= MAX_EVENT_BYTES
    assert await longest_turn([dear] * 600) < 0.3


async def test_so_is_one_of_many_small_ones() -> None:
    now = now_us()
    small = [event(f"VVK-{i}", now, {"speed_kmh": 1}) for i in range(5_000)]
    assert await longest_turn(small * 12) < 0.3
