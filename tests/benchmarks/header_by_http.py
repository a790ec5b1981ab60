"""How much longer `advisor predict` takes for a model file's header on a server of this computer than on the disk.

`python -m tests.benchmarks.header_by_http` prints medians of nine runs each, taken in turn: seconds by the clock and
processor seconds of the command, started anew each time and with nothing kept.
"""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.advisor.gguf.serving import served
from tests.advisor.gguf.test_web import FILE, model_file

TIMES = 9


def taken(where: str, folder: str) -> tuple[float, float]:
    """Seconds by the clock and of the processor that a prediction took."""
    home = Path(folder) / "home"
    kept = home / "headers"
    for file in kept.glob("*") if kept.is_dir() else ():
        file.unlink()
    command = [sys.executable, "-m", "advisor", "predict", "--gguf", where, "--gpu", "RTX 3060 12GB", "--json"]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "ADVISOR_HOME": str(home)})
    after, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "served").mkdir()
        file = model_file(Path(folder) / "served" / FILE)
        with served(file.parent) as server:
            places = {"disk": str(file), "server": f"{server.address}/{FILE}"}
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in places}
            for _ in range(TIMES):
                for name, where in places.items():
                    found[name].append(taken(where, folder))
    for kind, place in (("clock", 0), ("processor", 1)):
        disk, far = (median(run[place] for run in found[name]) for name in places)
        print(f"{kind}: disk {disk:.3f} s, server {far:.3f} s, {far - disk:+.3f} s")


if __name__ == "__main__":
    main()
