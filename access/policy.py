"""What each permission asks of whom: the one place where REST, WebSocket and command line are decided. Pure.

A *permission* names an act. A person has it by role, a key by grant, a screen by being a screen; a permission that is
*scoped* holds only for the sectors and zones that its holder was given (none given: all of them), and one for the
*whole* city only for who was given none: whoever hands out access must not hand out more than they have.
"""

from enum import StrEnum
from typing import Final, Literal

import msgspec

from access.errors import AccessError
from city.actor import ActorKind as Kind

Grant = Literal["publish", "read"]


class Role(StrEnum):
    """What a person may do; each role has all that the ones before it have."""

    viewer = "viewer"
    operator = "operator"
    supervisor = "supervisor"
    admin = "admin"

    def covers(self, needed: "Role") -> bool:
        """Whether this role has what `needed` has."""
        return _RANK[self] >= _RANK[needed]


_RANK: Final = {role: rank for rank, role in enumerate(Role)}


class Permission(msgspec.Struct, frozen=True):
    """Who has it: people from `role` up (None: no person), keys with `grant`, screens if `device`, all if `public`.

    `local` (the command line) has every one.
    """

    name: str
    summary: str
    role: Role | None
    scoped: bool = False
    device: bool = False
    grant: Grant | None = None
    public: bool = False
    whole: bool = False


_DECLARED: Final = (
    Permission("public", "health, documents, the pages themselves, signing in", None, public=True),
    Permission("session.own", "one's own session and password", Role.viewer),
    Permission("city.read", "catalogue, zones, the city's state", Role.viewer, device=True, grant="read"),
    Permission("readings.read", "assets, series, readings, live values", Role.viewer, True, True, "read"),
    Permission("reports.read", "reports", Role.viewer, True, True, "read"),
    Permission("alerts.read", "alerts and their history", Role.viewer, True, True, "read"),
    Permission("alerts.act", "silence, acknowledge, accept, release, comment on alerts", Role.operator, True),
    Permission("alerts.assign", "assign alerts to others, release what others own", Role.supervisor, True),
    Permission("alerts.shelve", "shelve alerts for at most eight hours, end a shelf", Role.operator, True),
    Permission("alerts.withhold", "shelve for longer, take out of service and back", Role.supervisor, True),
    Permission("maintenance.manage", "announce, preview and end maintenance windows", Role.supervisor, True),
    Permission("log.read", "the log of the room: shifts, notes, the handover", Role.viewer, True),
    Permission("log.write", "sign on and off, write notes and take them down", Role.operator, True),
    Permission("stage.set", "set the operating stage", Role.supervisor, whole=True),
    Permission("events.publish", "publish events", Role.admin, True, grant="publish"),
    Permission("ledger.read", "the ledger", Role.viewer),
    Permission("ledger.accept", "accept what expired unread", Role.supervisor),
    Permission("dead_letters.read", "refused events with their bytes", Role.operator, True),
    Permission("dead_letters.replay", "send refused events again", Role.supervisor),
    Permission("rules.read", "rules and their versions", Role.viewer),
    Permission("rules.backtest", "try rules on what happened", Role.supervisor, True),
    Permission("rules.apply", "put rules in force", Role.supervisor),
    Permission("zones.import", "put a real map in place", Role.admin, whole=True),
    Permission("screens.read", "what the screens paint", Role.operator),
    Permission("devices.read", "paired screens", Role.operator),
    Permission("devices.pair", "pair a screen", Role.operator),
    Permission("devices.revoke", "end a screen's access", Role.supervisor),
    Permission("keys.read", "keys of sector systems", Role.admin),
    Permission("keys.manage", "create, rotate, revoke keys", Role.admin, whole=True),
    Permission("accounts.read", "accounts of people", Role.admin),
    Permission("accounts.manage", "create and change accounts", Role.admin, whole=True),
    Permission("audit.read", "the audit trail, and its proof", Role.supervisor),
    Permission("metrics.read", "metrics of the services", Role.viewer, grant="read"),
    Permission("service.run", "run services, migrate, publish what was recorded", None),
)
PERMISSIONS: Final[dict[str, Permission]] = {permission.name: permission for permission in _DECLARED}


