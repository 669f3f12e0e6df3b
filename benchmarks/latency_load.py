"""A steady load of readings for the latency benchmark, in a process of its own.

python -m benchmarks.latency_load READINGS_PER_S
"""

import sys
import time

import msgspec
from confluent_kafka import Producer

from city.kafka import topic_for
from city.settings import Settings
from city.timestamps import format_time

ASSETS = 2_500
SLICE_S = 0.02


def main(rate: int) -> None:
    """Two measurements a record, in slices of 20 ms, until ended."""
    producer = Producer({"bootstrap.servers": Settings().kafka_bootstrap, "linger.ms": 5})
    topic = topic_for("traffic")
    sent, began = 0, time.monotonic()
    print("publishing", flush=True)
    while True:
        due = int((time.monotonic() - began) * rate / 2)
        while sent < due:
            producer.produce(topic, reading(f"VVK-{sent % ASSETS:04}", 30.0 + sent % 31, sent), key=str(sent % ASSETS))
            sent += 1
        producer.poll(0)
        time.sleep(SLICE_S)


def reading(asset: str, speed: float, number: int) -> bytes:
    """A traffic reading of now."""
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"{asset}-{number}",
            "source": "//bench",
            "type": "city.traffic.reading.v1",
            "subject": asset,
            "time": format_time(time.time_ns() // 1000),
            "data": {"measurements": {"speed_kmh": speed, "flow_vph": 900.0}},
        }
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
