"""The probes' work with llama.cpp in a process of its own, so that a driver that ends it harms no other."""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from advisor.engine.library import require_engine
from advisor.errors import EngineFailed


class ProbeFailed(EngineFailed):
    """The process of a probe ended or fell silent; the message is one sentence with the last that it said."""


def told_by_child(verb: str, task: Mapping[str, Any], patience_s: float) -> Iterator[dict[str, Any]]:
    """What the child's process writes, line by line.

    Raises ProbeFailed when it ends in an error or lives longer than `patience_s`, and EngineMissing.
    """
    require_engine()  # its error is told here, where the user sees it
    command = [sys.executable, "-m", "calibration.probes", verb, json.dumps(dict(task))]
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        overdue = threading.Timer(patience_s, child.kill)
        overdue.start()
        try:
            for line in child.stdout or ():
                yield json.loads(line)
            if child.wait() != 0:
                log.seek(0)
                said = log.read().decode(errors="replace").strip().rpartition("\n")[2]
                raise ProbeFailed(f"the process of the {verb} probe ended ({_ending(child.returncode)}): {said}")
        finally:
            overdue.cancel()
            child.kill()
            child.wait()
            if child.stdout:
                child.stdout.close()


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
