"""GET /api/v1/oidc/start and /oidc/callback: sign in at the identity provider, and come back with a session.

A browser is sent from page to page here, so what goes wrong on the way back is told to the console's sign-in page:
`/console#sign_in_error=<code>`.
"""

from typing import Annotated, Any, Final

import structlog
from fastapi import Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from access.errors import AccessError
from access.oidc import LASTS
from access.provider import ProviderError
from center import limiting
from center.api.common import PLAIN, CenterOf
from center.api.session import begin
from center.errors import errors, not_found
from center.limiting import bucket
from center.permit import CallerOf, Permit, resources
from center.sign_in import cookie_name, need_private
from city import metrics

router = resources("/oidc", tag="session")
OPEN: Final = [Depends(Permit("public"))]
TOLD: Final = "/console#sign_in_error="
GOES: Final[dict[int | str, dict[str, Any]]] = {303: {"description": "To the next page"}}

log = structlog.get_logger(__name__)


@router.get(
    "/start",
    status_code=303,
    summary="Begin a sign-in at the provider",
    dependencies=OPEN,
    response_class=RedirectResponse,
    responses={**GOES, **errors(403, 404, 422, 429, 502, 503)},
)
async def start(
    center: CenterOf,
    request: Request,
    caller: CallerOf,
    next_path: Annotated[
        str, Query(alias="next", max_length=500, pattern=PLAIN, description="A path of this server to come back to")
    ] = "/console",
) -> Response:
    """Sends the browser to the identity provider."""
    if center.provider is None:
        raise not_found("identity provider here")
    need_private(request)
    center.limiter.take(limiting.PROVIDER, "oidc from", bucket(caller.address))
    try:
        url, state = await center.provider.begin(center.pool, next_path)
    except ProviderError:
        metrics.SIGN_INS.labels("oidc", "refused").inc()
        raise
    answer = RedirectResponse(url, 303)
    center.sign_in.keep(answer, request, "oidc", state, LASTS)
    return answer


@router.get(
    "/callback",
    status_code=303,
    summary="Come back from the provider",
    dependencies=OPEN,
    response_class=RedirectResponse,
    responses={**GOES, **errors(403, 404, 429, 503)},
)
async def callback(center: CenterOf, request: Request, caller: CallerOf) -> Response:
    """Begins a session, if the provider vouches for who comes back and this browser began it."""
    if center.provider is None:
        raise not_found("identity provider here")
    need_private(request)
    center.limiter.take(limiting.PROVIDER, "oidc back from", bucket(caller.address))
    state = request.cookies.get(cookie_name("oidc", request.url.scheme == "https"))
    try:
        account, path = await center.provider.finish(center.pool, dict(request.query_params), state, caller.address)
    except AccessError as error:
        log.warning("oidc_refused", code=error.code, why=error.sentence)
        metrics.SIGN_INS.labels("oidc", "refused").inc()
        answer: Response = RedirectResponse(TOLD + error.code, 303)
    else:
        _, token = await begin(center, request, account, caller.address)
        metrics.SIGN_INS.labels("oidc", "done").inc()
        answer = RedirectResponse(path, 303)
        center.sign_in.keep(answer, request, "session", token, center.sign_in.lasts)
    center.sign_in.drop(answer, request, "oidc")
    return answer
