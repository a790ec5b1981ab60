"""What the routes share: settings, knowledge, prices, the store; and short questions, which are answered together."""

import asyncio
import time
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from fastapi import Request

from advisor.answer import Warning
from advisor.errors import InputError
from advisor.kept import Kept, size_of
from advisor.market.market import Market, market_of, stored_at
from advisor.physics.knowledge import Knowledge, load
from advisor.prediction.batch import BadLine, outcomes, worked_out
from advisor.prediction.case import Unplaced
from advisor.profiles.own_machine import own_machine, remark_on
from advisor.profiles.store import data_folder
from catalog.prices import Observation
from catalog.profiles import Profile
from webapp.api.computing import Turns, done_or_left, too_slow
from webapp.api.gate import ClientLeft, LoopShares, client_of
from webapp.api.problems import Refused
from webapp.api.settings import Settings
from webapp.api.storage import Store
from webapp.api.telemetry import Metrics

if TYPE_CHECKING:
    from webapp.api.facts import AccuracyFigures
    from webapp.api.recommendations import Ranking

T = TypeVar("T")
RANKINGS_BYTES: Final = 64 * 2**20
"""Rankings kept for further pages; a ranking of one build for each card has about 200 kB, of every build 5 MB."""
MARKET_S: Final = 60.0
"""How long stored prices are taken as they were read."""
PROFILES_BYTES: Final = 16 * 2**20
"""Stored calibrations kept as knowledge."""


class Known(NamedTuple):
    """What questions are answered with, and the stored calibration that it comes from, as JSON."""

    knowledge: Knowledge
    profile: str | None = None


class Service:
    """One server's parts, made when it starts."""

    def __init__(
        self, settings: Settings, metrics: Metrics, store: Store, accuracy: "AccuracyFigures"
    ) -> None:
        self.settings, self.metrics, self.store = settings, metrics, store
        self.accuracy, self.shares = accuracy, LoopShares()
        self.rankings: Kept[Ranking] = Kept(RANKINGS_BYTES)
        self.together = Together(settings.answer_timeout_s, self.shares)
        self.turns = Turns(settings.max_computations, settings.answer_timeout_s)
        self.stopping = False
        self._own_prices: tuple[Observation, ...] = ()
        self._own_prices_until = 0.0

    async def own_prices(self) -> tuple[Observation, ...]:
        """Prices stored on this server that may be handed on."""
        now = time.monotonic()
        if now >= self._own_prices_until:
            self._own_prices = await self.store.asked(stored_at, data_folder(), exported=True)
            self._own_prices_until = now + MARKET_S
        return self._own_prices

    async def briefly(self, request: Request, key: Hashable, work: "partial[T]") -> T:
        """The result of a short call of a module's function: worked out here, or in another process where the client
        has taken his share of the loop's time. Raises as `Turns.computed`.
        """
        client = client_of(request.scope)
        if not self.shares.has_left(client):
            return await self.turns.computed(request, key, work, short=True)
        before_s = time.thread_time()
        try:
            return work()
        finally:
            self.shares.took(client, time.thread_time() - before_s)

    async def known(self, calibration: str | None) -> Known:
        """The shipped knowledge, or that of a stored calibration by its id or name. Raises `Refused`."""
        if calibration is None:
            return Known(load())
        return await self.store.asked(self._known, calibration)

    def _known(self, calibration: str) -> Known:
        stored_id = self.store.id_of(calibration)
        stored = self.store.read(stored_id) if stored_id else None
        if stored is None:
            said = f"there is no calibration {calibration[:100]!r}: GET /v1/calibrations lists them"
            raise Refused("not_found", said)
        return Known(knowledge_with(stored.content), stored.content)


@lru_cache(2)
def market_with(own: tuple[Observation, ...]) -> Market:
    """The shipped prices and those of the server's own."""
    return market_of(own)


_OVERLAID: Final[Kept[Knowledge]] = Kept(PROFILES_BYTES)


def knowledge_with(profile: str | None) -> Knowledge:
    """The shipped knowledge, or with that of a stored calibration, given as JSON, over it. Raises `Refused`."""
    if profile is None:
        return load()
    known = _OVERLAID.get(profile)
    if known is None:
        found = Profile.model_validate_json(profile)
        try:
            machine = own_machine(found, load(), any_size=True)
        except InputError as error:
            raise Refused("invalid_input", str(error)) from None
        if machine.current:
            known = machine.knowledge
        else:
            unused = Warning(code="calibration_not_used", message=remark_on(machine, None) or "")
            known = replace(load(), warnings=(unused,))
        _OVERLAID.keep(profile, known, size_of((found.effects, found.spreads, known.warnings)))
    return known


def service_of(request: Request) -> Service:
    """The service of the server that a request came to."""
    found: Service = request.app.state.service
    return found


# Short questions: those that arrive at nearly the same time are worked on together, on the event loop.

