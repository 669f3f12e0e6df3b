"""The application: resources, WebSocket, documents, metrics and frontend around one Center."""

from importlib import metadata
from typing import Any, Final

from fastapi import Depends, FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.websockets import WebSocket

from center import asyncapi, errors, frontend, openapi
from center.api import (
    accounts,
    alarm_health,
    alert_acts,
    alerts,
    assets,
    audit,
    backtests,
    dead_letters,
    devices,
    events,
    handover,
    health,
    incidents,
    keys,
    ledger,
    maintenance,
    notes,
    oidc,
    own_sessions,
    readings,
    reports,
    screens,
    sectors,
    series,
    session,
    shelves,
    shifts,
    stage,
    zones,
)
from center.bodies import BodyLimit
from center.permit import PREFIX, Permit, PermittedRoute, check
from center.security import Guard, listed_names, networks
from center.service import Center
from center.timing import Timing
from city.database import STORE_ERRORS

DESCRIPTION: Final = (
    "Readings, reports and alerts of a city. Live data comes by WebSocket at /ws/v1 (see /asyncapi.json). "
    'Errors are {"error": {"code", "message"}}; times are RFC 3339.'
)
ROUTERS: Final = (
    sectors.router,
    zones.router,
    assets.router,
    series.router,
    readings.router,
    reports.router,
    alerts.router,
    alert_acts.router,
    shelves.router,
    maintenance.router,
    incidents.router,
    alarm_health.router,
    backtests.router,
    stage.router,
    shifts.router,
    notes.router,
    handover.router,
    events.router,
    ledger.router,
    dead_letters.router,
    screens.router,
    session.router,
    own_sessions.router,
    oidc.router,
    accounts.router,
    keys.router,
    devices.router,
    audit.router,
    health.router,
)


def create_app(center: Center) -> FastAPI:
    """An application that serves `center`; its tasks are run by the caller.

    Raises Undeclared if a route does not say who may use it.
    """
    app = FastAPI(
        title="CityWatch",
        version=_version(),
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.state.center = center
    app.router.route_class = PermittedRoute
    for router in ROUTERS:
        app.router.routes.extend(router.routes)
    errors.install(app, STORE_ERRORS)

    @app.websocket("/ws/v1", dependencies=[Depends(Permit("city.read", told=True))])
    async def websocket(websocket: WebSocket) -> None:
        await center.socket.serve(websocket)

    @app.get("/openapi.json", include_in_schema=False, dependencies=[Depends(Permit("public"))])
    async def openapi_document() -> dict[str, Any]:
        return openapi.document(app)

    @app.get("/asyncapi.json", include_in_schema=False, dependencies=[Depends(Permit("public"))])
    async def asyncapi_document() -> dict[str, Any]:
        return asyncapi.document(app.version)

    @app.get("/metrics", include_in_schema=False, dependencies=[Depends(Permit("metrics.read"))])
    async def prometheus() -> Response:
        return Response(await run_in_threadpool(generate_latest), media_type=CONTENT_TYPE_LATEST)

    frontend.install(app, center.settings.frontend)
    check(app.routes)
    app.add_middleware(BodyLimit, unlimited=frozenset({("POST", f"{PREFIX}/events")}))
    app.add_middleware(Timing)
    app.add_middleware(
        Guard, listed=listed_names(center.settings.center_hosts), proxies=networks(center.settings.trusted_proxies)
    )
    return app


def _version() -> str:
    """Of the installed package; in a checkout that is not installed there is none."""
    try:
        return metadata.version("citywatch")
    except metadata.PackageNotFoundError:
        return "0+checkout"
