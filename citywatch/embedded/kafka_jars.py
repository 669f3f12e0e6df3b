"""The jars of Apache Kafka: pinned by hash, brought by the Maven that is on the machine, kept in the user's cache."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from citywatch.embedded.process import EmbeddedError

PINNED: Final = Path(__file__).with_name("kafka-jars.txt")


class Jar(NamedTuple):
    """One artifact of a Maven repository and the SHA-256 that its file must have."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        """Name of the jar file."""
        return f"{self.artifact}-{self.version}.jar"


def pinned(path: Path = PINNED) -> list[Jar]:
    """The jars of the list."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Jar(*line.split(":")) for line in lines if line and not line.startswith("#")]


def jars(cache: Path | None = None) -> Path:
    """Folder with every pinned jar, each checked by hash; brings what is missing. One process at a time."""
    wanted = pinned()
    version = next(jar.version for jar in wanted if jar.artifact == "kafka-server")
    folder = (cache or _cache()) / f"kafka-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [jar for jar in wanted if not _intact(folder / jar.file, jar.sha256)]
        if missing:
            _bring(missing, folder)
            for jar in missing:
                if not _intact(folder / jar.file, jar.sha256):
                    (folder / jar.file).unlink(missing_ok=True)
                    raise EmbeddedError(f"{jar.file} is not the file that {PINNED.name} pins (another SHA-256)")
    return folder


def _intact(file: Path, sha256: str) -> bool:
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == sha256


def _bring(wanted: list[Jar], folder: Path) -> None:
    """Let Maven copy the jars into the folder, each alone, without what it depends on."""
    maven = shutil.which("mvn")
    if maven is None:
        raise EmbeddedError("Apache Kafka's jars come by Maven: type `apt-get install maven default-jre-headless`")
    with tempfile.TemporaryDirectory() as work:
        pom = Path(work) / "pom.xml"
        pom.write_text(_pom(wanted), encoding="utf-8")
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}", "-DexcludeTransitive=true"]
        done = subprocess.run(
            [maven, "-q", "-B", "-f", str(pom), *goal], capture_output=True, check=False, stdin=subprocess.DEVNULL
        )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
        raise EmbeddedError(f"Maven could not bring Apache Kafka's jars: {said[0] if said else 'no word'}")


def _pom(wanted: list[Jar]) -> str:
    dependencies = "".join(
        f"<dependency><groupId>{escape(jar.group)}</groupId><artifactId>{escape(jar.artifact)}</artifactId>"
        f"<version>{escape(jar.version)}</version></dependency>"
        for jar in wanted
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>citywatch</groupId><artifactId>kafka-server</artifactId><version>1</version>"
        f"<packaging>pom</packaging><dependencies>{dependencies}</dependencies></project>"
    )


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "citywatch"
