"""npm packages that tests need, installed once however many processes of a run ask for them at the same time."""

import fcntl
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

from citywatch.embedded.node import npm


def installed(folder: Path) -> dict[str, str]:
    """Install what the folder's package-lock.json names, unless it is there whole; the environment to run it in.

    npm writes its own record of what it installed last, so a folder without one is not finished.
    """
    command, environment = npm()
    lock = Path(tempfile.gettempdir()) / f"citywatch-npm-{sha256(str(folder).encode()).hexdigest()[:12]}.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (folder / "node_modules" / ".package-lock.json").is_file():
            subprocess.run([*command, "ci", "--no-audit", "--no-fund"], cwd=folder, env=environment, check=True)
    return environment
