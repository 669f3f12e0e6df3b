"""What one transaction will carry: the batches of some partitions, decoded to columns, nothing allocated yet."""

from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from city import metrics
from city.events import Reading, Report
from city.kafka import Batch, Record, sector_of
from ingest.flood import DeadLetter, FloodGate
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

    def refuse(self, record: Record, reason: str, detail: str, gate: FloodGate | None = None) -> None:
        """The record becomes a dead letter, in a flood (the partition's, or `gate`) perhaps without its bytes."""
        if reason == "late":
            self.late += 1
        else:
            self.dead += 1
        metrics.REFUSALS.labels("kafka", self.sector, reason).inc()
        gate = gate or self.owned.gate
        if gate.passes(record.timestamp_us):
            raw = None if record.value is None else record.value[:MAX_RAW]
            letter = DeadLetter(record.offset, record.offset + 1, reason, detail, raw, record.key, record.headers)
            self.letters.append(letter)
        else:
            gate.count(record.offset, reason, detail)


Stranger = tuple[Part, int, Reading]


@dataclass(slots=True, eq=False)
class Work:
    """Columns: `numbers`, `times`, `counts` have a row a reading record; `series`, `values` one a measurement.

    `strangers` are readings whose asset, series or place is not known yet: (part, number, reading). `server` is the one
    that gave the series their ids, None while there is none of them.
    """

    parts: list[Part] = field(default_factory=list)
    records: int = 0
    numbers: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    series: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    reports: list[tuple[int, Report]] = field(default_factory=list)
    strangers: list[Stranger] = field(default_factory=list)
    server: str | None = None

    def add(self, number: int, time: int, series: list[int], values: list[float]) -> None:
        """The measurements of one record."""
        self.numbers.append(number)
        self.times.append(time)
        self.counts.append(len(series))
        self.series += series
        self.values += values

    @property
    def taken(self) -> list[int]:
        """Numbers of the records that are to be stored."""
        return sorted([*self.numbers, *(number for number, _ in self.reports)])

    def record_time(self, number: int) -> int:
        """When the broker took a record."""
        part = self.parts[bisect_right(self.parts, number, key=lambda part: part.base) - 1]
        return part.batch.records[number - part.base].timestamp_us

    def only(self, numbers: Collection[int]) -> "Work":
        """The readings and reports of these records alone, under the same books, without letters."""
        kept = set(numbers)
        work = Work([replace(part, letters=[]) for part in self.parts], self.records, server=self.server)
        at = 0
        for number, time, count in zip(self.numbers, self.times, self.counts, strict=True):
            if number in kept:
                work.add(number, time, self.series[at : at + count], self.values[at : at + count])
            at += count
        work.reports = [numbered for numbered in self.reports if numbered[0] in kept]
        return work

    def refuse(self, refused: Mapping[int, str], reason: str) -> None:
        """Turn records that were to be stored into dead letters: the detail of each by its number."""
        rest = self.only(set(self.taken) - refused.keys())
        self.numbers, self.times, self.counts = rest.numbers, rest.times, rest.counts
        self.series, self.values, self.reports = rest.series, rest.values, rest.reports
        for part in self.parts:
            gate = FloodGate()  # the partition's own already counts for the next work
            for number in range(part.base, part.base + len(part.batch.records)):
                if number in refused:
                    part.taken -= 1
                    part.refuse(part.batch.records[number - part.base], reason, refused[number], gate)
            part.letters += gate.summary()

    def close(self) -> None:
        """Nothing more is refused: what a flood left without a row of its own is summed up."""
        for part in self.parts:
            part.letters += part.owned.gate.summary()
