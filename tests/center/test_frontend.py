"""The built frontend as the center serves it: pages, hashed assets, what is not there, what must not be."""

from pathlib import Path

import httpx
import pytest

from center.frontend import ALWAYS_ASK, FOREVER
from city.settings import Settings
from tests.center.conftest import running


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A frontend as its build leaves it, and a secret beside it."""
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>wall</title>")
    (folder / "assets" / "index-abc123.js").write_text("export {}")
    (folder / "sw.js").write_text("self")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


async def test_pages_assets_and_strangers(topics: Settings, built: Path) -> None:
    async with (
        running(topics.model_copy(update={"frontend": built})) as center,
        httpx.AsyncClient(base_url=center.url, trust_env=False, timeout=30) as http,
    ):
        assert (await http.get("/")).headers["location"] == "/wall"
        for path in ("/wall", "/console", "/console/alerts/7", "/wall?scene=spotlight"):
            page = await http.get(path)
            assert (page.status_code, page.headers["cache-control"]) == (200, ALWAYS_ASK)
            assert page.headers["content-type"] == "text/html; charset=utf-8"
        script = await http.get("/assets/index-abc123.js")
        assert (script.headers["cache-control"], script.headers["content-type"]) == (
            FOREVER,
            "text/javascript; charset=utf-8",
        )
        assert (await http.get("/sw.js")).headers["cache-control"] == ALWAYS_ASK
        for path in ("/nothing", "/assets/nothing.js", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/assets"):
            missing = await http.get(path)
            assert missing.status_code == 404, path
        assert (await http.post("/wall")).status_code == 405
        assert (await http.get("/api/v1/nothing")).json()["error"]["code"] == "not_found"


async def test_an_unbuilt_frontend_says_what_to_type(topics: Settings, tmp_path: Path) -> None:
    async with (
        running(topics.model_copy(update={"frontend": tmp_path})) as center,
        httpx.AsyncClient(base_url=center.url, trust_env=False, timeout=30) as http,
    ):
        page = await http.get("/wall")
        assert (page.status_code, "make frontend" in page.text) == (503, True)
        assert (await http.get("/api/v1/health")).status_code == 200