class Principal(msgspec.Struct, frozen=True):
    """Who asks. Empty `sectors` or `zones`: all of them. `session`: the id of a person's session; times in µs."""

    kind: Kind
    id: str
    name: str
    role: Role | None = None
    sectors: frozenset[str] = frozenset()
    zones: frozenset[str] = frozenset()
    grants: frozenset[str] = frozenset()
    session: str | None = None
    expires_us: int | None = None
    must_change: bool = False


NOBODY: Final = Principal("nobody", "", "")


class Denied(AccessError):
    """The act is not for this principal: sign_in_required, must_change_password, not_allowed, out_of_scope; or not by
    this way: insecure_transport."""


def require(principal: Principal, name: str, *, sector: str | None = None, zone: str | None = None) -> None:
    """Nothing, if `principal` has the permission here; `sector` and `zone` are those of what is acted upon.

    Raises:
        Denied: sign_in_required, must_change_password, not_allowed or out_of_scope.
        KeyError: no such permission.
    """
    permission = PERMISSIONS[name]
    if permission.public or principal.kind == "local":
        return
    if principal.kind == "nobody":
        raise Denied("sign_in_required", "Sign in, or send a key.")
    if principal.must_change and name != "session.own":
        raise Denied("must_change_password", "Choose a password of your own first.")
    if not _holds(principal, permission):
        raise Denied("not_allowed", f"{_who(principal)} may not: {permission.summary}.")
    if permission.whole and (principal.sectors or principal.zones):
        raise Denied("out_of_scope", f"Only who has all sectors and zones may: {permission.summary}.")
    if not permission.scoped:
        return
    if sector is not None and principal.sectors and sector not in principal.sectors:
        raise Denied("out_of_scope", f"Sector {sector} is not among those of {_who(principal)}.")
    if zone is not None and principal.zones and zone not in principal.zones:
        raise Denied("out_of_scope", f"Zone {zone} is not among those of {_who(principal)}.")


def allows(principal: Principal, name: str, *, sector: str | None = None, zone: str | None = None) -> bool:
    """Whether `require` would pass."""
    try:
        require(principal, name, sector=sector, zone=zone)
    except Denied:
        return False
    return True


def narrowed(scope: frozenset[str], asked: frozenset[str], what: str) -> frozenset[str]:
    """What was asked for (nothing: all) within a scope (empty: all); also what somebody may pass on to a screen.

    Raises:
        Denied: out_of_scope, if nothing is left.
    """
    if not scope or not asked:
        return scope or asked
    if both := scope & asked:
        return both
    raise Denied("out_of_scope", f"None of the {what} asked for is yours.")


def table() -> str:
    """The permissions as a Markdown table, as docs/access.md has it."""
    head = "| permission | what | " + " | ".join(Role) + " | screen | key |"
    rule = "|---|---|" + "---|" * (len(Role) + 2)
    return "\n".join([head, rule, *(_row(permission) for permission in _DECLARED)]) + "\n"


def _row(permission: Permission) -> str:
    mark = "scope" if permission.scoped else "whole city" if permission.whole else "yes"
    people = [mark if permission.public or _role_has(role, permission) else "" for role in Role]
    device = mark if permission.public or permission.device else ""
    key = mark if permission.public else f"{mark} ({permission.grant})" if permission.grant else ""
    return "| " + " | ".join([f"`{permission.name}`", permission.summary, *people, device, key]) + " |"


def _role_has(role: Role | None, permission: Permission) -> bool:
    return role is not None and permission.role is not None and role.covers(permission.role)


def _holds(principal: Principal, permission: Permission) -> bool:
    match principal.kind:
        case "person":
            return _role_has(principal.role, permission)
        case "key":
            return permission.grant is not None and permission.grant in principal.grants
        case "device":
            return permission.device
    return False


def _who(principal: Principal) -> str:
    match principal.kind:
        case "person":
            return f"{principal.name} ({principal.role})"
        case "key":
            return f"key {principal.name}"
    return f"screen {principal.name}"