SLICE_S: Final = 0.01
"""After so long in one go, what else the loop has to do comes in between."""
TURNS_BETWEEN: Final = 8
"""Turns of the loop from one go to the next: a request takes some six from its first byte to its question."""
MOST_TOGETHER: Final = 256
FEW: Final = 32
"""Questions that are answered before anybody has left."""


class Together:
    """Single questions, evaluated as one array: each client's in turn, and the same of several once."""

    def __init__(self, timeout_s: float, shares: LoopShares) -> None:
        self._timeout_s, self._shares = timeout_s, shares
        self._waiting: dict[str, deque[_Waiting]] = {}
        """Of clients that were answered since they began to wait."""
        self._new: dict[str, deque[_Waiting]] = {}
        """Of all others, who come first: whoever asks one question does not wait for him who asks a hundred."""
        self._asked: dict[tuple[Knowledge, bytes], _Waiting] = {}

    async def answer(self, request: Request, value: Any, knowledge: Knowledge) -> bytes | BadLine:
        """The prediction as JSON, or why there is none, for a request whose body was parsed to `value`.

        Raises `Refused` where its turn does not come in time.
        """
        loop = asyncio.get_running_loop()
        if not self._asked:
            self._evaluate_after(TURNS_BETWEEN)
        key = knowledge, await request.body()
        question = self._asked.get(key)
        if question is None:
            client = client_of(request.scope)
            question = self._asked[key] = _Waiting(key, value, client, time.monotonic() + self._timeout_s)
            queue = self._waiting.get(client) or self._new.setdefault(client, deque())
            queue.append(question)
        future: asyncio.Future[bytes | BadLine] = loop.create_future()
        question.futures.append(future)
        if len(self._asked) > FEW:  # it will take a while: who leaves meanwhile costs nothing
            try:
                await done_or_left(future, request)
            except ClientLeft:
                future.cancel()
                raise
        return await future

    def _evaluate(self) -> None:
        """Work out the oldest question of each client in turn, as many as there is time for, and evaluate them."""
        worked: dict[Knowledge, list[tuple[_Waiting, Unplaced | BadLine]]] = {}
        start = time.monotonic()
        for question in self._in_turn():
            if time.monotonic() > question.until:
                question.tell(too_slow(self._timeout_s))
            elif question.is_awaited:
                before_s = time.thread_time()
                case = worked_out(question.value)
                self._shares.took(question.client, time.thread_time() - before_s)
                if isinstance(case, Unplaced) and case.chooses:  # takes as long as twenty others: they come before
                    self._tell_all(worked)
                    self._tell([(question, case)], question.key[0])
                else:
                    worked.setdefault(question.key[0], []).append((question, case))
            if time.monotonic() - start > SLICE_S:
                break
        self._tell_all(worked)
        if self._asked:
            self._evaluate_after(TURNS_BETWEEN)

    def _evaluate_after(self, turns: int) -> None:
        """Evaluate so many turns of the loop later: what has arrived by then is read first and comes along."""
        if turns:
            asyncio.get_running_loop().call_soon(self._evaluate_after, turns - 1)
        else:
            self._evaluate()

    def _in_turn(self) -> Iterator["_Waiting"]:
        """Those that wait, taken out of their queues one by one."""
        for _ in range(MOST_TOGETHER):
            queues = self._new or self._waiting
            if not queues:
                return
            client = next(iter(queues))
            queue = queues.pop(client)
            question = queue.popleft()
            del self._asked[question.key]
            if queue:
                self._waiting[client] = queue  # behind all others
            yield question

    def _tell_all(self, worked: "dict[Knowledge, list[tuple[_Waiting, Unplaced | BadLine]]]") -> None:
        """Evaluate what was worked out, by what is known, and empty the table."""
        for knowledge, pairs in worked.items():
            self._tell(pairs, knowledge)
        worked.clear()

    def _tell(self, pairs: "Sequence[tuple[_Waiting, Unplaced | BadLine]]", knowledge: Knowledge) -> None:
        """Evaluate questions together and give each its answer."""
        before_s = time.thread_time()
        try:
            for (question, _), outcome in zip(pairs, outcomes([case for _, case in pairs], knowledge), strict=True):
                question.tell(outcome)
        except Exception as error:  # noqa: BLE001 - a defect must be told to all that wait
            for question, _ in pairs:
                question.tell(error)
        each_s = (time.thread_time() - before_s) / len(pairs)
        for question, _ in pairs:
            self._shares.took(question.client, each_s)


class _Waiting:
    """A question and all that wait for its answer."""

    def __init__(self, key: tuple[Knowledge, bytes], value: Any, client: str, until: float) -> None:
        self.key, self.value, self.client, self.until = key, value, client, until
        self.futures: list[asyncio.Future[bytes | BadLine]] = []

    @property
    def is_awaited(self) -> bool:
        """Whether any of those who asked is still there."""
        return not all(future.done() for future in self.futures)

    def tell(self, outcome: bytes | BadLine | Exception) -> None:
        """Give all the answer, or raise the error where they wait."""
        for future in self.futures:
            if future.done():
                continue
            if isinstance(outcome, Exception) and not isinstance(outcome, BadLine):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
