"""Refusals as other programs read them: RFC 9457 problem documents with a code and the nearest names."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, NamedTuple

from fastapi import Query
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"
TYPES_PATH: Final = "/v1/problems"


class Kind(NamedTuple):
    """One kind of problem."""

    status: int
    title: str
    example: str
    """A detail as it may stand in an answer."""


KINDS: Final[Mapping[str, Kind]] = {
    "invalid_json": Kind(400, "The body is not JSON", "the body is not JSON: expected value at line 1 column 1"),
    "invalid_utf8": Kind(400, "The body is not UTF-8", "the body is not UTF-8: byte 12 is 0xff"),
    "bad_request": Kind(400, "The request is no valid HTTP", "the request is no valid HTTP"),
    "unauthorized": Kind(401, "A token is needed", "send the header Authorization: Bearer TOKEN"),
    "forbidden": Kind(403, "Not allowed", "this server takes calibrations from its own computer only"),
    "not_found": Kind(404, "There is no such thing", "there is no calibration 'Office box'"),
    "method_not_allowed": Kind(405, "The address does not take this method", "this address takes GET, not POST"),
    "body_timeout": Kind(408, "The body came too slowly", "the body was not complete after 20 s"),
    "store_full": Kind(409, "The store is full", "10,000 calibrations are stored and no more are taken"),
    "too_large": Kind(413, "The body is too large", "the body has more than 16,777,216 bytes"),
    "unsupported_media_type": Kind(415, "The body is not declared as JSON", "send Content-Type: application/json"),
    "invalid_scenario": Kind(422, "The scenario is refused", "hardware has no field 'gpu': did you mean gpus or cpu?"),
    "unknown_name": Kind(422, "A name is not in the catalog", "GPU 'RTX 3061' is not in the catalog; nearest: ..."),
    "ambiguous_name": Kind(422, "A name means several things", "GPU 'RTX A' is ambiguous; nearest: ..."),
    "invalid_input": Kind(422, "The question cannot be answered", "Ryzen 7 5800X (AM4) takes DDR4, not DDR5"),
    "invalid_profile": Kind(422, "The calibration is refused", "the profile has no field 'effect'"),
    "invalid_parameter": Kind(422, "A parameter is refused", "limit must be at most 200"),
    "headers_too_large": Kind(431, "The headers are too large", "the headers have more than 65,536 bytes"),
    "rate_limited": Kind(429, "Too many requests", "this client may ask 50 times a second"),
    "internal_error": Kind(500, "The server failed", "this failed unexpectedly; the log has it under the request id"),
    "busy": Kind(503, "The server is busy", "256 requests are under way; try again in a second"),
    "too_slow": Kind(503, "The answer takes too long", "no answer within 60 s: ask for less at a time"),
    "store_unavailable": Kind(503, "The store does not answer", "stored calibrations cannot be reached just now"),
}
"""Every kind of problem by its code."""


class Problem(BaseModel):
    """A problem document."""

    model_config = ConfigDict(extra="forbid")

    type: str
    """Address of the kind's description on this server."""
    title: str
    status: int
    detail: str
    """What is wrong with this request and what to give instead, in one sentence."""
    code: str
    """The kind, for programs."""
    nearest: tuple[str, ...] = ()
    """Known names like the one that is not known."""
    request_id: str = ""


class Refused(Exception):
    """A request that is answered with a problem."""

    def __init__(
        self, code: str, detail: str, nearest: tuple[str, ...] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.nearest, self.headers = code, detail, nearest, headers or {}

    def __reduce__(self) -> "tuple[type[Refused], tuple[str, str, tuple[str, ...], Mapping[str, str]]]":
        """As it is sent from one process to another."""
        return Refused, (self.code, self.detail, self.nearest, self.headers)


def document(code: str, detail: str, nearest: tuple[str, ...] = (), request_id: str = "") -> Problem:
    """The document of a kind of problem."""
    kind = KINDS[code]
    return Problem(
        type=f"{TYPES_PATH}/{code}", title=kind.title, status=kind.status, detail=detail, code=code, nearest=nearest,
        request_id=request_id,
    )


def answer(refused: Refused, request_id: str) -> Response:
    """The answer that a refusal gives."""
    problem = document(refused.code, refused.detail, refused.nearest, request_id)
    return Response(
        problem.model_dump_json(), problem.status, {**refused.headers, "cache-control": "no-store"}, MEDIA_TYPE
    )


# What OpenAPI says of them.

EVERYWHERE: Final = ("rate_limited", "headers_too_large", "bad_request", "internal_error", "busy")
OF_BODIES: Final = ("invalid_json", "invalid_utf8", "body_timeout", "too_large", "unsupported_media_type")


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The problems that a call may answer with, those that any call may included, as `responses` of a route."""
    found: dict[int | str, dict[str, Any]] = {}
    for code in (*codes, *EVERYWHERE):
        kind = KINDS[code]
        content: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
        said = found.setdefault(kind.status, {"content": {MEDIA_TYPE: content}})
        example = document(code, kind.example, request_id="9f1c2ab04d").model_dump(mode="json")
        said["content"][MEDIA_TYPE]["examples"][code] = {"value": example}
        said["description"] = "; or: ".join(
            dict.fromkeys(KINDS[name].title for name in said["content"][MEDIA_TYPE]["examples"])
        )
    return dict(sorted(found.items()))


# Pages of a list.

MOST: Final = 200
FURTHEST: Final = 10_000_000
Offset = Annotated[int, Query(ge=0, le=FURTHEST)]
Limit = Annotated[int, Query(ge=1, le=MOST)]


def next_offset(offset: int, shown: int, total: int) -> int | None:
    """Where the next page begins.

    >>> next_offset(0, 50, 120), next_offset(100, 20, 120)
    (50, None)
    """
    return offset + shown if offset + shown < total and shown else None
