"""What belongs together and what does not: by place, time and sector, first-out, reopening, and the same every time."""

import itertools
import uuid
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.grouping import Incidents
from alerts.incidents import MINUTE, Grouping, Incident, Related, Report, Step
from city.sectors import Catalogue
from city.settings import Settings
from city.zones import ZoneMap
from tests.center.conftest import move_alert, raise_alert

BESIDE = {"a": ["b"], "b": ["a", "c"], "c": ["b"], "d": []}
RELATED = Related(lambda zone: BESIDE[zone], [("environment", "traffic")])


class City:
    """A history as it comes, and what is made of it."""

    def __init__(self) -> None:
        self.grouping = Grouping([], RELATED)
        self.steps: list[Step] = []

    def say(self, alert: str, at: float, **fields: Any) -> None:
        known: dict[str, Any] = {
            "cause": ("rule", alert),
            "sector": "environment",
            "zone": "a",
            "severity": "warning",
            "state": "unacknowledged",
            "cleared": False,
        }
        step = Step(len(self.steps) + 1, round(at * MINUTE), alert, **{**known, **fields})
        self.steps.append(step)
        self.grouping.take(step)

    def over(self, alert: str, at: float) -> None:
        self.say(alert, at, state="returned_unacknowledged", cleared=True)

    def members(self) -> list[list[str]]:
        return [[member.alert_id for member in one.members] for one in self.grouping.incidents.values()]

    def one(self) -> Incident:
        (only,) = self.grouping.incidents.values()
        return only


def test_the_same_place_or_the_one_beside_it_within_ten_minutes_in_related_sectors() -> None:
    city = City()
    city.say("rain", 0)
    city.say("jam", 9, sector="traffic", zone="b", severity="critical")
    city.say("tide", 19, zone="c")  # ten minutes after the newest, beside the second
    assert city.members() == [["rain", "jam", "tide"]]
    assert (city.one().first_out, city.one().severity) == ("rain", "critical")
    assert (city.one().zones, city.one().sectors) == ({"a", "b", "c"}, {"environment", "traffic"})


@pytest.mark.parametrize(
    "apart", [{"zone": "c"}, {"zone": "d"}, {"zone": None}, {"zone": "gone"}, {"sector": "health"}, {"at": 10.1}]
)
def test_elsewhere_later_or_of_another_kind_is_another_incident(apart: dict[str, Any]) -> None:
    city = City()
    city.say("rain", 0)
    city.say("other", apart.pop("at", 5), **apart)
    assert city.members() == [["rain"], ["other"]]


def test_info_and_what_is_hidden_begin_nothing_and_what_is_shown_again_joins() -> None:
    city = City()
    city.say("note", 0, severity="info")
    city.say("pump", 1, state="shelved")
    assert city.members() == []
    city.say("rain", 2)
    city.say("pump", 3)
    assert city.members() == [["rain", "pump"]]


def test_it_ends_with_its_last_alert_and_a_cause_that_is_back_within_half_an_hour_opens_it_again() -> None:
    city = City()
    city.say("rain", 0)
    city.say("tide", 1, zone="b")
    city.over("rain", 5)
    assert city.one().closed_at is None
    city.over("tide", 20)
    assert city.one().closed_at == 20 * MINUTE
    city.say("rain-again", 50, cause=("rule", "rain"))
    assert (city.one().closed_at, city.one().reopened, city.one().first_out) == (None, 1, "rain")
    city.over("rain-again", 51)
    city.say("rain-late", 81.1, cause=("rule", "rain"))
    assert city.members() == [["rain", "tide", "rain-again"], ["rain-late"]]


def test_a_report_joins_what_is_open_near_it() -> None:
    city = City()
    city.say("rain", 0)
    near = Report(1, "traffic", "b", 8 * MINUTE)
    assert city.grouping.place_of(near) is city.one()
    for other in (
        Report(1, "traffic", "d", 8 * MINUTE),
        Report(1, "health", "b", 8 * MINUTE),
        Report(1, "traffic", "b", 11 * MINUTE),
        Report(1, "traffic", None, 8 * MINUTE),
    ):
        assert city.grouping.place_of(other) is None
    city.over("rain", 9)
    assert city.grouping.place_of(near) is None


STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 20), st.sampled_from(["a", "b", "c", "d", None]), st.booleans()),
    max_size=40,
)


