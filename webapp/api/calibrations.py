"""Calibrations of machines: stored as `advisor calibrate export` writes them, listed and read."""

import asyncio
import hmac
from dataclasses import asdict

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from advisor.errors import InputError
from advisor.physics.knowledge import load
from advisor.profiles.own_machine import knowledge_of
from advisor.question import Hardware, complaint
from catalog.profiles import MAX_BYTES, BadProfile, Profile, profile_of
from webapp.api.answers import CalibrationPage, StoredCalibration
from webapp.api.bodies import read_json
from webapp.api.documents import LISTING, READING, STORING
from webapp.api.entities import OWN_CACHE, Entity
from webapp.api.problems import Refused, next_offset, page_of
from webapp.api.service import service_of
from webapp.api.settings import Settings, is_loopback

# Who may write: the holder of the token; where none is set, this computer, and no page of another site on it.

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


router = APIRouter()
PATH = "/v1/calibrations"


@router.post(PATH, status_code=201, **STORING)
async def store(request: Request) -> Response:
    """Store a calibration. The same one again is answered with 200 and the same id."""
    service = service_of(request)
    check_may_write(request, service.settings)
    value = await read_json(request, MAX_BYTES, service.settings.body_timeout_s)
    profile = await asyncio.to_thread(_usable, value)
    calibration_id, is_new = await service.store.asked(service.store.put, profile)
    stored = StoredCalibration(
        id=calibration_id, name=profile.name, fingerprint=profile.fingerprint, engine=profile.engine.name,
        backend=profile.engine.backend, measured_on=profile.measured_on.isoformat(), stored_at=None,
    )  # fmt: skip
    headers = {"location": f"{PATH}/{calibration_id}", "cache-control": "no-store"}
    return Response(stored.model_dump_json(), 201 if is_new else 200, headers, "application/json")


def _usable(value: object) -> Profile:
    """A profile that predictions can be made with. Raises `Refused`."""
    try:
        profile = profile_of(value)
        Hardware.model_validate(profile.hardware)
        knowledge_of(profile, load())
    except ValidationError as error:
        raise Refused("invalid_profile", f"the profile's hardware: {complaint(error, Hardware)}") from None
    except (BadProfile, InputError) as error:
        raise Refused("invalid_profile", str(error)) from None
    return profile


@router.get(PATH, **LISTING)
async def calibrations(request: Request) -> Response:
    """The stored calibrations, those stored last first."""
    offset, limit = page_of(request)
    store = service_of(request).store
    found, total = await store.asked(store.listed, offset, limit)
    page = CalibrationPage(
        calibrations=tuple(StoredCalibration(**asdict(item)) for item in found), total=total, offset=offset,
        next_offset=next_offset(offset, len(found), total),
    )  # fmt: skip
    return Response(page.model_dump_json(), headers={"cache-control": OWN_CACHE}, media_type="application/json")


@router.get(PATH + "/{calibration}", **READING)
async def calibration(request: Request, calibration: str) -> Response:
    """The profile of a stored calibration, by its id or its name; of several of one name the one stored last."""
    store = service_of(request).store
    calibration_id = await store.asked(store.id_of, calibration)
    stored = await store.asked(store.read, calibration_id) if calibration_id else None
    if stored is None:
        raise Refused("not_found", f"there is no calibration {calibration[:100]!r}: GET {PATH} lists them")
    return Entity(stored.content.encode(), OWN_CACHE).answer(request)
