"""The probes' work with llama.cpp in a process of its own, so that a driver that ends it harms no other."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from advisor.children import Child, Ended, module
from advisor.engine.library import require_engine
from advisor.errors import EngineFailed


class ProbeFailed(EngineFailed):
    """The process of a probe ended or fell silent; the message is one sentence with the last that it said."""


def told_by_child(verb: str, task: Mapping[str, Any], patience_s: float) -> Iterator[dict[str, Any]]:
    """What the child's process writes, line by line.

    Raises ProbeFailed when it ends in an error or lives longer than `patience_s`, and EngineMissing.
    """
    require_engine()  # its error is told here, where the user sees it
    try:
        with Child(module("calibration.probes", verb, json.dumps(dict(task)))) as child:
            yield from map(json.loads, child.replies(patience_s))
    except Ended as ended:
        raise ProbeFailed(f"the process of the {verb} probe {ended}") from None
