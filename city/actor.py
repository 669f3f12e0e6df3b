"""Who acts: what every room that changes something passes on to the audit trail (`audit_append` in the database)."""

from typing import Literal, Protocol

import msgspec

ActorKind = Literal["person", "key", "device", "local", "nobody"]
"""`local`: the command line, by the name of the system's user; `nobody`: whoever could not sign in."""


class Identified(Protocol):
    """Whoever has kind, id and name."""

    @property
    def kind(self) -> ActorKind: ...
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


class Actor(msgspec.Struct, frozen=True):
    """Who acted, and from which network address, if from one."""

    kind: ActorKind
    id: str
    name: str
    address: str | None = None

    @classmethod
    def of(cls, who: Identified, address: str | None) -> "Actor":
        """The actor that this principal is."""
        return cls(who.kind, who.id, who.name, address)

    def json(self) -> str:
        """As the database's functions take it."""
        return msgspec.json.encode(self).decode()
