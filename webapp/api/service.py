"""What the routes share: settings, knowledge, the store, and work: each in its turn, once, and while anybody waits."""

import asyncio
import ctypes
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from fastapi import Request

from advisor.answer import Warning
from advisor.errors import InputError
from advisor.kept import Kept, size_of
from advisor.market.market import Market, market_of, shipped_market, stored_at
from advisor.physics.knowledge import Knowledge, load
from advisor.prediction.batch import BadLine, FileReader, outcomes, worked_out
from advisor.prediction.case import Unplaced
from advisor.profiles.own_machine import own_machine, remark_on
from advisor.profiles.store import data_folder
from catalog.profiles import Profile
from webapp.api.gate import CallRates, ClientLeft, client_of
from webapp.api.problems import Refused
from webapp.api.settings import Settings
from webapp.api.storage import Store
from webapp.api.telemetry import Metrics

if TYPE_CHECKING:
    from webapp.api.facts import AccuracyFigures
    from webapp.api.recommendations import Ranking

T = TypeVar("T")
QUEUED: Final = 8
"""Computations that may wait for each that runs."""
RANKINGS_BYTES: Final = 64 * 2**20
"""Rankings kept for further pages; a ranking of one build for each card has about 200 kB, of every build 5 MB."""
MARKET_S: Final = 60.0
"""How long stored prices are taken as they were read."""
PROFILES_BYTES: Final = 16 * 2**20
"""Stored calibrations kept as knowledge."""


class Service:
    """One server's parts, made when it starts."""

    def __init__(
        self, settings: Settings, metrics: Metrics, rates: CallRates, store: Store, accuracy: "AccuracyFigures",
        read_file: FileReader,
    ) -> None:  # fmt: skip
        self.settings, self.metrics, self.store = settings, metrics, store
        self.rates, self.accuracy, self.read_file = rates, accuracy, read_file
        self.rankings: Kept[Ranking] = Kept(RANKINGS_BYTES)
        self.together = Together(read_file, settings.answer_timeout_s, rates)
        self.turns = Turns(settings.max_computations, settings.answer_timeout_s)
        self.stopping = False
        self._overlaid: Kept[Knowledge] = Kept(PROFILES_BYTES)
        self._market, self._market_until = shipped_market(), 0.0

    async def market(self) -> Market:
        """Prices as they are known here: the shipped ones, and those of the server's own that may be handed on."""
        now = time.monotonic()
        if now >= self._market_until:
            own = await self.store.asked(stored_at, data_folder(), exported=True)
            self._market, self._market_until = market_of(own), now + MARKET_S
        return self._market

    async def knowledge(self, calibration: str | None) -> Knowledge:
        """The shipped knowledge, or that of a stored calibration by its id or name. Raises `Refused`."""
        if calibration is None:
            return load()
        return await self.store.asked(self._of_profile, calibration)

    def _of_profile(self, calibration: str) -> Knowledge:
        stored_id = self.store.id_of(calibration)
        known = self._overlaid.get(stored_id)
        if known is not None:
            return known
        stored = self.store.read(stored_id) if stored_id else None
        if stored is None:
            said = f"there is no calibration {calibration[:100]!r}: GET /v1/calibrations lists them"
            raise Refused("not_found", said)
        profile = Profile.model_validate_json(stored.content)
        try:
            machine = own_machine(profile, load(), any_size=True)
        except InputError as error:
            raise Refused("invalid_input", str(error)) from None
        if machine.current:
            known = machine.knowledge
        else:
            unused = Warning(code="calibration_not_used", message=remark_on(machine, None) or "")
            known = replace(load(), warnings=(unused,))
        self._overlaid.keep(stored_id, known, size_of((profile.effects, profile.spreads, known.warnings)))
        return known


def service_of(request: Request) -> Service:
    """The service of the server that a request came to."""
    found: Service = request.app.state.service
    return found


def too_slow(timeout_s: float) -> Refused:
    """The refusal of what takes too long."""
    return Refused("too_slow", f"no answer within {timeout_s:g} s: ask for less at a time")


# Long computations: some at a time, each on a thread of its own, which is stopped once nobody waits for it.


