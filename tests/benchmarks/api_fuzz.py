"""Thousands of calls made up from the API's description, sent to a running server: none may get a defect or an answer
that is not described. The tests make some hundreds.

Run from the root of a clone: python -m tests.benchmarks.api_fuzz [--calls-each 400] [--run 1]
"""

import argparse
import json
import tempfile
from pathlib import Path

from tests.webapp.api.fuzzing import make_calls
from tests.webapp.api.running import serving


def main() -> None:
    """Print how many calls got which answer; ends with an error at the first that is wrong."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls-each", type=int, default=400, help="calls of each kind, good ones and bad ones each")
    options.add_argument("--run", type=int, default=1, help="another number makes up other calls")
    chosen = options.parse_args()
    patient = {"ADVISOR_ANSWER_TIMEOUT_S": "600"}  # what a busy machine answers late is no defect
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "--workers", "2", **patient) as server:
        told = make_calls(server.url, chosen.calls_each, chosen.run)
        failed = [line for line in server.log_lines() if line.get("level") == "error"]
    print(json.dumps({"calls": told.total(), "answers": dict(sorted(told.items())), "errors_logged": failed}, indent=1))
    assert not failed


if __name__ == "__main__":
    main()
