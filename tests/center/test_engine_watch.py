"""An alert engine that is dead, behind or taken over, as screens are told; and what a center says before it knows."""

import asyncpg
import httpx
import pytest

from center.engine import BEHIND_S, STALLED_S, EngineWatch
from city.clock import ManualClock
from city.settings import Settings
from city.timestamps import format_time, parse_time
from tests.center.conftest import Running, raise_alert, running
from tests.center.test_live_values import REPORT, new_series

SECTORS = ("traffic", "health")
TOLD = """
INSERT INTO engine_progress (sector, epoch, through, at)
SELECT sector, 1, clock_timestamp() - make_interval(secs => $2), clock_timestamp() - make_interval(secs => $3)
  FROM unnest($1::text[]) AS sector
    ON CONFLICT (sector) DO UPDATE SET through = excluded.through, at = excluded.at
"""


class Told:
    """A watch and its clock; a worker that beats as it is told to."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.watch = EngineWatch(SECTORS, self.clock)

    async def seconds(self, count: float, *, beating: bool = True, behind: float | None = 1.0) -> None:
        """Time in which the center asks every two seconds."""
        for _ in range(round(count / 2)):
            if beating:
                self.watch.take((sector, behind, 1.0) for sector in SECTORS)
            await self.clock.advance(2)

    def late(self) -> set[tuple[str, str]]:
        return {(one.sector, one.state) for one in self.watch.late()}


async def test_a_quiet_engine_is_never_late() -> None:
    told = Told()
    for _ in range(100):
        await told.seconds(2)
        assert told.late() == set()


async def test_a_frozen_engine_is_stalled_soon_and_since_when_it_last_judged() -> None:
    told = Told()
    await told.seconds(20)
    froze = told.clock.now_us()
    await told.seconds(8, beating=False)
    assert told.late() == set(), "another worker takes over in that time"
    await told.seconds(int(STALLED_S) - 8, beating=False)
    assert told.late() == {(sector, "stalled") for sector in SECTORS}
    assert told.watch.late()[0].since == format_time(froze - 3_000_000)
    first = told.watch.late()
    await told.seconds(60, beating=False)
    assert told.watch.late() == first, "it stands still: nothing new has to be sent"
    await told.seconds(2)
    assert told.late() == set()


async def test_a_takeover_that_beats_before_it_is_through_is_not_called_dead() -> None:
    told = Told()
    await told.seconds(20)
    await told.seconds(8, beating=False)
    told.watch.take((sector, 11.0, 0.1) for sector in SECTORS)
    assert told.late() == set()
    await told.clock.advance(5)
    told.watch.take((sector, 16.0, 0.1) for sector in SECTORS)
    assert told.late() == {(sector, "behind") for sector in SECTORS}, "it works, and is not yet where it was"


async def test_one_sector_that_lags_is_told_alone() -> None:
    told = Told()
    told.watch.take([("traffic", BEHIND_S + 30, 1.0), ("health", 1.0, 1.0)])
    assert told.late() == {("traffic", "behind")}
    assert told.watch.through() == format_time(told.clock.now_us() - round((BEHIND_S + 30) * 1e6))


async def test_who_was_never_heard_is_stalled_after_a_while() -> None:
    told = Told()
    assert told.watch.through() is None
    await told.clock.advance(STALLED_S + 1)
    assert {one.since for one in told.watch.late()} == {None}
    assert told.late() == {(sector, "stalled") for sector in SECTORS}


async def test_screens_are_told_of_a_stalled_engine_and_of_its_return(
    center: Running, http: httpx.AsyncClient, db: asyncpg.Connection
) -> None:
    sectors = [one["sector"] for one in (await http.get("/api/v1/sectors")).json()["sectors"]]
    await db.execute(TOLD, sectors, 2.0, 1.0)
    await db.execute(TOLD, ["traffic"], 104.0, 103.0)
    async with center.listen() as wall, center.listen() as elsewhere:
        await wall.say(type="subscribe", channel="city")
        await elsewhere.say(type="subscribe", channel="city", filter={"sectors": ["health"]})
        seen = await wall.until(lambda message: bool(message.get("engine_late")))
        assert [(one["sector"], one["state"]) for one in seen["engine_late"]] == [("traffic", "stalled")]
        beat = await wall.until(lambda m: m["type"] == "heartbeat" and m["engine_through"] is not None)
        assert abs(_seconds(beat["engine_through"]) - _seconds(seen["engine_late"][0]["since"])) < 2
        assert _seconds(beat["server_time"]) - _seconds(beat["engine_through"]) > 103
        ready = await http.get("/api/v1/ready")
        assert (ready.status_code, ready.json()["engine"]) == (200, False)
        assert _gauge((await http.get("/metrics")).text, 'citywatch_engine_silent_seconds{sector="traffic"}') > 100
        assert (await elsewhere.until(lambda m: m.get("engine_late") is not None))["engine_late"] == []
        await db.execute(TOLD, ["traffic"], 1.0, 1.0)
        assert (await wall.until(lambda m: "engine_late" in m))["engine_late"] == []
        assert (await http.get("/api/v1/ready")).json()["engine"] is True


@pytest.mark.parametrize("delayed", ["reports", "alarm_flood", "engine_progress", "stage"])
async def test_after_a_start_nothing_is_told_before_it_is_known(
    topics: Settings, db: asyncpg.Connection, delayed: str
) -> None:
    """A table that can't be read yet: nothing of the city is told, rather than zero alarms above open alerts."""
    await new_series(db, "VVK-1", zone="26740")
    await db.execute(REPORT, "r-1", "26740")
    await db.execute("INSERT INTO city_state VALUES ('stage', '{\"level\": 3, \"since\": null}')")
    for number in range(1, 4):
        await raise_alert(db, number)
    table = "report" if delayed == "reports" else delayed
    held = db.transaction()
    await held.start()
    await db.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    async with running(topics) as center, center.listen() as wall:
        await wall.say(type="subscribe", channel="city")
        await wall.say(type="subscribe", channel="alerts")
        told = await wall.until(lambda m: m["type"] == "heartbeat" or m.get("channel") == "city")
        assert told["type"] == "heartbeat", "the city was told before it was known"
        async with httpx.AsyncClient(base_url=center.url, trust_env=False, timeout=30) as http:
            ready = await http.get("/api/v1/ready")
            assert (ready.status_code, ready.json()["state"]) == (503, False)
        await held.rollback()
        state = await wall.next("snapshot", "city")
        assert state["statistics"] == {"alarms_hour": 3, "alarms_10min": 3}
        assert [report["subject"] for report in state["reports"]] == ["r-1"]
        assert state["reports_today"] == 1
        assert state["stage"]["level"] == 3
        assert next(one for one in state["sectors"] if one["sector"] == "traffic")["assets_total"] == 1
        await center.ready()


def _seconds(text: str) -> float:
    return parse_time(text) / 1e6


def _gauge(text: str, name: str) -> float:
    (line,) = [line for line in text.splitlines() if line.startswith(name)]
    return float(line.rsplit(" ", 1)[1])
