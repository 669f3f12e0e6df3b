"""Back-tests over REST: what they find, who may, what is refused, and that the center goes on meanwhile."""

import asyncio
import contextlib
import itertools
import sys
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import msgspec
import psutil
import pytest
from typer.testing import CliRunner

from alerts import rulebook
from alerts.rulefile import parse_rules
from alerts.trial import MOST_LINE, Order, Progress
from center import backtests
from city.sectors import Catalogue
from city.settings import DEFAULT_CITY, Settings
from city.timestamps import parse_time
from citywatch.commands.rules import app
from citywatch.commands.rules_backtest import FIGURES
from tests.alerts.streets import FLOOD
from tests.center.conftest import Running, running
from tests.center.people import People, by_device, by_key, by_session, client

SPAN = {"from": "2025-12-01T08:00:00+07:00", "to": "2025-12-01T09:00:00+07:00"}
YEAR = {"from": "2025-12-01T08:00:00+07:00", "to": "2026-11-22T08:00:00+07:00"}
HIGHER = FLOOD.replace("above: 15", "above: 25").replace("above: 30", "above: 40")
SILENT = """
rule: silent
title: {vi: a, en: b}
short: {vi: a, en: b}
sector: environment
metric: flood_cm
raise: {warning: {absent: 10m}}
"""
"""A year of it is three million looks at the clock: half a minute of judging that nothing interrupts."""
SERIES = """
WITH made AS (
    INSERT INTO asset (sector, name, zone, first_seen, last_seen) VALUES ('environment', $1, $2, now(), now())
    RETURNING id
)
INSERT INTO series (asset_id, metric, unit) SELECT id, 'flood_cm', 'cm' FROM made RETURNING id
"""
READINGS = """
INSERT INTO reading (time, series_id, value)
SELECT '2025-12-01T08:00:00+07'::timestamptz + i * interval '10 s', $1,
       CASE WHEN i % 120 < 60 THEN 5 WHEN i < 120 THEN 35 ELSE $2 END
  FROM generate_series(0, 359) AS i
"""
TRAIL = """
SELECT actor, object, after ->> 'id', after ->> 'sector' FROM audit WHERE action = 'rules.backtest' ORDER BY seq
"""
ZONE, ELSEWHERE = "26740", "26743"


@pytest.fixture
async def streets(database: str) -> AsyncIterator[asyncpg.Pool]:
    """Two streets that flood three times in an hour, the first flood the worst; the rule on it is in force."""
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        for name, zone, depth in (("F-1", ZONE, 20.0), ("F-2", ELSEWHERE, 28.0)):
            await pool.execute(READINGS, await pool.fetchval(SERIES, name, zone), depth)
        await rulebook.apply_rules(pool, parse_rules(FLOOD, Catalogue.load(DEFAULT_CITY)), "test")
        yield pool


async def begun(http: httpx.AsyncClient, rule: str, span: dict[str, str]) -> dict[str, Any]:
    """A back-test that was taken."""
    answer = await http.post("/api/v1/backtests", json={"rule": rule, **span})
    assert answer.status_code == 202, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def ended(http: httpx.AsyncClient, told: dict[str, Any]) -> dict[str, Any]:
    """The same once it is over; progress only ever grows."""
    progress = 0.0
    async with asyncio.timeout(120):
        while told["state"] == "running":
            await asyncio.sleep(0.05)
            told = (await http.get(f"/api/v1/backtests/{told['id']}")).json()
            assert progress <= told["progress"] <= 1
            progress = told["progress"]
    return told


async def refused(http: httpx.AsyncClient, **body: Any) -> tuple[int, str, str]:
    answer = await http.post("/api/v1/backtests", json=body)
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


def processes() -> list[psutil.Process]:
    """Back-tests of this test's center that run."""
    found = []
    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if "alerts.trial" in one.cmdline():
                found.append(one)
    return found


