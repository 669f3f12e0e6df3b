"""The list of dead letters says of each what was wrong, whole, whatever the terminal's width."""

from datetime import UTC, datetime
from io import StringIO

import msgspec
from rich.console import Console

from citywatch.commands.dead_letters import print_letters
from ingest.dead_letters import Letter

DETAIL = (
    "data.measurements.speed_kmh is 900: km/h of traffic are between 0 and 200; correct the unit, or the range in the "
    "catalogue \x1b[2J[bold]"
)


def letter(number: int) -> Letter:
    return Letter(
        id=number,
        topic="city.environment.events",
        partition=12,
        first_offset=1_234_567,
        next_offset=1_234_568,
        records=1,
        source="kafka",
        reason="implausible",
        detail=DETAIL,
        key=None,
        raw=b"{}",
        headers=[],
        at=datetime(2026, 11, 22, 12, tzinfo=UTC),
        replayed_at=None,
    )


def printed(width: int, *, terminal: bool) -> list[str]:
    out = StringIO()
    print_letters([letter(101), letter(7)], Console(file=out, width=width, force_terminal=terminal, color_system=None))
    return out.getvalue().splitlines()


def test_on_a_terminal_it_is_wrapped_and_whole() -> None:
    lines = printed(60, terminal=True)
    assert lines[0] == "2 dead letters"
    details = [line for line in lines[1:] if line.startswith("     ")]
    assert max(map(len, details)) <= 60
    said = " ".join(line.strip() for line in details)
    assert said.count(DETAIL.replace("\x1b", "\\x1b")) == 2, said


def test_in_a_pipe_each_is_two_lines() -> None:
    lines = printed(60, terminal=False)
    assert len(lines) == 5
    assert lines[1] == "101  2026-11-22 12:00:00  implausible · city.environment.events/12 @1234567"
    assert lines[3].startswith("  7  2026-11-22")
    assert lines[2] == lines[4] == "     " + DETAIL.replace("\x1b", "\\x1b")


def test_what_came_by_http_has_no_place_in_a_log() -> None:
    out = StringIO()
    by_http = msgspec.structs.replace(letter(7), source="http", partition=None, first_offset=None, next_offset=None)
    nameless = msgspec.structs.replace(by_http, topic=None)
    print_letters([by_http, nameless], Console(file=out, width=60))
    lines = out.getvalue().splitlines()
    assert lines[1].endswith("implausible · HTTP, for city.environment.events")
    assert lines[3].endswith("implausible · HTTP")
    assert "None" not in out.getvalue()
