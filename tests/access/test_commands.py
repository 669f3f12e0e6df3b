"""The command line: every command declares what it asks for, acts under the user's name, and says it plainly."""

import asyncio
import getpass
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
import typer
from typer.testing import CliRunner, Result

from access.policy import PERMISSIONS
from city.settings import Settings
from city.zones import ZoneMap
from citywatch.local import permission
from citywatch.main import COMMANDS, declarations, load
from citywatch.supervisor.state import DemoState
from tests.conftest import execute

DOCUMENT = Path(__file__).parents[2] / "docs" / "access.md"


EASY = "-".join([r"[2-9a-hjkmnp-tv-z]{5}"] * 4)


def run(command: str, *arguments: str, text: str | None = None) -> Result:
    app = load(command)
    assert isinstance(app, typer.Typer)
    return CliRunner().invoke(app, list(arguments), input=text)


@pytest.fixture
def store(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CITYWATCH_DATABASE_DSN", database)
    return database


def good(command: str, *arguments: str, text: str | None = None) -> str:
    result = run(command, *arguments, text=text)
    assert result.exit_code == 0, result.output
    return result.output


def bad(command: str, *arguments: str, code: int = 1) -> str:
    result = run(command, *arguments)
    assert result.exit_code == code, result.output
    return result.output


def test_every_command_declares_a_permission() -> None:
    declared = dict(declarations())
    assert {name.partition(" ")[0] for name in declared} == set(COMMANDS)
    assert [name for name, needed in declared.items() if needed not in PERMISSIONS] == []


def test_a_permission_that_does_not_exist_fails_at_import() -> None:
    with pytest.raises(KeyError):
        permission("audit.raed")


def test_the_document_has_the_table_as_it_is_declared() -> None:
    between = re.search(r"<!-- citywatch access table -->\n(.*)\n<!-- end of the table -->", DOCUMENT.read_text(), re.S)
    assert between is not None
    assert between[1] == good("access", "table").strip(), "citywatch access table prints what docs/access.md must have"


@pytest.mark.parametrize("command", ["accounts", "keys", "devices", "audit", "access"])
def test_help_has_examples(command: str) -> None:
    assert f"citywatch {command}" in good(command, "--help")
    for name, _ in declarations():
        if name.startswith(f"{command} "):
            assert f"citywatch {name}" in good(command, name.partition(" ")[2], "--help")


def test_an_account_from_first_password_to_deletion(store: str) -> None:
    zone = next(iter(ZoneMap.load(Settings().city).zones))
    said = good("accounts", "create", "Lan", "--role", "operator", "--sector", "traffic", "--zone", zone)
    assert f"Lan is operator of traffic; {zone}" in said
    assert re.search(rf"first password, shown once: {EASY}\n", said)
    assert "There is an account named lan." in bad("accounts", "create", "lan")
    assert "supervisor of traffic" in good("accounts", "change", "LAN", "--role", "supervisor")
    assert "all sectors; all zones" in good("accounts", "change", "Lan", "--everywhere")
    for act in ("disable", "enable", "unlock"):
        good("accounts", act, "Lan")
    assert re.fullmatch(rf"first password, shown once: {EASY}\n", good("accounts", "password", "Lan"))
    assert "first password" in good("accounts", "list")
    good("accounts", "create", "Chief", "--role", "admin", "--password-stdin", text="a wall of eight screens\n")
    assert "only account" in bad("accounts", "delete", "Chief")
    good("accounts", "delete", "Lan")
    assert "There is no account Lan." in bad("accounts", "unlock", "Lan")


async def signed_in(dsn: str, name: str, times: int) -> None:
    from access import accounts, sessions

    async with asyncpg.create_pool(dsn) as pool:
        for number in range(times):
            account = await accounts.named(pool, name)
            await sessions.create(pool, account, f"10.0.0.{number}", "Firefox", timedelta(hours=1))


def test_where_somebody_is_signed_in_and_no_more(store: str) -> None:
    good("accounts", "create", "Lan")
    asyncio.run(signed_in(store, "Lan", 3))
    listed = good("accounts", "sessions", "Lan")
    assert "3 sessions" in listed
    assert "10.0.0.2" in listed
    one = re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", listed)[0]
    assert "1 sessions of Lan have ended" in good("accounts", "end-sessions", "Lan", "--session", one)
    assert "There is no session" in bad("accounts", "end-sessions", "Lan", "--session", one)
    assert "is no id" in bad("accounts", "end-sessions", "Lan", "--session", "1", code=2)
    assert "2 sessions of Lan have ended" in good("accounts", "end-sessions", "Lan")
    assert "0 sessions" in good("accounts", "sessions", "Lan")
    acts = [act["action"] for act in asyncio.run(trail(store))]
    assert acts[-4:] == ["sessions.read", "session.end", "account.end_sessions", "sessions.read"]


def test_what_the_city_does_not_have_is_refused(store: str) -> None:
    assert "there is no sector 'trafic'" in bad("accounts", "create", "Lan", "--sector", "trafic", code=2)
    assert "there is no zone '0'" in bad("devices", "link", "wall", "--zone", "0", code=2)
    assert "--all-sectors" in bad("keys", "create", "pumps", "--publish", code=2)
    assert "for publishing, for reading" in bad("keys", "create", "pumps", "--all-sectors")


def test_a_key_from_creation_to_revocation(store: str) -> None:
    said = good("keys", "create", "pumps", "--sector", "environment", "--publish", "--days", "30")
    found = re.search(r"key, shown once: (cwk_([0-9a-f]{12})_\S{43})\n", said)
    assert found is not None
    assert found[1] not in good("keys", "rotate", found[2], "--overlap-hours", "1")
    listed = good("keys", "list")
    assert found[2] in listed
    assert "never" in listed
    assert "keys.read" in good("audit", "list")  # looking is an act
    assert f"of pumps ({found[2]}) is revoked" in good("keys", "revoke", found[2])
    assert "was revoked" in bad("keys", "revoke", found[2])
    assert "There is no key" in bad("keys", "rotate", "0123456789ab")


SQUARES = """{"type": "FeatureCollection", "features": [
{"type": "Feature", "properties": {"code": "27004", "name_vi": "Phường Tân Định"}, "geometry": {"type": "Polygon",
 "coordinates": [[[106.6, 10.7], [106.7, 10.7], [106.7, 10.8], [106.6, 10.8], [106.6, 10.7]]]}},
{"type": "Feature", "properties": {"code": "new", "name_vi": "Mới"}, "geometry": {"type": "Polygon",
 "coordinates": [[[106.7, 10.7], [106.8, 10.7], [106.8, 10.8], [106.7, 10.8], [106.7, 10.7]]]}}]}"""


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """A city's folder, and beside its map another one to import."""
    for name in ("city.yaml", "sectors.yaml", "zones.geojson"):
        shutil.copy(Settings().city / name, tmp_path)
    (tmp_path / "squares.geojson").write_text(SQUARES, encoding="utf-8")
    return tmp_path


async def trail(dsn: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch("SELECT * FROM audit ORDER BY seq")
    finally:
        await connection.close()


def test_a_key_is_told_by_its_name_where_one_has_it(store: str) -> None:
    def made(name: str) -> str:
        found = re.search(r"cwk_([0-9a-f]{12})_", good("keys", "create", name, "--all-sectors", "--read"))
        assert found is not None
        return found[1]

    first, other = made("pump  stations"), made("bi")
    assert f"cwk_{first}_" in good("keys", "rotate", " pump stations")
    assert f"of pump stations ({first}) is revoked" in good("keys", "revoke", "pump stations")
    assert f"Key {first} was revoked" in bad("keys", "revoke", "pump stations")
    second = made("pump stations")
    assert f"({second}) is revoked" in good("keys", "revoke", "pump stations"), "a revoked key of its name is past"
    both = sorted((made("pump stations"), made("pump stations")))
    said = bad("keys", "revoke", "pump stations")
    assert said == f"2 keys are named 'pump stations'; say which by its id: {both[0]}, {both[1]}.\n"
    third = made(both[0])  # a name that is another key's id
    assert f"({both[0]}) is revoked" in good("keys", "revoke", both[0])
    assert f"({third}) is revoked" in good("keys", "revoke", third)
    assert "There is no key 'pumps'" in bad("keys", "revoke", "pumps")
    assert "There is no key" in bad("keys", "revoke", "\x00")
    assert f"({other}) is revoked" in good("keys", "revoke", "bi")


def test_an_imported_map_is_in_the_trail(store: str, town: Path) -> None:
    before, map_ = (town / "zones.geojson").read_bytes(), town / "zones.geojson"
    good("zones", "import", str(town / "squares.geojson"), "--city", str(town), "--check")
    assert asyncio.run(trail(store)) == []
    good("zones", "import", str(town / "squares.geojson"), "--city", str(town))
    (act,) = asyncio.run(trail(store))
    assert (act["actor_kind"], act["actor"], act["action"]) == ("local", getpass.getuser(), "zones.import")
    assert act["object"] == f"map {map_}"
    was, now = json.loads(act["before"]), json.loads(act["after"])
    assert was == {"sha256": hashlib.sha256(before).hexdigest(), "zones": 168, "schematic": True}
    assert now["sha256"] == hashlib.sha256(map_.read_bytes()).hexdigest()
    assert (now["zones"], now["schematic"], now["file"]) == (2, False, "squares.geojson")
    assert ("new" in now["new"], now["new_count"] - now["gone_count"], len(now["gone"])) == (True, 2 - 168, 100)


def test_a_map_that_cannot_be_written_is_no_act(store: str, town: Path) -> None:
    (town / "zones.part").mkdir()
    assert "can't be written" in bad("zones", "import", str(town / "squares.geojson"), "--city", str(town))
    assert asyncio.run(trail(store)) == []


def test_no_map_without_its_row(store: str, town: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (town / "zones.geojson").read_bytes()
    refuse = """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''full''; END';
        CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON audit DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION refuse()"""
    asyncio.run(execute(store, refuse))  # the last moment at which the row can fail
    bad("zones", "import", str(town / "squares.geojson"), "--city", str(town), code=2)
    assert (town / "zones.geojson").read_bytes() == before
    monkeypatch.setenv("CITYWATCH_DATABASE_DSN", "postgresql://nobody@127.0.0.1:1/none")
    bad("zones", "import", str(town / "squares.geojson"), "--city", str(town), code=2)
    assert (town / "zones.geojson").read_bytes() == before


async def claimed(dsn: str, secret: str) -> None:
    from access import devices

    async with asyncpg.create_pool(dsn) as pool:
        await devices.claim(pool, secret, "10.0.0.9")


def test_a_link_and_its_screen(store: str) -> None:
    said = good("devices", "link", "hall, left", "--address", "https://watch.example/", "--uses", "2")
    assert said.startswith("https://watch.example/wall#link=")
    asyncio.run(claimed(store, said.strip().partition("#link=")[2]))
    listed = good("devices", "list")
    assert "1 screens" in listed
    ids = re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", listed)
    assert len(ids) == 2
    for one in ids:
        good("devices", "revoke", one)
    assert "no id" in bad("devices", "revoke", "hall", code=2)
    assert "There is no paired screen" in bad("devices", "revoke", ids[0])


def test_a_link_calls_the_center_at_the_port_of_the_demo_of_this_folder(
    store: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CITYWATCH_CENTER_PORT", raising=False)
    assert good("devices", "link", "hall").startswith("http://127.0.0.1:8700/wall#link=")
    monkeypatch.delenv("CITYWATCH_DATABASE_DSN")
    state = DemoState()
    with state.owned(8790):
        state.share({"CITYWATCH_DATABASE_DSN": store, "CITYWATCH_CENTER_PORT": "8790"})
        done = subprocess.run(
            [sys.executable, "-m", "citywatch", "devices", "link", "hall"],
            env={**os.environ, "PYTHONPATH": str(DOCUMENT.parents[1])}, capture_output=True, text=True, check=True,
        )  # fmt: skip
    assert done.stdout.startswith("http://127.0.0.1:8790/wall#link=")


def test_the_trail_names_the_systems_user_and_is_proved(store: str) -> None:
    for name in ("Lan", "Minh", "An"):
        good("accounts", "create", name)
    listed = good("audit", "list", "--action", "account.create")
    assert listed.count(f"{getpass.getuser()} (local)") == 3
    head = good("audit", "head").strip()
    assert f"3 rows, each as it was written; head {head}" in good("audit", "verify", "--head", head)
    off = "ALTER TABLE audit DISABLE TRIGGER audit_append_only; "
    asyncio.run(execute(store, off + "UPDATE audit SET actor = 'nobody' WHERE seq = 2"))
    told = bad("audit", "verify")
    assert told.startswith("2: edited: row 2 is not what was written")
    assert "1 faults in 3 rows" in told
    asyncio.run(execute(store, off + "DELETE FROM audit WHERE seq > 1; UPDATE audit_head SET (seq, hash) = "
                        "(SELECT seq, hash FROM audit)"))  # fmt: skip
    good("audit", "verify")
    assert "2: truncated: the trail ends at row 1" in bad("audit", "verify", "--head", head)
    assert "give SEQ:HASH" in bad("audit", "verify", "--head", "3", code=2)


def test_an_absent_database_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYWATCH_DATABASE_DSN", "postgresql://nobody@127.0.0.1:1/none")
    for command in (("accounts", "list"), ("keys", "list"), ("devices", "list"), ("audit", "verify")):
        said = bad(*command, code=2)
        assert said.startswith("the database at 127.0.0.1:1 does not answer (")
        assert said.count("\n") == 1
