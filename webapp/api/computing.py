"""Long computations, in processes of their own: short questions are answered on the event loop meanwhile.

Threads would share Python's lock with the loop, and each short answer would wait for them. The processes give way to
whoever answers short questions, are started when they are first needed, kept for what is asked next, and end with the
server, however that ends: they watch their input, which closes then.
"""

import asyncio
import ctypes
import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, BinaryIO, Final, Generic, TypeVar, cast

from fastapi import Request

from webapp.api.gate import ClientLeft, client_of
from webapp.api.problems import Refused
from webapp.api.settings import load_settings
from webapp.api.telemetry import configure, tell

T = TypeVar("T")
QUEUED: Final = 8
"""Computations that may wait for each that runs."""
TRIES: Final = 2
"""Times that a computation is begun whose process ends in the midst of it, as when memory runs out."""
STOPPED_S: Final = 10.0
"""A process that has not stopped its computation by then is ended; one that starts on a busy machine takes seconds."""
NICENESS: Final = 10
"""Priority of computations: on a busy processor they get a tenth of what a worker gets."""
COMMAND: Final = "from webapp.api.computing import compute; compute()"


class Turns:
    """Who computes when. What several ask at once is computed once; one client has half of the turns at most."""

    def __init__(self, most: int, timeout_s: float) -> None:
        self._most, self._timeout_s = most, timeout_s
        self._under_way: dict[Hashable, _Computation[Any]] = {}
        self._running: Counter[str] = Counter()
        self._turn = asyncio.Condition()
        self._processes: set[_Process] = set()
        self._threads = ThreadPoolExecutor(2 * most, "computing")
        """For each process one that waits for its answer, and one that tells it to stop."""

    async def computed(self, request: Request, key: Hashable, work: "partial[T]", *, short: bool = False) -> T:
        """The result of a long computation, a call of a module's function; `key` is the same for the same.

        `short`: that it takes little; of those as many may wait as requests may be under way. Raises `Refused` where
        too many wait and where it takes too long, `ClientLeft` where nobody waits for it.
        """
        found = self._under_way.get(key)
        if found is None:
            client = client_of(request.scope)
            if not short:
                self._check_room(client)
            found = self._under_way[key] = _Computation(client, short)
            found.task = asyncio.create_task(self._in_turn(key, found, work))
        computation = cast("_Computation[T]", found)
        computation.waiting += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                await done_or_left(computation.task, request)
            return computation.task.result()
        except TimeoutError:
            raise too_slow(self._timeout_s) from None
        finally:
            computation.waiting -= 1
            if not computation.waiting and not computation.task.done():
                self._under_way.pop(key, None)
                computation.task.cancel()

    def close(self) -> None:
        """End all processes."""
        for process in self._processes:
            process.end()
        self._processes.clear()
        self._threads.shutdown(wait=False)

    def _check_room(self, client: str) -> None:
        waiting = Counter(item.client for item in self._under_way.values() if not item.short)
        most = self._most * (1 + QUEUED)
        if waiting.total() >= most or waiting[client] >= max(1, most // 2):
            said = f"{waiting.total()} computations are waiting; try again in a few seconds"
            raise Refused("busy", said, headers={"retry-after": "5"})

    async def _in_turn(self, key: Hashable, computation: "_Computation[T]", work: "partial[T]") -> T:
        client = computation.client
        try:
            async with self._turn:
                await self._turn.wait_for(
                    lambda: self._running.total() < self._most and self._running[client] < max(1, self._most // 2)
                )
                self._running[client] += 1
            try:
                return await self._in_a_process(work)
            finally:
                self._running[client] -= 1
                self._running += Counter()  # forgets those at 0
                async with self._turn:
                    self._turn.notify_all()
        finally:
            if self._under_way.get(key) is computation:
                del self._under_way[key]

    async def _in_a_process(self, work: "partial[T]") -> T:
        for _ in range(TRIES):
            process = next((item for item in self._processes if item.is_free), None)
            if process is None:
                process = _Process(self._threads)
                self._processes.add(process)
            try:
                result, error = await process.computed(work)
            except _Ended as ended:
                tell(logging.WARNING, "a computation's process ended", exit_code=ended.code, work=work.func.__name__)
                continue
            finally:
                for item in [item for item in self._processes if item.is_lost]:
                    self._processes.discard(item)
                    item.end()
            if error is not None:
                raise error
            return cast(T, result)
        raise RuntimeError("the process that computed this ended, and so did another one")


class _Computation(Generic[T]):
    """For whom a computation is first of all, and how many wait for it."""

    task: "asyncio.Task[T]"

    def __init__(self, client: str, short: bool) -> None:
        self.client, self.short, self.waiting = client, short, 0


async def done_or_left(future: asyncio.Future[Any], request: Request) -> None:
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


def too_slow(timeout_s: float) -> Refused:
    """The refusal of what takes too long."""
    return Refused("too_slow", f"no answer within {timeout_s:g} s: ask for less at a time")


class _Ended(Exception):
    """The process has ended by itself."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Process:
    """A process that computes, seen from the worker, which sends it pickles of work, or of None to stop it, and reads
    those of results and errors.
    """

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads, self._sending = threads, threading.Lock()
        self._asking = self._out_of_step = False
        # In a group of its own, for Ctrl-C is for the server, which answers what has begun; in the same session, for
        # Linux shares processors out between sessions first (man 7 sched, autogroup).
        self._process = subprocess.Popen(
            (sys.executable, "-P", "-c", COMMAND), stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    @property
    def is_free(self) -> bool:
        """Whether it waits for work."""
        return not self._asking and not self.is_lost

    @property
    def is_lost(self) -> bool:
        """Whether there will be no further answer of it."""
        return not self._asking and (self._out_of_step or self._process.poll() is not None)

    async def computed(self, work: "partial[Any]") -> tuple[Any, Exception | None]:
        """The result or the error; where this is cancelled the work is stopped. Raises `_Ended`."""
        loop = asyncio.get_running_loop()
        self._asking = True
        answer = loop.run_in_executor(self._threads, self._asked, work)
        answer.add_done_callback(lambda done: done.exception())  # where nobody waits for it any more
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            self._out_of_step = True
            stopping = loop.run_in_executor(self._threads, self._send, None)
            both: set[asyncio.Future[Any]] = {answer, stopping}
            _, late = await asyncio.wait(both, timeout=STOPPED_S)
            self._out_of_step = bool(late)
            raise
        finally:
            self._asking = False

    def _asked(self, work: "partial[Any]") -> tuple[Any, Exception | None]:
        assert self._process.stdout is not None
        try:
            self._send(work)
            answer: tuple[Any, Exception | None] = pickle.load(self._process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            self._process.kill()
            raise _Ended(self._process.wait()) from None
        return answer

    def _send(self, work: "partial[Any] | None") -> None:
        assert self._process.stdin is not None
        with self._sending, suppress(BrokenPipeError):  # the answer will not come either
            pickle.dump(work, self._process.stdin)
            self._process.stdin.flush()

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()


# In such a process.


def give_way() -> None:
    """This process runs at low priority from now on."""
    if sys.platform == "win32":
        import psutil

        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(NICENESS)


def compute() -> None:
    """Compute what the worker asks, one after another, until it is gone."""
    from webapp.api.application import prepare

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):  # the last is how a worker on Windows is told to stop
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    sys.unraisablehook = _unless_stopped(sys.unraisablehook)  # a callback that runs while a thread is stopped
    threading.excepthook = _unless_stopped(threading.excepthook)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    give_way()
    configure(load_settings().log_level)
    prepare()

    begun: queue.SimpleQueue[_Work] = queue.SimpleQueue()
    threading.Thread(target=_answer, args=(begun, answers), daemon=True).start()
    asked, work = os.fdopen(os.dup(0), "rb"), None
    with suppress(EOFError):
        while True:
            said = pickle.load(asked)
            if said is not None:
                work = _Work(said)
                work.start()
                begun.put(work)
            elif work is not None:
                work.stop()
    os._exit(0)  # at once, whatever runs


def _answer(begun: "queue.SimpleQueue[_Work]", answers: BinaryIO) -> None:
    """Send what is worked out, in its turn."""
    while True:
        work = begun.get()
        work.join()
        try:
            content = pickle.dumps(work.outcome)
            if work.outcome[1] is not None:
                pickle.loads(content)  # not every error that can be sent can be read
        except Exception:  # noqa: BLE001 - it is told all the same
            content = pickle.dumps((None, RuntimeError(repr(work.outcome[1]))))
        answers.write(content)
        answers.flush()


class _Work(threading.Thread):
    """A computation on a thread of its own, which ends at its next line where it is stopped."""

    def __init__(self, work: "partial[Any]") -> None:
        super().__init__(daemon=True)
        self._work = work
        self.outcome: tuple[Any, Exception | None] = None, None

    def run(self) -> None:
        """Do the work."""
        with suppress(_Stopped):
            try:
                self.outcome = self._work(), None
            except Exception as error:  # noqa: BLE001 - raised again where the result is awaited
                error.add_note(traceback.format_exc())  # tracebacks cannot be sent, and would hold the whole body
                error.__context__ = error.__cause__ = None
                self.outcome = None, error.with_traceback(None)

    def stop(self) -> None:
        """Raise `_Stopped` at the thread's next line; where that is in a callback, which swallows it, again later."""
        while self.is_alive():
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident or 0), ctypes.py_object(_Stopped))
            self.join(STOPPING_S)


STOPPING_S: Final = 0.05
"""Time between two looks whether a thread has stopped."""


class _Stopped(BaseException):
    """Raised in a thread where nobody waits for its work any more; no `except Exception` holds it up."""


def _unless_stopped(hook: Callable[[Any], object]) -> Callable[[Any], None]:
    """A hook of Python that tells of errors which nobody catches, silent about what was stopped on purpose."""

    def told(said: Any) -> None:
        if said.exc_type is not _Stopped:
            hook(said)

    return told
