"""Who types at the command line, and what each command asks of them.

Whoever can run a command holds the credentials of the database, so nothing is refused here; but what it needs is
declared like everything else, and what it does is in the audit trail under the name of the system's user.
"""

import functools
import getpass
import os
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from access.policy import PERMISSIONS, Principal, require
from city.actor import Actor

Given = ParamSpec("Given")
Result = TypeVar("Result")
DECLARED: Final = "__permission__"


def principal() -> Principal:
    """The system's user."""
    uid = str(os.getuid()) if hasattr(os, "getuid") else ""
    try:
        return Principal("local", uid, getpass.getuser())
    except (OSError, KeyError):  # a container's user may have no name
        return Principal("local", uid, f"uid {uid}")


def actor() -> Actor:
    """The system's user, for the audit trail."""
    return Actor.of(principal(), None)


def permission(name: str) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """Declare what a command needs; asked before it runs. KeyError where there is no such permission."""
    needed = PERMISSIONS[name].name

    def declare(command: Callable[Given, Result]) -> Callable[Given, Result]:
        @functools.wraps(command)
        def run(*args: Given.args, **kwargs: Given.kwargs) -> Result:
            require(principal(), needed)
            return command(*args, **kwargs)

        setattr(run, DECLARED, needed)
        return run

    return declare


def declared(command: object) -> str | None:
    """The permission that a command declares."""
    found: object = getattr(command, DECLARED, None)
    return found if isinstance(found, str) else None
