"""Who may do what, decided in one place."""

import pytest

from access.policy import NOBODY, PERMISSIONS, Denied, Principal, Role, allows, narrowed, require, table


def person(role: Role, sectors: set[str] | None = None, zones: set[str] | None = None) -> Principal:
    return Principal("person", "1", "Lan", role, frozenset(sectors or ()), frozenset(zones or ()))


KEY = Principal("key", "2", "pumps", sectors=frozenset({"traffic"}), grants=frozenset({"publish"}))
SCREEN = Principal("device", "3", "wall", zones=frozenset({"26734"}))


@pytest.mark.parametrize("name", PERMISSIONS)
def test_each_role_has_what_the_one_before_it_has(name: str) -> None:
    has = [allows(person(role), name) for role in Role]
    assert has == sorted(has)


@pytest.mark.parametrize("name", PERMISSIONS)
def test_a_stranger_has_what_is_public_and_the_command_line_has_all(name: str) -> None:
    assert allows(NOBODY, name) == (name == "public")
    assert allows(Principal("local", "0", "root"), name)


@pytest.mark.parametrize("name", PERMISSIONS)
def test_screens_only_read(name: str) -> None:
    reads = {"public", "city.read", "readings.read", "reports.read", "alerts.read"}
    assert allows(SCREEN, name) == (name in reads)


def test_scope_holds_by_sector_and_by_zone() -> None:
    lan = person(Role.operator, {"traffic", "health"}, {"26734"})
    require(lan, "alerts.act", sector="health", zone="26734")
    require(lan, "alerts.act", sector="health")  # an alert without a zone
    for sector, zone in (("energy", "26734"), ("health", "27000"), ("energy", None)):
        with pytest.raises(Denied) as denied:
            require(lan, "alerts.act", sector=sector, zone=zone)
        assert denied.value.code == "out_of_scope"


def test_a_key_publishes_for_its_sectors_and_does_nothing_else() -> None:
    require(KEY, "events.publish", sector="traffic")
    assert not allows(KEY, "events.publish", sector="health")
    assert [name for name in PERMISSIONS if allows(KEY, name)] == ["public", "events.publish"]


def test_who_has_a_part_of_the_city_hands_out_no_access() -> None:
    for part in (person(Role.admin, {"traffic"}), person(Role.admin, None, {"26734"})):
        for name in ("accounts.manage", "keys.manage"):
            with pytest.raises(Denied, match="all sectors and zones") as denied:
                require(part, name)
            assert denied.value.code == "out_of_scope"
    require(person(Role.admin), "accounts.manage")


def test_a_first_password_is_good_for_nothing_but_choosing_another() -> None:
    new = Principal("person", "1", "Lan", Role.admin, must_change=True)
    assert [name for name in PERMISSIONS if allows(new, name)] == ["public", "session.own"]
    with pytest.raises(Denied) as denied:
        require(new, "readings.read")
    assert denied.value.code == "must_change_password"


def test_a_filter_is_narrowed_to_the_scope_and_never_widened() -> None:
    two, one, other = frozenset({"a", "b"}), frozenset({"a"}), frozenset({"c"})
    every: frozenset[str] = frozenset()
    assert narrowed(every, every, "sectors") == every
    assert narrowed(every, one, "sectors") == one
    assert narrowed(two, every, "sectors") == two
    assert narrowed(two, one | other, "sectors") == one
    with pytest.raises(Denied):
        narrowed(two, other, "sectors")


def test_no_such_permission_is_a_mistake_of_the_program() -> None:
    with pytest.raises(KeyError):
        require(person(Role.admin), "alerts.raed")


def test_the_table_has_a_row_for_each() -> None:
    rows = table().splitlines()
    assert len(rows) == 2 + len(PERMISSIONS)
    assert "| `events.publish` | publish events |  |  |  | scope |  | scope (publish) |" in rows