@given(STEPS, st.integers(0, 40))
def test_stopping_anywhere_and_going_on_from_what_was_kept_changes_nothing(
    told: list[tuple[int, int, str | None, bool]], stop: int
) -> None:
    steps = [
        Step(seq, at * MINUTE, f"{name}", ("rule", f"{name}"), "traffic", zone, "warning", "unacknowledged", over)
        for seq, ((name, _, zone, over), at) in enumerate(
            zip(told, itertools.accumulate(one[1] for one in told), strict=True), start=1
        )
    ]
    whole, first = Grouping([], RELATED), Grouping([], RELATED)
    for step in steps:
        whole.take(step)
    for step in steps[:stop]:
        first.take(step)
    then = Grouping(first.incidents.values(), RELATED)
    for step in steps[stop:]:
        then.take(step)
    assert then.incidents == whole.incidents


@pytest.fixture
async def incidents(database: str, settings: Settings) -> Any:
    async with asyncpg.create_pool(database, min_size=1, max_size=3) as pool:
        follower = Incidents(pool, Catalogue.load(settings.city), ZoneMap.load(settings.city), "test")
        assert await follower._lease.acquire()
        yield follower


async def test_history_becomes_incidents_once_whoever_follows(
    incidents: Incidents, database: str, settings: Settings
) -> None:
    zones = ZoneMap.load(settings.city)
    here = next(code for code in sorted(zones.zones) if zones.neighbours(code))
    beside = zones.neighbours(here)[0]
    db = await asyncpg.connect(database)
    try:
        await raise_alert(db, 1, zone=here, severity="warning")
        await raise_alert(db, 2, zone=beside, sector="traffic", rule="jam", severity="critical")
        await raise_alert(db, 3, zone=None)
        await raise_alert(db, 4, zone=here, severity="info")
        assert await incidents.step() is False
        assert await incidents.step() is False
        rows = await db.fetch("SELECT * FROM incident ORDER BY opened_at")
        assert [row["first_out"].int for row in rows] == [1, 3]
        assert (rows[0]["severity"], sorted(rows[0]["zones"])) == ("critical", sorted([here, beside]))
        for zone in (here, None):
            await db.execute(
                "INSERT INTO report (sector, source, subject, time, first_time, zone, category, severity, title,"
                " description, status)"
                " VALUES ('hotline', 's', $1, now(), now(), $2, 'flood', 'warning', 't', 'd', 'open')",
                f"r-{zone}",
                zone,
            )
        assert (await incidents.reports(), await incidents.reports()) == (1, 0)
        for number in (1, 2):
            await move_alert(db, number, "cleared")
        await raise_alert(db, 5, zone=here, group="PA-1")
        await incidents.step()
        row = await db.fetchrow("SELECT * FROM incident WHERE first_out = $1", uuid.UUID(int=1))
        assert row is not None
        assert (row["state"], row["reopened"], row["closed_at"]) == ("open", 1, None)
        members = await db.fetch(
            "SELECT alert_id, lasts FROM incident_member"
            " WHERE incident = $1 AND alert_id IS NOT NULL ORDER BY joined_at",
            row["id"],
        )
        assert [(one["alert_id"].int, one["lasts"]) for one in members] == [(1, False), (2, False), (5, True)]
        newest = await db.fetchval("SELECT seq FROM alert_sequence")
        assert await db.fetchval("SELECT seq FROM incident_place") == newest
    finally:
        await db.close()


async def test_a_flood_begins_above_ten_and_ends_below_five(incidents: Incidents, database: str) -> None:
    db = await asyncpg.connect(database)
    try:
        for number in range(1, 11):
            await raise_alert(db, number, severity="warning")
        await raise_alert(db, 100, severity="info")
        await incidents.flood()
        assert await db.fetchval("SELECT count(*) FROM alarm_flood") == 0
        await raise_alert(db, 11, severity="warning")
        await incidents.flood()
        await raise_alert(db, 12, severity="warning")
        await incidents.flood()
        assert tuple(await db.fetchrow("SELECT peak, ended_at FROM alarm_flood") or ()) == (12, None)
        age = "UPDATE alert_history SET at = at - interval '11 minutes' WHERE seq <= $1"
        await db.execute(age, 7)  # six of the flood's are left
        await incidents.flood()
        assert await db.fetchval("SELECT ended_at FROM alarm_flood") is None
        await db.execute(age, 9)
        await incidents.flood()
        assert await db.fetchval("SELECT ended_at FROM alarm_flood") is not None
    finally:
        await db.close()
