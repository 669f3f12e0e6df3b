"""A worker takes a sector: it goes on exactly where the last one stopped, or, where that can't be, from what is known.

*journal*: snapshot and journal are of this engine, catalogue and log, so the journalled steps are taken again.
*tables*: they are not (another version, another log, records gone): open alerts come from the alert table, reading goes
on where it stopped, or at the start of a log that is another one. *fresh*: nobody ever watched this sector: reading
begins at the broker's end.
"""

import time
from collections.abc import Sequence
from typing import Final, Literal

import asyncpg
import msgspec
import structlog

from alerts import rulebook, snapshot
from alerts.adoption import OpenAlert, adopt, forbid_older
from alerts.body import Change, change
from alerts.engine import ENGINE_VERSION, Engine
from alerts.frozen import SnapshotError, thaw
from alerts.journal import Entry, Journal, Place, Step
from alerts.missed import judge_stored
from alerts.refill import Unread, refill
from alerts.replay import Replay
from alerts.rules import Rule
from alerts.sectorlog import SectorLog
from alerts.snapshot import Snapshot
from alerts.system import BESIDE_THE_ENGINE
from alerts.transitions import Place as Spot
from city import metrics
from city.kafka import LogReader
from city.sectors import Catalogue
from city.timestamps import from_datetime
from city.zones import ZoneMap

OPEN: Final = """
SELECT rule, group_key, severity, raised_at, asset, zone, body -> 'location' AS location, body ->> 'metric' AS metric,
       coalesce((body ->> 'last_data_at')::timestamptz, raised_at) AS heard_at
  FROM alert WHERE sector = $1 AND cleared_at IS NULL AND rule <> ALL ($2)
"""

RAISED: Final = """
SELECT group_key, to_us(max(raised_at)) AS raised_at FROM alert
 WHERE sector = $1 AND rule = $2 AND raised_at > from_us($3) GROUP BY group_key
"""

SLOW_US: Final = 10_000_000
"""Most records reach the log this soon after what they tell."""

Way = Literal["journal", "tables", "fresh"]

log = structlog.get_logger(__name__)


class Recovered(msgspec.Struct):
    """A sector taken: its engine (behind by what `replay` still needs), where to read, and how it came about."""

    engine: Engine
    journal: Journal
    place: Place
    start: dict[int, int]
    way: Way
    replay: Replay | None = None


async def recover(
    pool: asyncpg.Pool, reader: LogReader, sector: str, owner: str, catalogue: Catalogue, zones: ZoneMap, now_us: int
) -> Recovered:
    """Take the sector and find out where it stands.

    Raises:
        BrokerUnavailable, asyncpg and network errors: try again; a sector taken twice is only fenced once more.
        Fenced: somebody else took it in the meantime.
    """
    began = time.monotonic()
    journal = await Journal.take(pool, sector, owner)
    kept = await snapshot.newest(pool, sector)
    entries = await journal.entries_after(kept.place.step if kept is not None else 0)
    last = entries[-1][1].place if entries else kept.place if kept is not None else None
    log_now = await SectorLog.read(reader, sector)
    recovered: Recovered | None = None
    if last is None:
        unread = await log_now.unread(reader, log_now.ends, now_us)
        recovered = await _rebuild(journal, reader, catalogue, zones, log_now, None, log_now.ends, unread, now_us)
        recovered.way = "fresh"
    else:
        same = await log_now.is_same(reader, last)
        if same and kept is not None:
            recovered = await _by_journal(journal, catalogue, kept, [entry for _, entry in entries], log_now)
        if recovered is None:
            start = log_now.go_on(last if same else None)
            unread = await log_now.unread(reader, start, now_us)
            if not same or log_now.lost(last):
                unread = msgspec.structs.replace(unread, judged=_judged([entry for _, entry in entries]))
            recovered = await _rebuild(journal, reader, catalogue, zones, log_now, kept, start, unread, now_us)
    way = recovered.way
    metrics.TAKEOVERS.labels("alerts", "no").inc()
    metrics.RECOVERY_SECONDS.labels(sector, way).observe(time.monotonic() - began)
    log.info("sector taken", sector=sector, way=way, epoch=journal.epoch, step=journal.step, start=recovered.start)
    return recovered


