"""The sectors' side: a plain librdkafka producer that knows exactly what it has sent."""

import asyncio
import json
import time
from datetime import UTC, datetime

from confluent_kafka import KafkaError, Message, Producer

from tests.kill.depth import STEADY, STEADY_EVERY_S, Step, Story
from tests.kill.plan import ASSETS, RESENT_EVERY, Plan, cause_steps

LOCATION = [106.7009, 10.7769]


class Sender:
    """Sends the plan in real time. `failed` counts records that the broker did not take."""

    def __init__(self, bootstrap: str, plan: Plan) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": 20,
                "queue.buffering.max.messages": 200_000,
                "message.timeout.ms": 120_000,
            }
        )
        self._plan = plan
        self._last_us = 0
        self.sent = 0
        self.taken = 0
        self.failed = 0
        self.steady_sent = 0

    async def mass(self) -> None:
        """The mass of readings, evenly over 90 % of the run; every time is unique, so every reading is distinct."""
        began = time.monotonic()
        rate = self._plan.records / (self._plan.seconds * 0.90)
        number = 0
        while number < self._plan.records:
            due = min(self._plan.records, int((time.monotonic() - began) * rate) + 1)
            for current in range(number, min(due, number + 2_000)):
                self._record(current)
                number = current + 1
            self._producer.poll(0)
            await asyncio.sleep(0 if number < due else 0.01)

    async def causes(self) -> None:
        """The alert causes, each at its second."""
        began = time.monotonic()
        for at, sector, asset, metric, value in cause_steps(self._plan):
            await asyncio.sleep(max(0.0, began + at - time.monotonic()))
            self._send(sector, asset, {metric: value})

    async def depth(self, story: Story) -> None:
        """The causes of every other kind of condition, each record at its second."""
        began = time.monotonic()
        for step in story.steps:
            await asyncio.sleep(max(0.0, began + step.at - time.monotonic()))
            if step.measurements:
                self._send(step.sector, step.subject, dict(step.measurements), point=step.point)
            else:
                self._report(step)

    async def steady(self) -> None:
        """Sensors that report until the end is judged, so that their absence would be a lie."""
        while True:
            for number in range(STEADY):
                self._send("environment", f"DEEP-STEADY-{number}", {"noise_db": 50 + number})
                self.steady_sent += 1
            self._producer.poll(0)
            await asyncio.sleep(STEADY_EVERY_S)

    def _record(self, number: int) -> None:
        asset = f"VDS-{number % ASSETS:05d}"
        self._send(
            "traffic",
            asset,
            {"speed_kmh": 20 + number % 400 / 10, "flow_vph": number % 3_000},
            number % RESENT_EVERY == 0,
        )

    def _send(
        self,
        sector: str,
        asset: str,
        measurements: dict[str, float],
        twice: bool = False,
        point: tuple[float, float] | None = None,
    ) -> None:
        data = {"location": list(point or LOCATION), "measurements": measurements}
        self._publish(sector, "reading", asset, data, twice)

    def _report(self, step: Step) -> None:
        data = {
            "category": "congestion",
            "severity": "warning",
            "title": "Kẹt xe",
            "description": "",
            "status": "open",
            "location": list(step.point or LOCATION),
        }
        self._publish(step.sector, "report", step.subject, data)

    def _publish(self, sector: str, kind: str, subject: str, data: dict[str, object], twice: bool = False) -> None:
        event = {
            "specversion": "1.0",
            "id": f"{subject}-{self.sent}",
            "source": "//kill.example/sender",
            "type": f"city.{sector}.{kind}.v1",
            "subject": subject,
            "time": self._now(),
            "data": data,
        }
        value = json.dumps(event).encode()
        for _ in range(2 if twice else 1):
            while True:
                try:
                    self._producer.produce(f"city.{sector}.events", value, key=subject.encode(), on_delivery=self._done)
                    break
                except BufferError:
                    self._producer.poll(0.05)
            self.sent += 1

    def _now(self) -> str:
        self._last_us = max(self._last_us + 1, time.time_ns() // 1000)
        return datetime.fromtimestamp(self._last_us / 1e6, UTC).isoformat(timespec="microseconds")

    def _done(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.taken += 1
        else:
            self.failed += 1

    async def flush(self) -> None:
        """Wait until the broker has taken everything."""
        await asyncio.to_thread(self._producer.flush, 120)
