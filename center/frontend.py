"""The built frontend as static files: hashed assets for a year, the pages always asked for anew."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from center.permit import public

DEFAULT: Final = Path(__file__).parent.parent / "frontend" / "dist"
HASHED: Final = "assets/"
FOREVER: Final = "public, max-age=31536000, immutable"
ALWAYS_ASK: Final = "no-cache"
PAGES: Final = ("wall", "console")
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
NOT_BUILT: Final = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>CityWatch</title>"
    "<h1>The frontend is not built</h1>"
    "<p>To build the wall and the console, type <code>make frontend</code> and load this page again. "
    "The API works without them: see <a href=/openapi.json>/openapi.json</a>.</p>"
)


class PagePath(Convertor[str]):
    """Any path that is not the API's, so that a wrong method there is told as one."""

    regex = "(?!api/|ws/).*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


def install(app: FastAPI, folder: Path | None) -> None:
    """Serves the frontend at / ; without a built one, a page that says what to type."""
    root = (folder or DEFAULT).resolve()

    async def page(_: Request) -> Response:
        index = root / "index.html"
        if not index.is_file():
            return HTMLResponse(NOT_BUILT, 503, {"Cache-Control": "no-store", "Retry-After": "5"})
        return FileResponse(index, headers={"Cache-Control": ALWAYS_ASK}, media_type=TYPES[".html"])

    async def start(_: Request) -> Response:
        return RedirectResponse("/wall", 307, {"Cache-Control": ALWAYS_ASK})

    async def file(request: Request) -> Response:
        path = request.path_params["path"]
        if path.partition("/")[0] in PAGES:
            return await page(request)
        found = (root / path).resolve()
        if not found.is_relative_to(root) or not found.is_file():
            raise HTTPException(404, f"There is no {path[:200]!r} here.")
        caching = FOREVER if path.startswith(HASHED) else ALWAYS_ASK
        media = TYPES.get(found.suffix, "application/octet-stream")
        return FileResponse(found, headers={"Cache-Control": caching}, media_type=media)

    _get(app, "/", start)
    for name in PAGES:
        _get(app, f"/{name}", page)
    register_url_convertor("page", PagePath())
    _get(app, "/{path:page}", file)


def _get(app: FastAPI, path: str, answer: Callable[[Request], Awaitable[Response]]) -> None:
    app.add_route(path, public(answer), methods=["GET", "HEAD"], include_in_schema=False)
