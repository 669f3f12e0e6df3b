"""Allocates assets and series in a transaction of its own, before the readings that name them are written.

Inside the write it would deadlock with other workers, burn ids on every retry and leave readings without a series.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import asyncpg
import structlog
from asyncpg.exceptions import InterfaceError, PostgresError

from city import metrics
from city.database import Connection, load_sql, refuses_rows
from city.events import Reading
from city.sectors import Catalogue
from city.session import server_of
from ingest.assets import Asset
from ingest.latest import Latest
from ingest.ownership import FencedError
from ingest.places import confirm, has_place, move, place_of
from ingest.sieve import why_unstorable
from ingest.work import Part, Stranger, Work

Refused = dict[int, str]
"""Why the database refuses a reading, by its number."""

log = structlog.get_logger(__name__)


class Series:
    """The series that this worker knows: `assets` by sector and name, filled only after commit.

    Ids are those of `server`: one that took over, or came back from an older state, may give the same to others.
    """

    def __init__(self, pool: asyncpg.Pool, catalogue: Catalogue) -> None:
        self._pool = pool
        self._catalogue = catalogue
        self.assets: dict[str, dict[str, Asset]] = {name: {} for name in catalogue.sectors}
        self.server: str | None = None

    def forget(self) -> None:
        """Know nothing any more; to be called while no work is being opened or placed."""
        for assets in self.assets.values():
            assets.clear()

    async def place(self, work: Work) -> None:
        """Give every stranger of the work its series ids, allocating what is new and refusing what passes the limit.

        May be called again after an error of the database: the work changes only when all is committed. Raises
        FencedError when some of the work's ids are another server's.
        """
        if not work.strangers:
            return
        async with self._pool.acquire() as connection:
            if self.server != server_of(connection):
                self.forget()
                self.server = server_of(connection)
        if work.server not in (None, self.server):
            raise FencedError([part.owned.tp for part in work.parts])
        by_sector: dict[str, list[Stranger]] = defaultdict(list)
        for stranger in work.strangers:
            by_sector[stranger[2].sector].append(stranger)
        refused: Refused = {}
        for sector, strangers in by_sector.items():
            if self._unknown(sector, strangers):
                async with self._pool.acquire() as connection:
                    await self._load(connection, sector, {s[2].asset for s in self._unknown(sector, strangers)})
            await self._each(partial(self._allocate_unknown, sector), strangers, refused)
        await self._each(
            partial(move, self._pool, self.server, self.assets),
            [s for s in work.strangers if s[1] not in refused],
            refused,
        )
        for part, number, reading in work.strangers:
            if number in refused:
                part.taken -= 1
                part.refuse(part.batch.records[number - part.base], "unstorable", refused[number])
            else:
                self._add(work, part, number, reading)
        work.strangers = []
        work.server = self.server

    async def flush_last_seen(self, latest: Latest) -> None:
        """Record when each asset was last heard, and until when it was where it is; what fails waits for next time."""
        await confirm(self._pool, self.server, self.assets)
        seen = latest.take_unseen()
        if not len(seen.series):
            return
        try:
            async with self._pool.acquire() as connection:
                if self.server in (None, server_of(connection)):
                    await connection.execute(_FLUSH, seen.series.tolist(), seen.time.tolist())
        except BaseException:
            latest.put_back_unseen(seen)
            raise

    async def _each(
        self, step: Callable[[list[Stranger]], Awaitable[None]], strangers: list[Stranger], refused: Refused
    ) -> None:
        """Take the step for all at once; if the database refuses, by halves, down to the readings that it refuses."""
        try:
            await step(strangers)
        except (PostgresError, InterfaceError) as error:
            if not refuses_rows(error):
                raise
            if len(strangers) == 1:
                refused[strangers[0][1]] = why_unstorable(error)
                return
            half = len(strangers) // 2
            await self._each(step, strangers[:half], refused)
            await self._each(step, strangers[half:], refused)

    async def _allocate_unknown(self, sector: str, strangers: list[Stranger]) -> None:
        if self._unknown(sector, strangers):
            await self._allocate(sector, strangers)

    def _unknown(self, sector: str, strangers: Iterable[Stranger]) -> list[Stranger]:
        known = self.assets[sector]
        return [
            s for s in strangers if (a := known.get(s[2].asset)) is None or s[2].measurements.keys() - a.series.keys()
        ]

    def _add(self, work: Work, part: Part, number: int, reading: Reading) -> None:
        asset = self.assets[reading.sector].get(reading.asset)
        if asset is None or reading.measurements.keys() - asset.series.keys():
            limit = self._catalogue.sectors[reading.sector].series_limit
            part.taken -= 1
            record = part.batch.records[number - part.base]
            part.refuse(
                record,
                "too_many_series",
                f"subject {reading.asset!r} would pass the limit of {limit} series for {reading.sector}; "
                "raise series_limit in the catalogue and replay, or stop inventing names",
            )
            return
        ids = [asset.series[name][0] for name in reading.measurements]
        work.add(number, reading.time, ids, list(reading.measurements.values()))

    async def _load(self, connection: Connection, sector: str, names: Iterable[str]) -> None:
        if server_of(connection) != self.server:
            raise asyncpg.InterfaceError("the server is another one now; place the work again")
        rows = await connection.fetch(_SELECT, sector, sorted(names))
        for row in rows:
            self._know(sector, row["name"], _asset_of(row))
            if row["series_id"] is not None:
                self._know_series(sector, row["name"], row["metric"], row["series_id"])

    def _know(self, sector: str, name: str, asset: Asset) -> None:
        self.assets[sector].setdefault(name, asset)

    def _know_series(self, sector: str, name: str, metric_name: str, series_id: int) -> None:
        metric = self._catalogue.metric(sector, metric_name)
        if metric is not None:
            self.assets[sector][name].series[metric_name] = (series_id, metric.low, metric.high)

    async def _allocate(self, sector: str, strangers: list[Stranger]) -> None:
        """Insert what is missing, one allocator of a sector at a time, as far as the sector's limit goes."""
        limit = self._catalogue.sectors[sector].series_limit
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK, sector)
            await self._load(connection, sector, {s[2].asset for s in strangers})
            room = limit - await connection.fetchval(_COUNT, sector)
            wanted = self._wanted(sector, strangers, room)
            if not wanted:
                return
            known = self.assets[sector]
            firsts = {s[2].asset: s[2] for s in reversed(strangers) if s[2].asset in wanted and s[2].asset not in known}
            new = await self._insert_assets(connection, sector, [firsts[name] for name in sorted(firsts)])
            ids = {name: known[name].id if name in known else new[name] for name in wanted}
            columns = sorted((ids[name], metric) for name, metrics_ in wanted.items() for metric in metrics_)
            units = [self._catalogue.sectors[sector].metrics[metric].unit for _, metric in columns]
            inserted = await connection.fetch(_INSERT_SERIES, *map(list, zip(*columns, strict=True)), units)
        for name, reading in firsts.items():
            firm = None if reading.zone_approximate else reading.zone
            placed_at = reading.time if has_place(reading) else 0
            self._know(sector, name, Asset(new[name], firm, reading.location, placed_at, placed_at))
        names = {id_: name for name, id_ in ids.items()}
        for row in inserted:
            self._know_series(sector, names[row["asset_id"]], row["metric"], row["id"])
        metrics.NEW_SERIES.labels(sector).inc(len(inserted))

    def _wanted(self, sector: str, strangers: list[Stranger], room: int) -> dict[str, set[str]]:
        """Series to insert by asset, in the order of the records while there is room for all of a record's."""
        known = self.assets[sector]
        wanted: dict[str, set[str]] = {}
        for _, _, reading in strangers:
            asset = known.get(reading.asset)
            have = (asset.series.keys() if asset is not None else set()) | wanted.get(reading.asset, set())
            more = reading.measurements.keys() - have
            if more and len(more) <= room:
                room -= len(more)
                wanted.setdefault(reading.asset, set()).update(more)
        return wanted

    async def _insert_assets(self, connection: Connection, sector: str, firsts: list[Reading]) -> dict[str, int]:
        if not firsts:
            return {}
        rows = await connection.fetch(
            _INSERT_ASSETS,
            sector,
            [r.asset for r in firsts],
            [r.zone for r in firsts],
            [r.zone_approximate for r in firsts],
            [r.location[0] if r.location else None for r in firsts],
            [r.location[1] if r.location else None for r in firsts],
            [r.time for r in firsts],
        )
        return {row["name"]: row["id"] for row in rows}


def _asset_of(row: asyncpg.Record) -> Asset:
    zone, location, placed_at = place_of(row)
    return Asset(row["id"], zone, location, placed_at, placed_at)


_SELECT = load_sql("ingest", "select_assets.sql")
_COUNT = load_sql("ingest", "count_series.sql")
_INSERT_ASSETS = load_sql("ingest", "insert_assets.sql")
_INSERT_SERIES = load_sql("ingest", "insert_series.sql")
_FLUSH = load_sql("ingest", "flush_last_seen.sql")
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('citywatch.series.' || $1, 0))"
