"""The one form of an error answer: {"error": {"code", "message"}}, a stable code and a sentence for a person."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from access.errors import AccessError
from access.policy import Denied
from city import metrics
from city.database import failure

RETRY_AFTER_S: Final = 2
_CODES: Final = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    409: "conflict",
    410: "over",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    429: "too_many_requests",
    503: "unavailable",
}


_REFUSED: Final = {
    "sign_in_required": 401,
    "wrong_credentials": 401,
    "not_allowed": 403,
    "out_of_scope": 403,
    "insecure_transport": 403,
    "must_change_password": 403,
    "disabled": 403,
    "unknown_account": 404,
    "unknown_session": 404,
    "unknown_key": 404,
    "unknown_device": 404,
    "unknown_code": 404,
    "pairing_over": 410,
    "link_over": 410,
    "bad_name": 422,
    "no_grant": 422,
    "unsuitable_password": 422,
    "busy": 429,
    "too_many_pairings": 429,
    "refused": 502,
    "bad_answer": 502,
    "not_a_member": 502,
    "unavailable": 503,
}
"""Statuses of what access refuses; anything else is a conflict with how things are."""
BUSY_S: Final = 5


class ErrorDetail(BaseModel):
    """What was wrong."""

    code: str = Field(description="Stable; a program may rely on it.", examples=["not_found"])
    message: str = Field(description="A sentence for a person: the field, the value and what to do.")
    line: int | None = Field(None, description="Of a text that was refused, from 1; only there")


class ErrorBody(BaseModel):
    """Every answer of 400 and above."""

    error: ErrorDetail


class ApiError(Exception):
    """An error answer."""

    def __init__(
        self, status: int, code: str, message: str, *, retry_after_s: int | None = None, line: int | None = None
    ) -> None:
        super().__init__(message)
        self.line = line
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


def not_found(what: str) -> ApiError:
    """404 for a thing that the path names."""
    return ApiError(404, "not_found", f"There is no {what}.")


def told(error: AccessError) -> ApiError:
    """The answer to what access refuses."""
    status = _REFUSED.get(error.code, 409)
    waits = {429: BUSY_S, 503: RETRY_AFTER_S}.get(status)
    return ApiError(status, error.code, error.sentence, retry_after_s=waits)


def error_response(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None, line: int | None = None
) -> JSONResponse:
    """The answer itself."""
    place = {} if line is None else {"line": line}
    error = {"code": code, "message": message, **place}
    return JSONResponse({"error": error}, status, dict(headers) if headers else None)


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a route: these statuses answer with an ErrorBody."""
    texts = {
        400: "Not understood, or refused",
        401: "Sign in, or send a key; or what was sent is wrong",
        403: "Not for this person, key or screen, or not over plain HTTP",
        404: "No such thing",
        408: "The body did not come in time",
        409: "Not possible in the present state",
        410: "Over: it was used, or has run out",
        413: "Too large",
        415: "Media type not supported",
        422: "A parameter is wrong",
        429: "Too many at once; try again after Retry-After seconds",
        502: "The identity provider refused, or its answer is wrong",
        503: "The database, the broker or the identity provider is away; try again after Retry-After seconds",
    }
    headers = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
    return {
        status: {
            "model": ErrorBody,
            "description": texts[status],
            **({"headers": headers} if status in (429, 503) else {}),
        }
        for status in statuses
    }


def install(app: FastAPI, store_errors: tuple[type[Exception], ...]) -> None:
    """Gives every error of the app the one form."""

    async def api_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)
        headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
        if error.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return error_response(error.status, error.code, error.message, headers, error.line)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, AccessError)
        if isinstance(error, Denied):
            metrics.DENIED.labels(error.code).inc()
        return await api_error(request, told(error))

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = _CODES.get(error.status_code, "error")
        headers = {"Allow": ", ".join(_methods(request))} if error.status_code == 405 else error.headers
        return error_response(error.status_code, code, str(error.detail), headers)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        return error_response(422, "invalid", f"{where}: {first['msg']}.")

    async def store_error(_: Request, error: Exception) -> Response:
        if failure(error) == "fault":
            raise error
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        return error_response(503, "unavailable", "The database does not answer; try again in a moment.", headers)

    app.add_exception_handler(ApiError, api_error)
    app.add_exception_handler(AccessError, refused)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid)
    for kind in store_errors:
        app.add_exception_handler(kind, store_error)


def _methods(request: Request) -> list[str]:
    """All that the path knows, sorted: each method of a path is a route of its own, and the router tells only one's."""
    routes = [route for route in request.app.routes if isinstance(route, APIRoute)]
    return sorted(
        {m for route in routes if route.matches(request.scope)[0] is not Match.NONE for m in route.methods or ()}
    )
