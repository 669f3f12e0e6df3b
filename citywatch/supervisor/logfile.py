"""Log files that never fill the disk: cut when they pass a size, a few older ones kept."""

import os
import shutil
from pathlib import Path
from typing import Final

LIMIT: Final = 10 * 1024 * 1024
KEEP: Final = 3


def rotate(log: Path, limit: int = LIMIT, keep: int = KEEP) -> bool:
    """Move the content of `log` to `log`.1 (and .1 to .2, …) when it is over `limit` bytes; whether it was.

    The writer keeps its file open in append mode and needs no signal; lines of the instant of the cut may be lost.
    """
    try:
        if log.stat().st_size <= limit:
            return False
    except FileNotFoundError:
        return False
    for number in range(keep - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)
    return True
