"""Readings of one series at even intervals, in a few characters.

    1.5       one reading            2x10      ten readings of 2
    5+1x20    5, 6, 7 … twenty       5-0.5x4   5, 4.5, 4, 3.5
    _x3       three intervals without a reading

What follows follows one interval later.
"""

import re
from typing import Final

_PART: Final = re.compile(r"(_|-?\d+(?:\.\d+)?)([+-]\d+(?:\.\d+)?)?(?:x(\d+))?")
MOST: Final = 100_000


def expand(text: str) -> list[float | None]:
    """The readings, None where there is none. Raises ValueError with a reason."""
    values: list[float | None] = []
    for word in text.split():
        part = _PART.fullmatch(word)
        if part is None or (part[1] == "_" and part[2]):
            raise ValueError(f"'{word}' is no series; write such as 1.5, 2x10, 5+1x20 or _x3")
        times = int(part[3] or 1)
        if len(values) + times > MOST:
            raise ValueError(f"'{word}' makes more than {MOST} readings")
        if part[1] == "_":
            values += [None] * times
            continue
        first, step = float(part[1]), float(part[2] or 0)
        values += [round(first + step * i, 9) for i in range(times)]
    return values
