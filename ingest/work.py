"""What one transaction will carry: the batches of some partitions, decoded to columns, nothing allocated yet."""

from dataclasses import dataclass, field

from city import metrics
from city.events import Reading, Report
from city.kafka import Batch, Record, sector_of
from ingest.flood import DeadLetter
from ingest.ownership import Owned

MAX_RAW = 64 * 1024


@dataclass(slots=True, eq=False)
class Part:
    """One batch of one partition and what became of its records so far; `base` numbers its first record in the work."""

    owned: Owned
    batch: Batch
    base: int
    taken: int = 0
    late: int = 0
    dead: int = 0
    no_record: int = 0
    letters: list[DeadLetter] = field(default_factory=list)

    @property
    def sector(self) -> str:
        return sector_of(self.batch.topic) or self.batch.topic

    def refuse(self, record: Record, reason: str, detail: str) -> None:
        """The record becomes a dead letter, in a flood perhaps without its bytes."""
        if reason == "late":
            self.late += 1
        else:
            self.dead += 1
        metrics.REFUSALS.labels("kafka", self.sector, reason).inc()
        gate = self.owned.gate
        if gate.passes(record.timestamp_us):
            raw = None if record.value is None else record.value[:MAX_RAW]
            letter = DeadLetter(record.offset, record.offset + 1, reason, detail, raw, record.key, record.headers)
            self.letters.append(letter)
        else:
            gate.count(record.offset, reason, detail)


@dataclass(slots=True, eq=False)
class Work:
    """Columns: `numbers`, `times`, `counts` have a row a reading record; `series`, `values` one a measurement.

    `strangers` are readings whose asset, series or place is not known yet: (part, number, reading).
    """

    parts: list[Part] = field(default_factory=list)
    records: int = 0
    numbers: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    series: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    reports: list[tuple[int, Report]] = field(default_factory=list)
    strangers: list[tuple[Part, int, Reading]] = field(default_factory=list)

    def add(self, number: int, time: int, series: list[int], values: list[float]) -> None:
        """The measurements of one record."""
        self.numbers.append(number)
        self.times.append(time)
        self.counts.append(len(series))
        self.series += series
        self.values += values

    def close(self) -> None:
        """Nothing more is refused: what a flood left without a row of its own is summed up."""
        for part in self.parts:
            part.letters += part.owned.gate.summary()