class Turns:
    """Who computes when. What several ask at once is computed once; one client has half of the turns at most."""

    def __init__(self, most: int, timeout_s: float) -> None:
        self._most, self._timeout_s = most, timeout_s
        self._under_way: dict[Hashable, _Computation[Any]] = {}
        self._running: Counter[str] = Counter()
        self._turn = asyncio.Condition()
        sys.unraisablehook = _unless_stopped(sys.unraisablehook)  # a callback that runs while a thread is stopped
        threading.excepthook = _unless_stopped(threading.excepthook)

    async def computed(self, request: Request, key: Hashable, work: Callable[[], T]) -> T:
        """The result of a long computation; `key` is the same for the same.

        Raises `Refused` where too many wait and where it takes too long, `ClientLeft` where nobody waits for it.
        """
        found = self._under_way.get(key)
        if found is None:
            client = client_of(request.scope)
            self._check_room(client)
            found = self._under_way[key] = _Computation(client, work)
            found.task = asyncio.create_task(self._in_turn(key, found))
        computation = cast("_Computation[T]", found)
        computation.waiting += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                await _done_or_left(computation.task, request)
            return computation.task.result()
        except TimeoutError:
            raise too_slow(self._timeout_s) from None
        finally:
            computation.waiting -= 1
            if not computation.waiting and not computation.task.done():
                self._under_way.pop(key, None)
                computation.task.cancel()

    def _check_room(self, client: str) -> None:
        waiting = Counter(item.client for item in self._under_way.values())
        most = self._most * (1 + QUEUED)
        if waiting.total() >= most or waiting[client] >= max(1, most // 2):
            said = f"{waiting.total()} computations are waiting; try again in a few seconds"
            raise Refused("busy", said, headers={"retry-after": "5"})

    async def _in_turn(self, key: Hashable, computation: "_Computation[T]") -> T:
        client = computation.client
        try:
            async with self._turn:
                await self._turn.wait_for(
                    lambda: self._running.total() < self._most and self._running[client] < max(1, self._most // 2)
                )
                self._running[client] += 1
            try:
                return await computation.on_a_thread()
            finally:
                self._running[client] -= 1
                self._running += Counter()  # forgets those at 0
                async with self._turn:
                    self._turn.notify_all()
        finally:
            if self._under_way.get(key) is computation:
                del self._under_way[key]


async def _done_or_left(future: asyncio.Future[Any], request: Request) -> None:
    """Wait until a future is done. Raises `ClientLeft` where the client closes the connection before."""

    async def left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    leaving = asyncio.create_task(left())
    try:
        await asyncio.wait({future, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
    if not future.done():
        raise ClientLeft


class _Stopped(BaseException):
    """Raised in a computation's thread where nobody waits for it any more; no `except Exception` holds it up."""


def _unless_stopped(hook: Callable[[Any], object]) -> Callable[[Any], None]:
    """A hook of Python that tells of errors which nobody catches, silent about what was stopped on purpose."""

    def tell(said: Any) -> None:
        if said.exc_type is not _Stopped:
            hook(said)

    return tell


class _Computation(Generic[T]):
    """Work, for whom it is first of all, and how many wait for it."""

    task: "asyncio.Task[T]"

    def __init__(self, client: str, work: Callable[[], T]) -> None:
        self.client, self.waiting, self._work = client, 0, work
        self._lock, self._over = threading.Lock(), False

    async def on_a_thread(self) -> T:
        """Do the work on a thread of its own, which ends at its next line where this is cancelled."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        thread = threading.Thread(target=self._run, args=(loop, done), daemon=True)
        thread.start()
        try:
            return await done
        except asyncio.CancelledError:
            while thread.is_alive():  # its turn is over when its work is
                self._stop(thread.ident or 0)
                await asyncio.sleep(STOPPING_S)
            raise

    def _stop(self, thread: int) -> None:
        """Raise `_Stopped` at the thread's next line; where that is in a callback, which swallows it, again later."""
        with self._lock:
            if not self._over:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Stopped))

    def _run(self, loop: asyncio.AbstractEventLoop, done: "asyncio.Future[T]") -> None:
        def tell(result: T | None, error: Exception | None) -> None:
            if done.cancelled():
                return
            if error is None:
                done.set_result(cast(T, result))
            else:
                done.set_exception(error)

        result: T | None = None
        error: Exception | None = None
        with suppress(_Stopped):
            try:
                result = self._work()
            except Exception as failed:  # noqa: BLE001 - raised again where the result is awaited
                error = failed
            with self._lock:
                self._over = True
            loop.call_soon_threadsafe(tell, result, error)


STOPPING_S: Final = 0.05
"""Time between two looks whether a thread has stopped."""


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

    def __init__(self, read_file: FileReader, timeout_s: float, rates: CallRates) -> None:
        self._read_file, self._timeout_s, self._rates = read_file, timeout_s, rates
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
                await _done_or_left(future, request)
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
                case = worked_out(question.value, self._read_file)
                if isinstance(case, Unplaced) and case.chooses:  # takes as long as twenty others: they come before
                    _tell_all(worked)
                    _tell([(question, case)], question.key[0])
                else:
                    worked.setdefault(question.key[0], []).append((question, case))
                self._rates.spent(question.client, time.thread_time() - before_s)
            if time.monotonic() - start > SLICE_S:
                break
        _tell_all(worked)
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


def _tell_all(worked: "dict[Knowledge, list[tuple[_Waiting, Unplaced | BadLine]]]") -> None:
    """Evaluate what was worked out, by what is known, and empty the table."""
    for knowledge, pairs in worked.items():
        _tell(pairs, knowledge)
    worked.clear()


def _tell(pairs: "Sequence[tuple[_Waiting, Unplaced | BadLine]]", knowledge: Knowledge) -> None:
    """Evaluate questions together and give each its answer."""
    try:
        for (question, _), outcome in zip(pairs, outcomes([case for _, case in pairs], knowledge), strict=True):
            question.tell(outcome)
    except Exception as error:  # noqa: BLE001 - a defect must be told to all that wait
        for question, _ in pairs:
            question.tell(error)


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
