"""Calibrations of machines: stored as `advisor calibrate export` writes them, listed and read."""

import hmac
import re
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from advisor.errors import InputError
from advisor.physics.knowledge import load
from advisor.prediction.measured import by_own_runs
from advisor.profiles.own_machine import knowledge_of
from advisor.profiles.own_runs import profile_of_runs
from advisor.question import MOST_RUNS, Hardware, OwnRun, Scenario, complaint
from catalog.profiles import BadProfile, Name, Profile, profile_of
from webapp.api import predictions
from webapp.api.answers import OWN_CACHE, TAGGED, CalibrationPage, Entity, StoredCalibration, Tag
from webapp.api.bodies import Described, JsonRoute, made_of
from webapp.api.problems import OF_BODIES, Limit, Offset, Refused, next_offset, problems
from webapp.api.service import service_of
from webapp.api.settings import Settings, is_loopback
from webapp.api.storage import ID_CHARACTERS

PATH: Final = "/v1/calibrations"
EXAMPLE: Final[dict[str, Any]] = {
    "schema_version": 1, "name": "Office box", "fingerprint": "5f2b" * 16, "efficiencies_digest": "90c1" * 16,
    "hardware": predictions.EXAMPLE["hardware"], "measured_on": "2026-11-24",
    "engine": {"name": "llama.cpp", "version": "b9000", "backend": "cuda"},
    "effects": [
        {"coefficient": "ram_stream", "label": "", "log_value": 0.04, "standard_error": 0.02, "informed": True}
    ],
    "spreads": [], "probes": [], "runs": [],
}
OWN_RUNS_EXAMPLE: Final[dict[str, Any]] = {
    "hardware": predictions.EXAMPLE["hardware"],
    "measured": [{"model": "Qwen3-8B", "quant": "Q4_K_M", "decode_tok_s": 48.0, "prefill_tok_s": 1900.0}],
}


class MeasuredMachine(BaseModel):
    """Runs that the owner of a machine measured on it, instead of a calibration."""

    model_config = ConfigDict(extra="forbid")

    hardware: Hardware
    measured: Annotated[tuple[OwnRun, ...], Field(min_length=1, max_length=MOST_RUNS, fail_fast=True)]
    name: Name | None = None


Sent = Annotated[
    Any, Described(Profile | MeasuredMachine),
    Body(openapi_examples={"profile": {"value": EXAMPLE}, "runs": {"value": OWN_RUNS_EXAMPLE}}),
]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(scheme_name="token", auto_error=False))]
router = APIRouter(route_class=JsonRoute, tags=["calibrations"])


def check_may_write(request: Request, token: HTTPAuthorizationCredentials | None, settings: Settings) -> None:
    """Who may write: the holder of the token; where none is set, this computer, and no page of another site on it.

    The Host header is that of a loopback address unless a page of another site has its name point here.
    Raises `Refused` for a request that may not write.
    """
    if settings.api_token is not None:
        right = settings.api_token.get_secret_value().encode()
        if token is None or not hmac.compare_digest(token.credentials.strip().encode(), right):
            said = "writing needs the server's token: send the header Authorization: Bearer TOKEN"
            raise Refused("unauthorized", said, headers={"www-authenticate": "Bearer"})
        return
    client = request.client.host if request.client else ""
    if not (settings.is_local and is_loopback(client) and is_loopback(request.url.hostname or "")):
        raise Refused(
            "forbidden", "this server takes calibrations from its own computer only; with ADVISOR_API_TOKEN set it "
            "takes them from whoever sends that token",
        )


LOCATION: Final = {"Location": {"schema": {"type": "string"}, "description": "Address of the calibration."}}


