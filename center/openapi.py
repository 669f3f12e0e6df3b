"""/openapi.json: the framework's document, and of each operation who may call it and with what."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from access.policy import Permission
from center.errors import errors
from center.permit import SAFE, permission_of
from center.sign_in import COOKIE, CSRF_HEADER

SCHEMES: Final[dict[str, Any]] = {
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": f"A person's session, from POST /api/v1/session; over https the cookie is `__Host-{COOKIE}`",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": CSRF_HEADER,
        "description": "`csrf` of GET /api/v1/session; whatever changes something by cookie needs it",
    },
    "screen": {
        "type": "apiKey",
        "in": "cookie",
        "name": f"{COOKIE}-device",
        "description": "A paired screen; it may only read",
    },
    "key": {"type": "http", "scheme": "bearer", "description": "A key of a sector system: `cwk_…`"},
}


def document(app: FastAPI) -> dict[str, Any]:
    """The document; made once."""
    if app.openapi_schema is None:
        made = app.openapi()
        made.setdefault("components", {})["securitySchemes"] = SCHEMES
        for route in app.routes:
            if isinstance(route, APIRoute) and route.include_in_schema:
                for method in route.methods or ():
                    _complete(made["paths"][route.path_format][method.lower()], method, permission_of(route))
        app.openapi_schema = made
    return app.openapi_schema


def _complete(operation: dict[str, Any], method: str, permission: Permission) -> None:
    operation["x-permission"] = permission.name
    operation["security"] = _security(method, permission)
    statuses = [] if permission.public else [401, 403, 503]
    if "requestBody" in operation:
        statuses.append(400)  # it is no UTF-8
    for status, answer in errors(*statuses).items():
        told = {name: value for name, value in answer.items() if name != "model"}
        told["content"] = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}
        operation["responses"].setdefault(str(status), told)


def _security(method: str, permission: Permission) -> list[dict[str, list[str]]]:
    if permission.public:
        return []
    ways: list[dict[str, list[str]]] = []
    if permission.role is not None:
        ways.append({"session": []} if method in SAFE else {"session": [], "csrf": []})
    if permission.device:
        ways.append({"screen": []})
    if permission.grant is not None:
        ways.append({"key": []})
    return ways
