"""Publish a reading as a sector system would, with a Kafka client: python examples/publish.py --bootstrap HOST:PORT."""

import argparse
import asyncio
import json
import uuid
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    parser.add_argument("--asset", default="FL-MY-STREET")
    parser.add_argument("--flood-cm", type=float, default=55)
    options = parser.parse_args()
    async with AIOKafkaProducer(bootstrap_servers=options.bootstrap, acks="all") as producer:
        body = event(options.asset, options.flood_cm)
        sent = await producer.send_and_wait("city.environment.events", body, key=options.asset.encode())
    print(f"{options.asset}: flood_cm {options.flood_cm:g} is at {sent.topic}/{sent.partition}, offset {sent.offset}")


if __name__ == "__main__":
    asyncio.run(main())