async def test_it_tells_what_the_command_tells_and_when_and_how_bad(
    center: Running, http: httpx.AsyncClient, streets: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    told = await begun(http, HIGHER, SPAN)
    assert (told["state"], told["rule"], told["sector"], told["zones"]) == ("running", "flooded", "environment", [])
    done = await ended(http, told)
    assert (done["state"], done["progress"], done["error"]) == ("done", 1, None), done
    proposed, present = done["result"]["proposed"], done["result"]["present"]
    assert (proposed["version"], present["version"]) == (None, 1)
    assert (proposed["readings"], present["readings"], done["readings"]) == (720, 720, 1440)
    assert present["severities"] == {"critical": 2, "warning": 4}
    assert proposed["severities"] == {"warning": 4}
    assert [(one["group"], one["severity"], one["lasted_s"]) for one in present["alerts"][:4]] == [
        ("F-1", "critical", 600),
        ("F-2", "critical", 600),
        ("F-1", "warning", 600),
        ("F-2", "warning", 600),
    ]
    assert [one["cleared_at"] for one in present["alerts"][4:]] == [None, None]
    assert present["alerts"][0]["raised_at"] == "2025-12-01T01:10:00.000000Z"
    assert present["at_once"]["step_s"] == 15
    assert present["at_once"]["most"] == ([0] * 40 + [2] * 40) * 3
    assert max(proposed["at_once"]["most"]) == proposed["figures"]["most_at_once"] == 2

    monkeypatch.setenv("CITYWATCH_DATABASE_DSN", center.settings.database_dsn)
    file = tmp_path / "flood.yaml"
    file.write_text(HIGHER)
    times = ["--from", "2025-12-01T08:00:00", "--to", "2025-12-01T09:00:00"]
    command = await asyncio.to_thread(CliRunner().invoke, app, ["backtest", str(file), *times])
    assert command.exit_code == 0, command.output
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in command.stdout.splitlines() if "│" in line]
    for title, field, form in FIGURES:
        both = [form.format(version["figures"][field]) for version in (proposed, present)]
        assert [title, *both] in rows


async def test_a_rule_in_force_is_tried_by_its_name(http: httpx.AsyncClient, streets: asyncpg.Pool) -> None:
    done = await ended(http, await begun(http, "flooded", SPAN))
    proposed, present = done["result"]["proposed"], done["result"]["present"]
    assert (proposed["figures"]["raised"], proposed["readings"], done["readings"]) == (6, 720, 720)
    assert {**proposed, "version": 1} == present
    alone = await ended(http, await begun(http, HIGHER.replace("rule: flooded", "rule: new"), SPAN))
    assert (alone["result"]["proposed"]["figures"]["raised"], alone["result"]["present"]) == (4, None)


async def test_the_center_goes_on_meanwhile(center: Running, http: httpx.AsyncClient, streets: asyncpg.Pool) -> None:
    """Two at once, each busy for seconds: the loop that they were begun in is never kept, and heartbeats come."""
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - began - 0.005)

    async with center.listen() as wall:
        await wall.next("hello")
        ticking = asyncio.create_task(tick())
        both = [await begun(http, SILENT, YEAR), await begun(http, HIGHER, YEAR)]
        third = await http.post("/api/v1/backtests", json={"rule": HIGHER, **SPAN})
        assert (third.status_code, third.json()["error"]["code"]) == (429, "too_many_backtests")
        assert int(third.headers["Retry-After"]) > 0
        beats = []
        for _ in range(3):
            await wall.next("heartbeat")
            beats.append(time.monotonic())
        silent = both[0]
        async with asyncio.timeout(30):
            while silent["state"] == "running" and silent["progress"] == 0:
                await asyncio.sleep(0.05)
                silent = (await http.get(f"/api/v1/backtests/{both[0]['id']}")).json()
        ticking.cancel()
        assert silent["state"] == "running", "too quick to say anything"
        assert 0 < silent["progress"] < 1
        print(f"longest stall of the center's loop {longest * 1000:.0f} ms")
        assert longest < 0.5
        assert max(after - before for before, after in itertools.pairwise(beats)) < 4
        assert (await ended(http, both[1]))["state"] == "done"
        assert (await http.delete(f"/api/v1/backtests/{both[0]['id']}")).status_code == 204


async def test_cancelling_ends_the_process_and_frees_the_place(http: httpx.AsyncClient, streets: asyncpg.Pool) -> None:
    path = f"/api/v1/backtests/{(await begun(http, SILENT, YEAR))['id']}"
    other = await begun(http, SILENT, YEAR)
    async with asyncio.timeout(20):
        while (await http.get(path)).json()["readings"] == 0:
            await asyncio.sleep(0.05)
    assert len(processes()) == 2
    began = time.monotonic()
    assert (await http.delete(path)).status_code == 204
    assert time.monotonic() - began < backtests.GRACE_S + 2
    assert len(processes()) == 1
    assert (await http.get(path)).status_code == 404
    assert (await http.delete(path)).status_code == 404
    assert [one["id"] for one in (await http.get("/api/v1/backtests")).json()["backtests"]] == [other["id"]]
    assert (await ended(http, await begun(http, HIGHER, SPAN)))["state"] == "done"
    await http.delete(f"/api/v1/backtests/{other['id']}")


