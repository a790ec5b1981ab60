"""What the routes share: settings, knowledge, the store, the files that may be read, turns for long computations."""

import asyncio
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import Request

from advisor.errors import InputError
from advisor.physics.knowledge import Knowledge, load
from advisor.profiles.own_machine import knowledge_of
from catalog.profiles import Profile
from webapp.api.model_files import reader
from webapp.api.problems import Refused
from webapp.api.settings import Settings
from webapp.api.storage import Store
from webapp.api.telemetry import Metrics
from webapp.api.together import Together

if TYPE_CHECKING:
    from webapp.api.accuracy import AccuracyFigures
    from webapp.api.recommendations import Rankings

T = TypeVar("T")
QUEUED = 8
"""Computations that may wait for each that runs."""
PROFILES_KEPT = 64


class Service:
    """One server's parts, made when it starts."""

    def __init__(
        self, settings: Settings, metrics: Metrics, store: Store, rankings: "Rankings", accuracy: "AccuracyFigures"
    ) -> None:
        self.settings, self.metrics, self.store = settings, metrics, store
        self.rankings, self.accuracy = rankings, accuracy
        self.read_file = reader(settings.gguf_folder)
        self.together = Together(self.read_file)
        self.stopping = False
        self._turns = asyncio.Semaphore(settings.max_computations)
        self._waiting = 0
        self._overlaid = lru_cache(PROFILES_KEPT)(self._overlay)

    async def knowledge(self, calibration: str | None) -> Knowledge:
        """The shipped knowledge, or that of a stored calibration by its id or name. Raises `Refused`."""
        if calibration is None:
            return load()
        profile_id = await self.store.asked(self.store.id_of, calibration)
        if profile_id is None:
            said = f"there is no calibration {calibration[:100]!r}: GET /v1/calibrations lists them"
            raise Refused("not_found", said)
        return await self.store.asked(self._overlaid, profile_id)

    def _overlay(self, profile_id: str) -> Knowledge:
        stored = self.store.read(profile_id)
        if stored is None:
            raise Refused("not_found", f"there is no calibration {profile_id!r} any more")
        try:
            return knowledge_of(Profile.model_validate_json(stored.content), load())
        except InputError as error:
            raise Refused("invalid_input", str(error)) from None

    async def computed(self, work: Callable[[], T]) -> T:
        """The result of a long computation on a thread, in its turn. Raises `Refused` where too many wait.

        A computation that is given up goes on to its end and keeps its turn until then.
        """
        most = self.settings.max_computations * QUEUED
        if self._waiting >= most:
            said = f"{most} computations are waiting; try again in a few seconds"
            raise Refused("busy", said, headers={"retry-after": "5"})
        task = asyncio.ensure_future(self._in_turn(work))
        try:
            async with asyncio.timeout(self.settings.answer_timeout_s):
                return await asyncio.shield(task)
        except TimeoutError:
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise self.too_slow() from None

    async def _in_turn(self, work: Callable[[], T]) -> T:
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            return await asyncio.to_thread(work)
        finally:
            self._turns.release()

    def check_time(self, until: float) -> None:
        """Raises `Refused` once an answer comes too late."""
        if time.monotonic() > until:
            raise self.too_slow()

    def too_slow(self) -> Refused:
        """The refusal of what takes too long."""
        return Refused("too_slow", f"no answer within {self.settings.answer_timeout_s:g} s: ask for less at a time")


def service_of(request: Request) -> Service:
    """The service of the server that a request came to."""
    found: Service = request.app.state.service
    return found
