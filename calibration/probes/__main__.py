"""`python -m calibration.probes link|compute JSON`: the process in which the probes use llama.cpp.

It writes one JSON object per line.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from advisor.children import own_output, requests
from advisor.engine.library import require_engine
from advisor.engine.remote import Endpoint, register
from calibration.probes.compute import ProductShape, rates_of
from calibration.probes.link import Pace, links_of


def main(verb: str, task: Mapping[str, Any]) -> None:
    """Do a probe's work in this process."""
    requests()  # it ends with its parent
    said = own_output()
    engine = require_engine()
    if verb == "link":
        for endpoint in task["rpc"]:
            register(engine, Endpoint.parse(endpoint))
        told = links_of(engine, Pace(task["repeats"], task["seconds"]), frozenset(task["skipped"]))
    else:
        told = rates_of(engine, ProductShape(**task))
    for line in told:
        said.write(json.dumps(line) + "\n")
        said.flush()


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
