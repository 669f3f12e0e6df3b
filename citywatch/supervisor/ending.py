"""`citywatch demo --stop` and `--reset`: end the demo of a folder, or what a killed one left, and forget its data."""

import shutil
import sys
from collections.abc import Callable

from citywatch.embedded.process import EmbeddedError
from citywatch.supervisor import leftovers
from citywatch.supervisor.state import DemoState


def stop(state: DemoState) -> int:
    """Stop the demo that runs, and whatever a killed one left; the exit code."""
    return _told(lambda: _stop(state, quiet=False))


def reset(state: DemoState) -> int:
    """Stop it and delete its folder; nothing is deleted while anything of it runs. The exit code."""

    def work() -> None:
        state.need_own()
        _stop(state, quiet=True)
        if not state.directory.exists():
            print("There is no data of a demo here.")
            return
        forget(state)
        print("The demo's data is gone; `make demo` starts afresh.")

    return _told(work)


def forget(state: DemoState) -> None:
    """Delete the folder, with nobody in it. Raises EmbeddedError, OSError."""
    with state.held():
        leftovers.end(state.directory, print)
        shutil.rmtree(state.directory)


def _stop(state: DemoState, *, quiet: bool) -> None:
    stopped = left = False
    for each in (state.check, state):
        if each.stop():
            stopped = True
            print("The check has stopped." if each is not state else "The demo has stopped.")
        if each.directory.exists():
            with each.held():
                left |= bool(leftovers.find(each.directory))
                leftovers.end(each.directory, print)
    if left:
        print("What was left has stopped.")
    elif not stopped and not quiet:
        print("No demo runs from this folder.")


def _told(work: Callable[[], None]) -> int:
    try:
        work()
    except (EmbeddedError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
