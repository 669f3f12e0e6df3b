"""The sign of life of a process under a supervisor: a byte a second into a pipe, written by its event loop.

Neither a process that is stopped nor one whose loop hangs writes it. Outside of a supervisor it is nothing.
"""

import asyncio
import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from typing import Final

PIPE: Final = "CITYWATCH_PULSE_FD"
EVERY_S: Final = 1.0


@contextlib.contextmanager
def beating(abandoned: Callable[[], object]) -> Iterator[None]:
    """Beat as long as this lasts; `abandoned` is called when the supervisor is gone. Within the running loop."""
    pipe = _pipe()
    if pipe is None:
        yield
        return
    task = asyncio.get_running_loop().create_task(_beat(pipe, abandoned), name="pulse")
    try:
        yield
    finally:
        task.cancel()


async def _beat(pipe: int, abandoned: Callable[[], object]) -> None:
    while True:
        try:
            os.write(pipe, b".")
        except BlockingIOError:
            pass  # the supervisor has not looked for a while: there is plenty for it to see
        except OSError:
            abandoned()
            return
        await asyncio.sleep(EVERY_S)


def _pipe() -> int | None:
    """The pipe that the supervisor gave to this process, which its own children do not get."""
    given = os.environ.pop(PIPE, "")
    try:
        pipe = int(given)
        if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
            return None
    except (ValueError, OSError):
        return None
    os.set_inheritable(pipe, False)
    os.set_blocking(pipe, False)
    return pipe