async def test_a_question_to_the_database_is_taken_back(
    http: httpx.AsyncClient, streets: asyncpg.Pool, db: asyncpg.Connection
) -> None:
    """While the table of readings is locked the back-test waits in the database; cancelled, it waits no more."""
    asking = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'citywatch-backtest' AND state = 'active'"
    async with db.transaction():
        await db.execute("LOCK TABLE reading IN ACCESS EXCLUSIVE MODE")
        told = await begun(http, HIGHER, SPAN)
        async with asyncio.timeout(20):
            while await streets.fetchval(asking) == 0:
                await asyncio.sleep(0.05)
        assert (await http.delete(f"/api/v1/backtests/{told['id']}")).status_code == 204
        async with asyncio.timeout(2):
            while await streets.fetchval(asking):
                await asyncio.sleep(0.05)


async def test_a_center_that_stops_takes_its_backtests_along(topics: Any, streets: asyncpg.Pool) -> None:
    async with running(topics.model_copy(update={"sign_in": "off"})) as center:
        await center.ready()
        async with client(center.url) as http:
            await begun(http, SILENT, YEAR)
            async with asyncio.timeout(10):
                while not processes():
                    await asyncio.sleep(0.02)
    assert processes() == []


async def test_a_center_that_is_killed_takes_them_along_too(settings: Settings, streets: asyncpg.Pool) -> None:
    """Its ends of the pipes close, and the back-test is amid half a minute of judging."""
    (loaded,) = parse_rules(SILENT, Catalogue.load(DEFAULT_CITY))
    since, until = (parse_time(YEAR[end]) for end in ("from", "to"))
    order = Order(settings.database_dsn, str(DEFAULT_CITY), loaded.rule, None, since, until)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "alerts.trial", stdin=pipe, stdout=pipe, limit=MOST_LINE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(order) + b"\n")
    share = 0.0
    async with asyncio.timeout(60):
        while share < 0.01:
            share = msgspec.json.decode(await process.stdout.readline(), type=Progress).share
    process.stdin.close()
    process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
    async with asyncio.timeout(5):
        assert await process.wait() == 1


async def test_a_process_that_dies_is_a_failure_and_no_more(http: httpx.AsyncClient, streets: asyncpg.Pool) -> None:
    told = await begun(http, SILENT, YEAR)
    async with asyncio.timeout(10):
        while not processes():
            await asyncio.sleep(0.02)
    processes()[0].kill()
    done = await ended(http, told)
    assert (done["state"], done["error"]["code"], done["result"]) == ("failed", "died", None)
    assert (await ended(http, await begun(http, HIGHER, SPAN)))["state"] == "done"


async def test_what_makes_no_sense_is_refused_by_line(http: httpx.AsyncClient, streets: asyncpg.Pool) -> None:
    unknown = FLOOD.replace("sector: environment", "sector: weather")
    answer = await http.post("/api/v1/backtests", json={"rule": unknown, **SPAN})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["line"]) == (422, "bad_rule", 5)
    assert error["message"].startswith("rule.yaml:5: unknown sector 'weather'")
    for rule, code, words in (
        ("no-such-rule", "unknown_rule", "no-such-rule"),
        ("rule: [", "bad_rule", "rule.yaml:1: is no YAML"),
        ("# nothing", "bad_rule", "rule.yaml:1: holds no rule"),
        (FLOOD + "---" + FLOOD, "bad_rule", "rule.yaml:12: is a second rule"),
        ("[" * 6000, "bad_rule", "rule.yaml:1:"),
        (FLOOD.replace("above: 15", "above: 9"), "bad_rule", "rule.yaml:10:"),
        (FLOOD.replace("en: Flooded", 'en: "\\0"'), "bad_rule", "U+0000"),
        (FLOOD.replace("en: Flooded", 'en: "\\uD800"'), "bad_rule", "rule.yaml:4:"),
        (FLOOD + f"again_after: {'9' * 400}d\n", "bad_rule", "rule.yaml:11: again_after is longer than"),
        (FLOOD + "active: {timezone: Asia}\n", "bad_rule", "rule.yaml:11: there is no time zone 'Asia'"),
    ):
        assert (await refused(http, rule=rule, **SPAN))[:2] == (422, code), rule[:200]
        assert words in (await refused(http, rule=rule, **SPAN))[2], rule[:200]
    times = {"from": SPAN["to"], "to": SPAN["from"]}
    assert (await refused(http, rule=FLOOD, **times))[:2] == (422, "invalid")
    assert (await refused(http, rule=FLOOD, **{**SPAN, "to": SPAN["from"]}))[:2] == (422, "invalid")
    assert (await refused(http, rule=FLOOD, **{**SPAN, "from": "yesterday"}))[:2] == (422, "invalid")
    assert (await refused(http, rule=FLOOD, **{**SPAN, "from": "2024-11-22T00:00:00Z"}))[1] == "span_too_large"
    assert (await refused(http, rule=FLOOD, **{**SPAN, "to": "2126-11-22T00:00:00Z"}))[1] == "not_yet"
    assert (await refused(http, rule=FLOOD, **SPAN, more=1))[:2] == (422, "invalid")
    assert (await refused(http, rule="x" * 17_000, **SPAN))[0] == 413
    assert (await http.get("/api/v1/backtests")).json() == {"backtests": []}


