"""Named instants at which a process kills or pauses itself, so that tests can die exactly there.

Armed by CITYWATCH_FAILPOINT="name[:count][:kill|stop]": at the count-th `hit(name)` (default the first) the process
sends itself SIGKILL (default) or SIGSTOP. Unarmed, a hit costs one comparison. Names in use:

- ``after_commit_before_fetch``: ingest has committed a batch and not yet fetched the next
- ``mid_copy``: ingest is between two pieces of a COPY, its transaction open
- ``during_takeover``: ingest has taken some of its partitions and not yet sought in them
- ``between_seq_and_commit``, ``during_snapshot``: alerts
"""

import os
import signal
from dataclasses import dataclass
from typing import Final

VARIABLE: Final = "CITYWATCH_FAILPOINT"
SIGNALS: Final = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


@dataclass
class Failpoint:
    """One armed instant: fires once, at the hit that brings `count` to zero."""

    name: str
    count: int = 1
    number: signal.Signals = signal.SIGKILL

    @classmethod
    def parse(cls, text: str) -> "Failpoint":
        """Read ``name[:count][:kill|stop]``; raises ValueError with the right form for anything else."""
        name, *rest = text.split(":")
        armed = cls(name)
        for part in rest:
            if part in SIGNALS:
                armed.number = SIGNALS[part]
            elif part.isdecimal() and int(part) > 0:
                armed.count = int(part)
            else:
                raise ValueError(
                    f"failpoint {text!r}: {part!r} is no count and not kill or stop; write name[:count][:kill|stop]"
                )
        return armed


def arm(text: str) -> None:
    """Arm the failpoint that `text` describes, or disarm with the empty text."""
    global _armed
    _armed = Failpoint.parse(text) if text else None


def is_armed(name: str) -> bool:
    """Whether `hit(name)` may yet fire; lets a caller take the slower way that contains the instant."""
    return _armed is not None and _armed.name == name and _armed.count > 0


def hit(name: str) -> None:
    """The process is at the instant `name`: die or pause here if armed for it."""
    if _armed is None or _armed.name != name:
        return
    _armed.count -= 1
    if _armed.count == 0:
        os.kill(os.getpid(), _armed.number)


_armed: Failpoint | None = None
arm(os.environ.get(VARIABLE, ""))
