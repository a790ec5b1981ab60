"""The wheel in a fresh environment of every Python that is there: how long, how large, and whether it answers.

Run from the root of a clone: python -m tests.benchmarks.installation [PYTHON ...]
The suite does the same with its own Python, without the clock.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.wheels import Installed, built, done, installed

PYTHONS = ("python3.11", "python3.12", "python3.13")
QUESTION = ("recommend", "--model", "gpt-oss-20b", "--budget", "1500")
STARTS = 15
TOOLS = {"pip", "setuptools", "pkg_resources", "_distutils_hack"}
"""What a fresh environment has of its own."""


def import_s(made: Installed) -> float:
    """Median seconds by which an interpreter that imports the package takes longer than an empty one, run in turn."""
    found = []
    for _ in range(STARTS):
        taken = []
        for code in ("pass", "import advisor"):
            began = time.perf_counter()
            done(made.python, "-I", "-c", code, cwd=made.folder)
            taken.append(time.perf_counter() - began)
        found.append(taken[1] - taken[0])
    return median(found)


def tried(python: str, wheel: Path, folder: Path) -> dict[str, object]:
    """What one Python shows. Raises where a command fails."""
    began = time.perf_counter()
    made = installed(wheel, folder, python)
    installed_s = time.perf_counter() - began
    began = time.perf_counter()
    answer = made.advisor(*QUESTION)
    answered_s = time.perf_counter() - began
    assert answer.returncode == 0, answer.stderr
    sizes = {name: size for name, size in made.bytes().items() if name not in TOOLS}
    files = [path for path in made.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    with_bytecode = sum(path.stat().st_size for path in files if not TOOLS & set(path.parts))
    return {
        "python": done(made.python, "--version", cwd=folder).strip(), "install_s": round(installed_s, 1),
        "first_recommend_s": round(answered_s, 1), "base_mb": round(sum(sizes.values()) / 1e6, 1),
        "with_bytecode_mb": round(with_bytecode / 1e6, 1),
        "import_above_empty_s": round(import_s(made), 4),
    }


def main() -> None:
    """Print a line of JSON for each Python."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("pythons", nargs="*", default=PYTHONS)
    with tempfile.TemporaryDirectory() as folder:
        _, wheel = built(Path(folder))
        for number, python in enumerate(options.parse_args().pythons):
            if shutil.which(python):
                print(json.dumps(tried(python, wheel, Path(folder) / str(number))), flush=True)
            else:
                print(json.dumps({"python": python, "absent": True}))


if __name__ == "__main__":
    main()
