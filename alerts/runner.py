"""One sector under one owner: batches in, engine steps, transitions and journal out, snapshots on the way."""

from collections.abc import Collection, Sequence
from typing import Final

import structlog

from alerts import recovery, rulebook
from alerts.abreast import Abreast
from alerts.adoption import adopt, open_alerts
from alerts.arrivals import arrived, in_order
from alerts.body import change
from alerts.engine import ENGINE_VERSION, Tick
from alerts.journal import Entry, Place, Position, Range, Step
from alerts.progress import Reached
from alerts.recovery import Recovered
from alerts.replay import Piece
from alerts.snapshot import Snapshots
from alerts.transitions import Transition
from city import metrics
from city.clock import Clock
from city.decoding import Decoder
from city.kafka import Batch

UNWRITTEN_S: Final = 1.0
UNWRITTEN_STEPS: Final = 200
"""Steps without transitions wait this long, or this many, before they are journalled together."""

MOST_A_STEP: Final = 1_000
"""Records: few enough that they keep nothing else waiting for 20 ms, were every one of a new asset."""

CLOCK_SET_US: Final = 2_000_000
"""A wall clock this far from where it should be was set."""

log = structlog.get_logger(__name__)


class OutOfPlace(Exception):
    """Records came that do not follow those before; the sector must be taken anew."""

    code = "out_of_place"