async def test_who_may_and_where(guarded: Running, people: People, streets: asyncpg.Pool) -> None:
    chief = await people.account("supervisor")
    of_zone = by_session(await people.person("supervisor", [], [ZONE]))
    of_traffic = by_session(await people.person("admin", ["traffic"]))
    body = {"rule": HIGHER, **SPAN}
    async with client(guarded.url) as http:
        for headers in (
            by_session(await people.person("operator")),
            by_key(await people.key([], ["read", "publish"])),
            by_device(await people.device()),
        ):
            assert (await http.post("/api/v1/backtests", json=body, headers=headers)).status_code == 403
            assert (await http.get("/api/v1/backtests", headers=headers)).status_code == 403
        assert (await http.post("/api/v1/backtests", json=body)).status_code == 401
        strange = await http.post("/api/v1/backtests", json=body, headers=of_traffic)
        assert (strange.status_code, strange.json()["error"]["code"]) == (403, "out_of_scope")
        elsewhere = HIGHER + f'where: {{zones: ["{ELSEWHERE}"]}}\n'
        strange = await http.post("/api/v1/backtests", json={**body, "rule": elsewhere}, headers=of_zone)
        assert (strange.status_code, strange.json()["error"]["code"]) == (403, "out_of_scope")
    async with client(guarded.url, by_session(await people.session(chief)), timeout=30) as whole:
        theirs = await ended(whole, await begun(whole, HIGHER, SPAN))
        assert theirs["by"] == chief.name
    async with client(guarded.url, of_zone, timeout=30) as part:
        assert (await part.get(f"/api/v1/backtests/{theirs['id']}")).status_code == 404
        assert (await part.delete(f"/api/v1/backtests/{theirs['id']}")).status_code == 404
        mine = await ended(part, await begun(part, HIGHER, SPAN))
        assert mine["zones"] == [ZONE]
        for version in (mine["result"]["proposed"], mine["result"]["present"]):
            assert {one["group"] for one in version["alerts"]} == {"F-1"}
        assert [one["id"] for one in (await part.get("/api/v1/backtests")).json()["backtests"]] == [mine["id"]]
    async with client(guarded.url, by_session(await people.session(chief)), timeout=30) as whole:
        seen = [one["id"] for one in (await whole.get("/api/v1/backtests")).json()["backtests"]]
        assert seen == [mine["id"], theirs["id"]]
    trail = await streets.fetch(TRAIL)
    assert tuple(trail[0]) == (chief.name, "rule flooded", theirs["id"], "environment")
    assert len(trail) == 2


async def test_results_are_kept_for_a_while_and_of_the_newest(
    http: httpx.AsyncClient, streets: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtests, "MOST_KEPT", 2)
    ids = [(await ended(http, await begun(http, HIGHER, SPAN)))["id"] for _ in range(3)]
    known = (await http.get("/api/v1/backtests")).json()["backtests"]
    assert [one["id"] for one in known] == ids[:0:-1]
    monkeypatch.setattr(backtests, "KEPT_S", 0)
    assert (await http.get(f"/api/v1/backtests/{ids[2]}")).status_code == 404
    assert (await http.get(f"/api/v1/backtests/{uuid.uuid4()}")).status_code == 404
