"""For those who run the server: does it live, can it answer, what does it count."""

import asyncio

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from webapp.api.answers import Health
from webapp.api.documents import HEALTH, METRICS, READINESS
from webapp.api.problems import Refused
from webapp.api.service import service_of

router = APIRouter()
_OK = Health().model_dump_json().encode()


@router.get("/healthz", **HEALTH)
async def healthz() -> Response:
    """Whether the process answers at all."""
    return Response(_OK, media_type="application/json", headers={"cache-control": "no-store"})


@router.get("/readyz", **READINESS)
async def readyz(request: Request) -> Response:
    """Whether questions can be answered: tables loaded, store reachable, not shutting down."""
    service = service_of(request)
    if service.stopping:
        raise Refused("store_unavailable", "the server is shutting down")
    await service.store.asked(service.store.check)
    return Response(_OK, media_type="application/json", headers={"cache-control": "no-store"})


@router.get("/metrics", **METRICS)
async def metrics(request: Request) -> Response:
    """Counts and times in Prometheus' text format, summed over the workers."""
    content = await asyncio.to_thread(service_of(request).metrics.text)
    return Response(content, media_type=CONTENT_TYPE_LATEST, headers={"cache-control": "no-store"})
