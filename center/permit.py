"""Every route declares what it asks for: a dependency `Permit("alerts.act")`, decided by access.policy.

`check` is called when the application is made: a route, mount or WebSocket that declares nothing fails the start.
"""

from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute

from access import secrets
from access.policy import NOBODY, PERMISSIONS, Permission, Principal, require
from center.errors import ApiError
from center.sign_in import CSRF_HEADER, Caller, address_of
from city.actor import Actor

PREFIX: Final = "/api/v1"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
MARK: Final = "permission"

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Undeclared(Exception):
    """A route does not say who may use it."""


class Permit:
    """Lets a request pass or raises Denied; returns the principal. `told`: the endpoint says no in its own words."""

    def __init__(self, name: str, *, told: bool = False) -> None:
        self.permission = PERMISSIONS[name]
        self.told = told

    async def __call__(self, connection: HTTPConnection) -> Principal:
        """The principal of this request."""
        if self.told:
            return NOBODY
        return (await self.admit(connection)).principal

    async def admit(self, connection: HTTPConnection) -> Caller:
        """Decides once a request. Raises Denied, ApiError 403 for a forged request, the database's errors."""
        caller: Caller | None = getattr(connection.state, "caller", None)
        if caller is None:
            if self.permission.public:
                caller = Caller(NOBODY, address_of(connection))
            else:
                caller = await connection.app.state.center.sign_in.who(connection)
                _check_csrf(connection, caller)
                require(caller.principal, self.permission.name)
            connection.state.caller = caller
        return caller


class PermittedRoute(APIRoute):
    """Decides before a body is looked at."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler behind its permit."""
        handler = super().get_route_handler()
        permits = list(_permits(self.dependant))

        async def permitted(request: Request) -> Response:
            for permit in permits:
                await permit(request)
            return await handler(request)

        return permitted


def resources(path: str = "", *, tag: str) -> APIRouter:
    """A router of REST resources under /api/v1."""
    return APIRouter(prefix=f"{PREFIX}{path}", tags=[tag], route_class=PermittedRoute)


def public(endpoint: Endpoint) -> Endpoint:
    """Declares a plain endpoint (a page, a file) as open to everybody."""
    setattr(endpoint, MARK, "public")
    return endpoint


def permission_of(route: BaseRoute) -> Permission:
    """What a route asks for. Raises Undeclared."""
    if isinstance(route, APIRoute | APIWebSocketRoute):
        declared = list(_permits(route.dependant))
        if len(declared) != 1:
            raise Undeclared(f"{_named(route)} declares {len(declared)} permissions; give it one Permit(…)")
        return declared[0].permission
    marked = getattr(getattr(route, "endpoint", None), MARK, None)
    if marked != "public":
        raise Undeclared(f"{_named(route)} declares no permission, and only what is public may be a plain route")
    return PERMISSIONS["public"]


def check(routes: Iterable[BaseRoute]) -> None:
    """Raises Undeclared for the first route that does not say who may use it."""
    for route in routes:
        permission_of(route)


def _permits(dependant: Dependant) -> Iterator[Permit]:
    for one in dependant.dependencies:
        if isinstance(one.call, Permit):
            yield one.call
        yield from _permits(one)


def _named(route: BaseRoute) -> str:
    methods = ",".join(sorted(getattr(route, "methods", None) or ())) or type(route).__name__
    return f"{methods} {getattr(route, 'path', '')}"


def _check_csrf(connection: HTTPConnection, caller: Caller) -> None:
    """A page elsewhere can make a browser send our cookie, but can't read the token that belongs to it."""
    if connection.scope["type"] != "http" or connection.scope["method"] in SAFE or caller.credential is None:
        return
    if caller.credential.kind == "key":
        return
    sent = connection.headers.get(CSRF_HEADER, "")
    if not secrets.same(sent, secrets.csrf(caller.credential.secret)):
        sentence = f"The header {CSRF_HEADER} is missing or wrong; GET /api/v1/session tells it."
        raise ApiError(403, "csrf", sentence)


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def _actor(request: Request) -> Actor:
    return _caller(request).actor


CallerOf = Annotated[Caller, Depends(_caller)]
"""Whoever passed the route's permit."""
ActorOf = Annotated[Actor, Depends(_actor)]
"""The same, for the audit trail."""
