"""Long work shared out among the processors: parts of it run in forks of this process, which have all caches.

A fork costs some hundredths of a second and ends with its part; nothing of it stays, and it never touches the server's
sockets, locks or event loop. Only on Linux: elsewhere forking a process with threads is not safe.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Final, NamedTuple

Work = Callable[[int, int], bytes]
READ_BYTES: Final = 1 << 20
DONE, FAILED = 0, 1


class _Fork(NamedTuple):
    pid: int
    pipe: int
    start: int
    end: int


def shared_out(work: Work, count: int, least: int) -> list[bytes]:
    """What `work(start, end)` gives for consecutive parts of 0..count, in order; a part has `least` items or more.

    A part whose fork fails is worked on here, so that an error is raised here.
    """
    first, *others = bounds(count, max(1, min(_processors(), count // least)))
    forks = [_forked(work, *part) for part in others]
    try:
        return [work(*first), *(_result(fork, work) for fork in forks)]
    except BaseException:
        for fork in forks:
            _give_up(fork)
        raise


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def bounds(count: int, parts: int) -> list[tuple[int, int]]:
    """Where parts of nearly the same size begin and end.

    >>> bounds(10, 3)
    [(0, 3), (3, 6), (6, 10)]
    """
    return list(pairwise(count * part // parts for part in range(parts + 1)))


def _forked(work: Work, start: int, end: int) -> _Fork:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _work_and_leave(work, start, end, writer)
    os.close(writer)
    return _Fork(pid, reader, start, end)


def _work_and_leave(work: Work, start: int, end: int, writer: int) -> None:
    """The fork's whole life. It leaves without what a process does at its end: all that is the parent's."""
    code = FAILED
    try:
        signal.set_wakeup_fd(-1)  # the parent's event loop must not hear this process's signals
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.disable()
        content = memoryview(work(start, end))
        while content:
            content = content[os.write(writer, content) :]
        code = DONE
    finally:
        os._exit(code)


def _result(fork: _Fork, work: Work) -> bytes:
    content = b"".join(iter(lambda: os.read(fork.pipe, READ_BYTES), b""))
    os.close(fork.pipe)
    _, status = os.waitpid(fork.pid, 0)
    return content if status == DONE else work(fork.start, fork.end)


def _give_up(fork: _Fork) -> None:
    with suppress(OSError):
        os.kill(fork.pid, signal.SIGKILL)
        os.waitpid(fork.pid, 0)
    with suppress(OSError):
        os.close(fork.pipe)
