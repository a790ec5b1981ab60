"""Who may write: the holder of the token; where none is set, this computer, and no page of another site on it."""

import hmac

from starlette.requests import Request

from webapp.api.problems import Refused
from webapp.api.settings import Settings, is_loopback


def check_may_write(request: Request, settings: Settings) -> None:
    """Raises `Refused` for a request that may not write."""
    if settings.api_token is None:
        _check_own_computer(request, settings)
        return
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    right = settings.api_token.get_secret_value().encode()
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), right):
        said = "writing needs the server's token: send the header Authorization: Bearer TOKEN"
        raise Refused("unauthorized", said, headers={"www-authenticate": "Bearer"})


def _check_own_computer(request: Request, settings: Settings) -> None:
    """The Host header is that of a loopback address unless a page of another site has its name point here."""
    client = request.client.host if request.client else ""
    if not (settings.is_local and is_loopback(client) and is_loopback(request.url.hostname or "")):
        raise Refused(
            "forbidden", "this server takes calibrations from its own computer only; with ADVISOR_API_TOKEN set it "
            "takes them from whoever sends that token",
        )  # fmt: skip
