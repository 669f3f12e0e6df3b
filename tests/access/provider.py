"""The identity provider as a process of its own, and a browser that signs in there."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2

from tests.packages import installed

FOLDER = Path(__file__).parents[1] / "provider"
SECRET = "a secret of citywatch and its provider"
BACK = "http://127.0.0.1:8700/api/v1/oidc/callback"


class Running:
    """A provider that runs, and can be stopped and started again at the same address."""

    def __init__(self) -> None:
        self._environment = installed(FOLDER)
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        node = shutil.which("node", path=self._environment["PATH"])
        assert node is not None
        command = [node, str(FOLDER / "provider.mjs"), str(self.port)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def set(self, **state: object) -> None:
        """Change how it behaves; see `state` in provider.mjs."""
        httpx2.post(f"{self.issuer}/test", content=json.dumps(state), timeout=10).raise_for_status()


@contextmanager
def running() -> Iterator[Running]:
    provider = Running()
    provider.start()
    try:
        yield provider
    finally:
        provider.stop()


async def sign_in(url: str, name: str) -> dict[str, str]:
    """What a person's browser brings back: signs in by name and consents, page by page."""
    async with httpx2.AsyncClient(timeout=10) as browser:
        answer = await browser.get(url)
        for _ in range(12):
            if answer.is_redirect:
                target = urljoin(str(answer.url), answer.headers["location"])
                if target.startswith(BACK):
                    return dict(parse_qsl(urlsplit(target).query))
                answer = await browser.get(target)
                continue
            assert answer.status_code == 200, answer.text
            form = re.search(r'<form[^>]*action="([^"]+)"', answer.text)
            assert form is not None, answer.text
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert prompt is not None, answer.text
            filled = {"prompt": prompt[1], "login": name, "password": "any"}
            answer = await browser.post(urljoin(str(answer.url), form[1]), data=filled)
    raise AssertionError("the provider never sent the browser back")
