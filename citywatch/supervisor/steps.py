"""What the demo prints: each step and how long it took."""

import contextlib
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

WIDTH: Final = 34


class Steps:
    """Prints a line a step. What is noted is in `log` too, with its time; what is only said may be secret."""

    def __init__(self, log: Path | None = None) -> None:
        self.started = time.monotonic()
        self._log = log

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """The step's name when it starts, its seconds when it is done, `failed` when it raises."""
        head = f"{name:<{WIDTH}} "
        if sys.stdout.isatty():  # a pipe gets whole lines
            print(head, end="", flush=True)
            head = ""
        began = time.monotonic()
        try:
            yield
        except BaseException:
            print(f"{head}failed after {time.monotonic() - began:.1f} s", flush=True)
            raise
        print(f"{head}{time.monotonic() - began:6.1f} s", flush=True)

    def say(self, text: str = "") -> None:
        """A line of its own."""
        print(text, flush=True)

    def note(self, text: str) -> None:
        """A line of its own, kept."""
        self.say(text)
        if self._log is not None:
            with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as log:  # a full disk passes
                log.write(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {text}\n")

    @property
    def seconds(self) -> float:
        """Since the first step."""
        return time.monotonic() - self.started