async def _by_journal(
    journal: Journal, catalogue: Catalogue, kept: Snapshot, entries: Sequence[Entry], log_now: SectorLog
) -> Recovered | None:
    """Snapshot and steps after it, if this code, this catalogue and this log can take them again; else None."""
    places = [kept.place, *(entry.place for entry in entries)]
    if any((place.engine, place.catalogue) != (ENGINE_VERSION, catalogue.version) for place in places):
        return None
    if any(step.kind == "base" for entry in entries for step in entry.steps):
        return None
    if any(position.next < log_now.starts.get(partition, 0) for partition, position in kept.place.positions.items()):
        return None
    revisions = {kept.place.revision, *(step.revision for e in entries for step in e.steps if step.kind == "rules")}
    rules = {revision: await rulebook.rules_at(journal.pool, revision) for revision in revisions}
    try:
        engine = thaw(kept.state, catalogue, rules[kept.place.revision])
    except SnapshotError as error:
        log.warning("snapshot can't be read", sector=journal.sector, reason=str(error))
        return None
    start = log_now.go_on(kept.place)
    replay = Replay(engine, entries, kept.place.positions, rules)
    return Recovered(engine, journal, places[-1], start, "journal", replay)


async def _rebuild(
    journal: Journal,
    reader: LogReader,
    catalogue: Catalogue,
    zones: ZoneMap,
    log_now: SectorLog,
    kept: Snapshot | None,
    start: dict[int, int],
    unread: Unread,
    now_us: int,
) -> Recovered:
    """An engine with the open alerts of the alert table, and what stored readings tell, made the base of a new journal
    by a snapshot. What the log lost is judged as it is stored."""
    sector = journal.sector
    revision = await rulebook.revision(journal.pool)
    rules = await rulebook.rules_at(journal.pool, revision)
    old = await rulebook.rules_at(journal.pool, kept.place.revision) if kept is not None else []
    engine = _warmed(kept, catalogue, sector, rules, old)
    truth = await alerts_in_table(journal.pool, sector)
    told = adopt(engine, truth, now_us, forbid=False)
    filled = await refill(journal.pool, engine, unread)
    forbid_older(engine, truth)
    await _last_raised(journal, engine, now_us)
    if unread.judged is not None:
        told += await judge_stored(journal.pool, engine, unread.judged, unread.last)
    engine.resume(now_us)
    positions = await log_now.positions(reader, start)
    place = Place(journal.step + 1, ENGINE_VERSION, catalogue.version, log_now.cluster, revision, positions)
    changes: list[Change] = [change(one, engine.rules, catalogue.sectors[sector], zones) for one in told]
    await journal.commit(Entry((Step("base", now_us, revision=revision),), place), changes)
    await snapshot.save(journal.pool, snapshot.take(engine), journal.epoch, place)
    log.info("memory filled from stored readings", sector=sector, readings=filled)
    return Recovered(engine, journal, place, start, "tables")


def _judged(entries: Sequence[Entry]) -> int | None:
    """Up to which event time (µs) everything had been judged when the last journalled step was made; None: nobody
    knows."""
    steps = [step for entry in entries for step in entry.steps]
    ends = [step.time for step in steps if step.at_end] or [step.time for step in steps[:1]]
    return max(ends) - SLOW_US if ends else None


async def _last_raised(journal: Journal, engine: Engine, now_us: int) -> None:
    """Rules with a least time between two raises know when they last raised."""
    for name, watching in engine.groups.rules.items():
        if again := watching.timing.again_us:
            for row in await journal.pool.fetch(RAISED, journal.sector, name, now_us - again):
                standing = watching.group(row["group_key"]).standing
                standing.raised_last = max(standing.raised_last, row["raised_at"])


def _warmed(kept: Snapshot | None, catalogue: Catalogue, sector: str, rules: list[Rule], old: list[Rule]) -> Engine:
    """What an older snapshot still knows (newest times, places), under today's rules; else an empty engine.

    Not its timers: those are filled from stored readings, which the snapshot may not know yet.
    """
    if kept is not None:
        try:
            engine = thaw(kept.state, catalogue, old)
        except SnapshotError as error:
            log.warning("snapshot can't be read", sector=sector, reason=str(error))
        else:
            engine.apply(rules, 0)  # what it clears is cleared by the table's word instead
            engine.forget_timers()
            return engine
    return Engine(sector, catalogue, rules)


async def alerts_in_table(pool: asyncpg.Pool, sector: str) -> list[OpenAlert]:
    """The sector's open alerts as the table has them, but for those that no engine holds."""
    return [
        OpenAlert(
            row["rule"],
            row["group_key"],
            row["severity"],
            from_datetime(row["raised_at"]),
            row["asset"],
            Spot(row["zone"], msgspec.json.decode(row["location"], type=tuple[float, float] | None)),
            row["metric"] or "",
            from_datetime(row["heard_at"]),
        )
        for row in await pool.fetch(OPEN, sector, BESIDE_THE_ENGINE)
    ]
