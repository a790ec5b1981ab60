"""How the program ends when a signal asks it to: by an exception, so that drafts are removed and children end.

Such an exception can be lost: a library that calls back may drop what is raised there. Where Python tells of that, the
end is asked for again a moment later; where nobody does, a long loop asks for it itself by `go_on`.
"""

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Final

AGAIN_S: Final = 0.02
"""Until an end that was lost is asked for again: the place where it was lost has been left by then."""
_asked: list[int] = []
"""Signals that asked for the end."""


def listen() -> None:
    """End on SIGTERM as after an error; what is raised where nobody can catch it is no longer lost. In the main thread
    only.
    """
    signal.signal(signal.SIGTERM, asked_to_end)
    sys.unraisablehook = _unraisable


def asked_to_end(number: int, _: FrameType | None) -> None:
    """Raise the end that a signal asks for; its exit code is the shell's."""
    _asked.append(number)
    raise _end_by(number)


@contextmanager
def heeding() -> Iterator[None]:
    """While this lasts `go_on` knows of Ctrl-C too, unless that is ignored or taken by somebody else."""
    _asked.clear()
    mine = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not mine or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, asked_to_end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def go_on() -> None:
    """Raise the end that a signal asked for, if it was lost."""
    if _asked:
        raise _end_by(_asked[-1])


def _end_by(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)


def _unraisable(ignored: "sys.UnraisableHookArgs") -> None:
    """What was raised where nobody can catch it, as in a library's call back, is told; but the end that a signal asked
    for is asked for again a moment later, when that place has been left.
    """
    if isinstance(ignored.exc_value, KeyboardInterrupt):
        number = signal.SIGINT
    elif isinstance(ignored.exc_value, SystemExit) and ignored.exc_value.code == 128 + signal.SIGTERM:
        number = signal.SIGTERM
    else:
        sys.__unraisablehook__(ignored)
        return
    main_thread = threading.main_thread().ident or 0
    ask = partial(signal.pthread_kill, main_thread) if hasattr(signal, "pthread_kill") else _thread.interrupt_main
    later = threading.Timer(AGAIN_S, ask, (number,))
    later.daemon = True
    later.start()
