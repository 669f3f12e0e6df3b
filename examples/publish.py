"""Publish a reading as a sector system would, with a Kafka client: python examples/publish.py --bootstrap HOST:PORT.

CITYWATCH_KAFKA_BOOTSTRAP is the broker where --bootstrap says none.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
import uuid
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError


def event(asset: str, flood_cm: float) -> bytes:
    """One CloudEvent in structured mode; its time is when the gauge measured."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": "//example.org/gauges",
            "type": "city.environment.reading.v1",
            "subject": asset,
            "time": datetime.now(UTC).isoformat(),
            "data": {"location": [106.695, 10.776], "measurements": {"flood_cm": flood_cm}},
        }
    ).encode()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", default=os.environ.get("CITYWATCH_KAFKA_BOOTSTRAP", "127.0.0.1:9092"))
    parser.add_argument("--asset", default="FL-MY-STREET")
    parser.add_argument("--flood-cm", type=float, default=55)
    options = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what went wrong is said below, once
    producer = AIOKafkaProducer(bootstrap_servers=options.bootstrap, acks="all")
    try:
        await producer.start()
        body = event(options.asset, options.flood_cm)
        sent = await producer.send_and_wait("city.environment.events", body, key=options.asset.encode())
    except KafkaError as error:
        sys.exit(
            f"The broker {options.bootstrap} did not take it ({type(error).__name__}): start CityWatch with "
            "`make demo`, or say the address that it printed beside Kafka with --bootstrap HOST:PORT."
        )
    finally:
        await producer.stop()
    print(f"{options.asset}: flood_cm {options.flood_cm:g} is at {sent.topic}/{sent.partition}, offset {sent.offset}")


if __name__ == "__main__":
    asyncio.run(main())