class SectorRunner:
    """Owns a sector until fenced. Every method but `close` may raise Fenced, after which the runner is of no use."""

    def __init__(self, recovered: Recovered, decoder: Decoder, clock: Clock) -> None:
        self.engine = recovered.engine
        self.sector = recovered.engine.sector
        self.journal = recovered.journal
        self.reached = Reached()
        self._decoder = decoder
        self._clock = clock
        self._replay = recovered.replay
        self._cluster = recovered.place.cluster
        self._revision = recovered.place.revision
        self._positions = dict(recovered.place.positions)
        self._abreast = Abreast()
        self._unwritten: list[Step] = []
        self._unwritten_since = 0.0
        self._snapshots = Snapshots(recovered.journal.pool, clock.monotonic())
        self._behind = True
        self._anchor = clock.now_us() - _us(clock)

    @property
    def live(self) -> bool:
        """Whether every journalled step has been taken again and the engine goes on with new ones."""
        return not self._behind

    def position(self, partition: int) -> int | None:
        """The offset that must come next."""
        if self._replay is not None:
            return self._replay.expects(partition)
        read = self._abreast.position(partition)
        return read if read is not None else self.judged(partition)

    def judged(self, partition: int) -> int | None:
        """The offset up to which the engine has taken the partition; None if it knows nothing of it."""
        held = self._positions.get(partition)
        return held.next if held is not None else None

    @property
    def ahead(self) -> set[int]:
        """Partitions of which no more should be read until others have caught up."""
        return self._abreast.ahead()

    async def take(self, batches: Sequence[Batch], at_end: bool, behind: Collection[int] = ()) -> None:
        """Take these batches, at most one a partition; what is not older than what partitions `behind` may yet bring
        is stepped, and its transitions are committed on return.

        Raises:
            OutOfPlace: a batch leaves a gap before it.
        """
        pieces = [piece for batch in sorted(batches, key=lambda b: b.partition) if (piece := self._piece(batch))]
        if self._replay is not None:
            self._replay.feed(pieces)
            await self.begin(at_end, behind)
        elif pieces:
            self._abreast.read(pieces, self._clock.monotonic())
            await self._go_on(at_end, behind)

    async def begin(self, at_end: bool, behind: Collection[int] = ()) -> None:
        """Go live if nothing is left to replay: check the open alerts, say that this worker watches, go on."""
        if not self._behind:
            return
        left: list[Piece] = []
        if self._replay is not None:
            self._replay.advance()
            if not self._replay.done:
                return
            left, self._replay = self._replay.left_over(), None
            await self._verify()
        self._behind = False
        self._watch_from(self._clock.now_us())
        if left:
            self._abreast.read(left, self._clock.monotonic())
            await self._go_on(at_end, behind)
        await self.flush(force=True)

    async def tick(self, at_end: bool, behind: Collection[int] = ()) -> None:
        """What time alone brings: silence of the feed, journalling of what waits, a snapshot that is due."""
        if self._behind:
            return
        await self._go_on(at_end, behind)
        at_end = at_end and not self._abreast.waiting
        wall = self._clock.now_us()
        if abs(wall - self._now()) > CLOCK_SET_US:
            log.warning("the clock was set", sector=self.sector, by_s=(wall - self._now()) / 1_000_000)
            self._watch_from(wall)
        now = self._now()
        transitions = self.engine.step((), Tick(now, at_end))
        if transitions:
            await self._commit(Step("records", now, at_end), transitions)
        elif self.engine.moved:
            self._note(Step("records", now, at_end))
        await self.flush()

    async def change_rules(self, revision: int) -> None:
        """Go over to the rules of another revision."""
        if self._behind or revision == self._revision:
            return
        rules = await rulebook.rules_at(self.journal.pool, revision)
        now = self._clock.now_us()
        transitions = self.engine.apply(rules, now)
        self._revision = revision
        metrics.RULES_ACTIVE.labels(self.sector).set(len(self.engine.rules))
        await self._commit(Step("rules", now, revision=revision), transitions)

    async def flush(self, *, force: bool = False) -> None:
        """Journal the steps that wait, if it is time; begin a snapshot, if it is time."""
        waited = self._clock.monotonic() - self._unwritten_since
        enough = force or waited >= UNWRITTEN_S or len(self._unwritten) >= UNWRITTEN_STEPS
        if self._unwritten and enough:
            steps, self._unwritten = self._unwritten, []
            await self.journal.commit(Entry(tuple(steps), self._place(self.journal.step + len(steps))), ())
        now = self._clock.monotonic()
        if self._snapshots.due(now):
            if self._unwritten:
                await self.flush(force=True)
                return
            self._snapshots.begin(self.engine, self.journal.epoch, self._place(self.journal.step), now)

    def jump(self, partition: int, log_start: int) -> None:
        """Retention took what was unread: go on at the start of what is left."""
        if self._replay is not None:
            raise OutOfPlace(f"{self.sector}/{partition}: what had to be replayed is gone")
        first = self.position(partition) or 0
        log.warning("records expired unread", sector=self.sector, partition=partition, first=first, next=log_start)
        self._abreast.read([Piece(partition, first, log_start, b"", [])], self._clock.monotonic())

    async def close(self) -> None:
        """Stop writing snapshots; what is not journalled is read again by the next owner."""
        await self._snapshots.close()

    # --- within a step -------------------------------------------------------------------------------------------

    def _piece(self, batch: Batch) -> Piece | None:
        """The batch decoded, less what was taken before; None if nothing is left."""
        expected = self.position(batch.partition)
        if expected is None:  # a partition more than before, read from its start
            expected = batch.first_offset
        if batch.next_offset <= expected:
            return None
        if batch.first_offset > expected:
            raise OutOfPlace(f"{self.sector}/{batch.partition}: {batch.first_offset} came, {expected} was expected")
        decode = self._decoder.decode
        arrivals = []
        for record in batch.records:
            if record.offset < expected:
                continue
            event = decode(record.value, record.headers, sector=self.sector, record_time_us=record.timestamp_us)
            if event is not None:
                arrivals.append(arrived(record.timestamp_us, event, batch.partition, record.offset))
        return Piece(batch.partition, expected, batch.next_offset, batch.last_hash, arrivals)

    def _now(self) -> int:
        """Tick time in µs: the wall's when this worker began to watch, gone on evenly. A clock set meanwhile must not
        look like silence."""
        return self._anchor + _us(self._clock)

    def _watch_from(self, wall: int) -> None:
        self._anchor = wall - _us(self._clock)
        self.engine.resume(wall)
        self._note(Step("resume", wall))

    async def _go_on(self, at_end: bool, behind: Collection[int]) -> None:
        """Step through what need wait no longer."""
        while pieces := self._abreast.take(behind, self._clock.now_us(), self._clock.monotonic(), MOST_A_STEP):
            await self._step(pieces, at_end and not self._abreast.waiting)

    async def _step(self, pieces: Sequence[Piece], at_end: bool) -> None:
        now = self._now()
        arrivals = in_order([piece.arrivals for piece in pieces])
        with metrics.ENGINE_STEP_SECONDS.labels(self.sector).time():
            transitions = self.engine.step(arrivals, Tick(now, at_end))
        metrics.ENGINE_RECORDS.labels(self.sector).inc(len(arrivals))
        self._snapshots.note(len(arrivals))
        for piece in pieces:
            self._positions[piece.partition] = Position(piece.next, piece.last_hash)
        step = Step("records", now, at_end, tuple(Range(p.partition, p.first, p.next) for p in pieces))
        if transitions:
            await self._commit(step, transitions)
        else:
            self._note(step)
            await self.flush()

    def _note(self, step: Step) -> None:
        if not self._unwritten:
            self._unwritten_since = self._clock.monotonic()
        self._unwritten.append(step)

    async def _commit(self, step: Step, transitions: Sequence[Transition]) -> None:
        """Waiting steps, this one and its transitions in one commit."""
        steps, self._unwritten = (*self._unwritten, step), []
        sector = self._decoder.catalogue.sectors[self.sector]
        changes = [change(one, self.engine.rules, sector, self._decoder.zones) for one in transitions]
        place = self._place(self.journal.step + len(steps))
        seqs = await self.journal.commit(Entry(steps, place), changes)
        for one, seq in zip(transitions, seqs, strict=False):
            metrics.TRANSITIONS.labels(self.sector, one.kind, one.severity).inc()
            log.info(
                "transition",
                kind=one.kind,
                rule=one.rule,
                group=one.group,
                severity=one.severity,
                value=one.value,
                seq=seq,
            )

    def _place(self, step: int) -> Place:
        catalogue = self._decoder.catalogue.version
        return Place(step, ENGINE_VERSION, catalogue, self._cluster, self._revision, dict(self._positions))

    async def _verify(self) -> None:
        """After a replay the engine must have exactly the open alerts of the table, which is the truth."""
        truth = await recovery.alerts_in_table(self.journal.pool, self.sector)
        mine = {key: (alert.severity, alert.raised_at) for key, alert in open_alerts(self.engine).items()}
        theirs = {(alert.rule, alert.group): (alert.severity, alert.raised_at) for alert in truth}
        if mine == theirs:
            return
        log.error("replay differs from the alert table, which wins", sector=self.sector, mine=mine, theirs=theirs)
        now = self._clock.now_us()
        orphans = adopt(self.engine, truth, now)
        await self._commit(Step("base", now, revision=self._revision), orphans)
        place = self._place(self.journal.step)
        self._snapshots.begin(self.engine, self.journal.epoch, place, self._clock.monotonic())


def _us(clock: Clock) -> int:
    return int(clock.monotonic() * 1_000_000)
