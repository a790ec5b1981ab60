"""What thousands of stored profiles cost a prediction: python tests/benchmarks/many_profiles.py [COUNT]

Profiles of the size of a real calibration's, each of a computer of its own, beside one of this machine; figures are
medians in seconds of processor time of a whole `advisor predict`, and as multiples of one with an empty data folder.
"""

import os
import resource
import subprocess
import sys
import tempfile
from itertools import islice, product
from pathlib import Path
from statistics import median

from advisor.machines.fingerprint import fingerprint_of
from advisor.physics.coefficients import COEFFICIENTS
from advisor.physics.task import FAMILIES
from advisor.profiles.store import ProfileStore
from advisor.question import Hardware
from catalog import tables
from catalog.profiles import Shift
from tests.own_profiles import own_profile

ROUNDS = 5
RUNS = 60
"""Of the engine in a profile: with them it has the 74 kB of a usual calibration."""
ASKED = ("predict", "--model", "Qwen3.6-35B-A3B", "--quant", "Q4_K_M")
DESCRIBED = ("--gpu", "RTX 3060 12GB", "--cpu", "Ryzen 7 5800X", "--ram", "DDR4-3200 2x16")


def stored(store: ProfileStore, count: int) -> int:
    """Fill a store with that many profiles; gives the bytes of one."""
    labels = [(item.name, label) for item in COEFFICIENTS for label in ("", *(FAMILIES if item.per_family else ()))]
    known = [Shift(coefficient=name, label=label, log_value=0.01, standard_error=0.1, informed=True)
             for name, label in labels]
    one = own_profile(effects=known)
    one = one.model_copy(update={"runs": (one.runs * RUNS)[:RUNS]})
    pairs = product((gpu.name for gpu in tables.gpus()), (cpu.name for cpu in tables.cpus()))
    for number, (gpu, cpu) in enumerate(islice(pairs, count)):
        hardware = {"gpus": [{"name": gpu}], "cpu": cpu}
        fingerprint = fingerprint_of(Hardware.model_validate(hardware))
        parts = {"name": f"box {number}", "hardware": hardware, "fingerprint": fingerprint}
        store.save(one.model_copy(update=parts))
    return store.save(one).stat().st_size


def seconds(home: Path, command: tuple[str, ...]) -> float:
    """Processor time of a command."""
    environment = {**os.environ, "ADVISOR_HOME": str(home)}
    found = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "advisor", *command], env=environment, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return median(found)


def main(count: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        empty, full = Path(folder) / "empty", Path(folder) / "full"
        size = stored(ProfileStore(full), count)
        for what, command in (("a described machine", (*ASKED, *DESCRIBED)), ("this machine", ASKED)):
            bare, among = seconds(empty, command), seconds(full, command)
            print(f"{what:<20} {bare:.2f} s without profiles, {among:.2f} s beside {count + 1:,} of {size / 1000:.0f} "
                  f"kB: {among / bare:.2f} times", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
