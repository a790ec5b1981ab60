"""What the routes share: settings, knowledge, the store, and work in its turn, single questions together."""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import Request

from advisor.errors import InputError
from advisor.physics.knowledge import Knowledge, load
from advisor.prediction.batch import BadLine, FileReader, outcomes, worked_out
from advisor.profiles.own_machine import knowledge_of
from catalog.profiles import Profile
from webapp.api.problems import Refused
from webapp.api.settings import Settings
from webapp.api.storage import Store
from webapp.api.telemetry import Metrics

if TYPE_CHECKING:
    from webapp.api.facts import AccuracyFigures
    from webapp.api.recommendations import Rankings

T = TypeVar("T")
QUEUED = 8
"""Computations that may wait for each that runs."""
PROFILES_KEPT = 64


class Service:
    """One server's parts, made when it starts."""

    def __init__(
        self, settings: Settings, metrics: Metrics, store: Store, rankings: "Rankings", accuracy: "AccuracyFigures",
        read_file: FileReader,
    ) -> None:  # fmt: skip
        self.settings, self.metrics, self.store = settings, metrics, store
        self.rankings, self.accuracy, self.read_file = rankings, accuracy, read_file
        self.together = Together(read_file)
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

    def too_slow(self) -> Refused:
        """The refusal of what takes too long."""
        return Refused("too_slow", f"no answer within {self.settings.answer_timeout_s:g} s: ask for less at a time")


def service_of(request: Request) -> Service:
    """The service of the server that a request came to."""
    found: Service = request.app.state.service
    return found


class Together:
    """Single questions that arrive at nearly the same time are worked on together and evaluated as one array."""

    def __init__(self, read_file: FileReader) -> None:
        self._read_file = read_file
        self._waiting: dict[Knowledge, list[tuple[Any, asyncio.Future[bytes | BadLine]]]] = {}

    async def answer(self, value: Any, knowledge: Knowledge) -> bytes | BadLine:
        """The prediction as JSON, or why there is none."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            # A turn of the loop later: what has arrived by then is read first and comes along.
            loop.call_soon(loop.call_soon, self._evaluate)
        future: asyncio.Future[bytes | BadLine] = loop.create_future()
        self._waiting.setdefault(knowledge, []).append((value, future))
        return await future

    def _evaluate(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for knowledge, pairs in waiting.items():
            asked = [pair for pair in pairs if not pair[1].done()]  # a client that has left needs no answer
            try:
                items = [worked_out(value, self._read_file) for value, _ in asked]
                for (_, future), outcome in zip(asked, outcomes(items, knowledge), strict=True):
                    future.set_result(outcome)
            except Exception as error:  # noqa: BLE001 - a defect must be told to all that wait
                for _, future in asked:
                    if not future.done():
                        future.set_exception(error)
