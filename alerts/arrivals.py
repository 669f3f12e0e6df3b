"""What a step of the engine takes: decoded records, and the tick of the worker that read them."""

import msgspec

from city.events import Reading, Refusal, Report


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One record as the engine takes it; `record_time` (µs) is the broker's."""

    record_time: int
    event: Reading | Report | Refusal
    partition: int = 0
    offset: int = 0


class Tick(msgspec.Struct, frozen=True, gc=False):
    """When a step was taken by the worker's clock (µs), and whether every partition was read to its end."""

    time: int
    at_end: bool = False
