"""Days and hours as rules write them: mon-fri, sat; 06:00-22:00."""

import re
from typing import Final

from alerts.hours import DAYS
from city.yamlnodes import Node

CLOCK: Final = re.compile(r"(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)")
DAY_MINUTES: Final = 24 * 60


def days_of(node: Node) -> tuple[int, ...]:
    """Days of the week, Monday 0, from single ones and spans; a span may go over Sunday."""
    found: set[int] = set()
    for part in node.text("active.days").replace(" ", "").split(","):
        ends = part.split("-")
        if len(ends) > 2 or not all(end in DAYS for end in ends):
            node.refuse(f"active.days '{part}' is no day; write such as mon-fri, sat")
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        found |= {(first + ahead) % 7 for ahead in range((last - first) % 7 + 1)}
    return tuple(sorted(found))


def clock_of(node: Node) -> tuple[int, int]:
    """Minutes of the day at which the hours begin and end; 24:00 is the end of the day."""
    form = CLOCK.fullmatch(node.text("active.hours").replace(" ", ""))
    if form is None:
        node.refuse("active.hours must be two times of day, such as 06:00-22:00")
    hours = [int(form[1]) * 60 + int(form[2]), int(form[3]) * 60 + int(form[4])]
    if int(form[2]) > 59 or int(form[4]) > 59 or hours[0] >= DAY_MINUTES or hours[1] > DAY_MINUTES:
        node.refuse("active.hours has no such time of day; the last one is 24:00")
    if hours[0] == hours[1]:
        node.refuse("active.hours begin when they end; write 00:00-24:00 for the whole day")
    return hours[0], hours[1]