@router.post(
    PATH, status_code=201, response_model=StoredCalibration, response_description="Stored",
    openapi_extra={"security": [{}]},  # where the server has no token
    responses={
        200: {"model": StoredCalibration, "description": "The same calibration was already stored"},
        201: {"headers": LOCATION},
        **problems(*OF_BODIES, "unauthorized", "forbidden", "store_full", "invalid_profile", "too_slow",
                   "store_unavailable"),
    },
)
async def store(request: Request, sent: Sent, token: Bearer) -> Response:
    """Store a calibration. The same one again is answered with 200 and the same id."""
    service = service_of(request)
    check_may_write(request, token, service.settings)
    profile = await made_of(request, sent, partial(_usable))
    calibration_id, is_new = await service.store.asked(service.store.put, profile)
    stored = StoredCalibration(
        id=calibration_id, name=profile.name, fingerprint=profile.fingerprint, engine=profile.engine.name,
        backend=profile.engine.backend, measured_on=profile.measured_on.isoformat(), stored_at=None,
    )
    headers = {"location": f"{PATH}/{calibration_id}", "cache-control": "no-store"}
    return Response(stored.model_dump_json(), 201 if is_new else 200, headers, "application/json")


def _usable(value: Any) -> Profile:
    """A profile that predictions can be made with. Raises `Refused`."""
    try:
        told = isinstance(value, dict) and "measured" in value and "fingerprint" not in value
        profile = _of_runs(value) if told else profile_of(value)
        Hardware.model_validate(profile.hardware)
        knowledge_of(profile, load())
    except ValidationError as error:
        raise Refused("invalid_profile", f"the profile's hardware: {complaint(error, Hardware)}") from None
    except (BadProfile, InputError) as error:
        raise Refused("invalid_profile", str(error)) from None
    if re.fullmatch(f"[0-9a-fA-F]{{{ID_CHARACTERS}}}", profile.name):
        raise Refused("invalid_profile", f"the profile's name {profile.name!r} looks like an id: give it another")
    return profile


def _of_runs(value: dict[str, Any]) -> Profile:
    """A profile of the runs that were sent. Raises `Refused` for what is misspelt, and for runs that cannot be."""
    try:
        sent = MeasuredMachine.model_validate(value)
    except ValidationError as error:
        raise Refused("invalid_profile", complaint(error, MeasuredMachine)) from None
    try:
        asked = Scenario(model=sent.measured[0].model, hardware=sent.hardware, measured=sent.measured)
        warnings = by_own_runs(asked, load()).warnings
        impossible = next((item.message for item in warnings if item.code == "impossible_run"), None)
    except ValueError as error:
        raise Refused("invalid_profile", str(error)) from None
    if impossible:
        raise Refused("invalid_profile", impossible)
    return profile_of_runs(sent.hardware, sent.measured, datetime.now(UTC).date(), sent.name)


@router.get(
    PATH, response_model=CalibrationPage, response_description="One page, those stored last first",
    responses=problems("invalid_parameter", "store_unavailable"),
)
async def calibrations(request: Request, offset: Offset = 0, limit: Limit = 50) -> Response:
    """The stored calibrations, those stored last first."""
    store = service_of(request).store
    found, total = await store.asked(store.listed, offset, limit)
    page = CalibrationPage(
        calibrations=tuple(StoredCalibration(**asdict(item)) for item in found), total=total, offset=offset,
        next_offset=next_offset(offset, len(found), total),
    )
    return Response(page.model_dump_json(), headers={"cache-control": OWN_CACHE}, media_type="application/json")


@router.get(
    PATH + "/{calibration}", response_model=Profile, response_description="The profile as it was stored",
    responses=TAGGED | problems("not_found", "store_unavailable"),
)
async def calibration(request: Request, calibration: str, tag: Tag = "") -> Response:
    """The profile of a stored calibration, by its id or its name; of several of one name the one stored last."""
    store = service_of(request).store
    calibration_id = await store.asked(store.id_of, calibration)
    stored = await store.asked(store.read, calibration_id) if calibration_id else None
    if stored is None:
        raise Refused("not_found", f"there is no calibration {calibration[:100]!r}: GET {PATH} lists them")
    return Entity(stored.content.encode(), OWN_CACHE).answer(tag)
