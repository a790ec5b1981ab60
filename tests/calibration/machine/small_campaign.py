"""A calibration of tiny models as a process of its own, to be killed.

`python -m tests.calibration.machine.small_campaign HOME` tells each step on a line of standard output, stores the
profile "box" and forgets what was measured.
"""

import sys
from datetime import date
from pathlib import Path

from advisor.profiles.store import CALIBRATIONS, ProfileStore
from calibration.machine.campaign import Step
from calibration.machine.profile import profile_of
from calibration.machine.trials import only_one
from catalog.profiles import EngineBuild
from tests.calibration.machine.tiny import HARDWARE, campaign, one, tiny

QUANTS = ("Q8_0", "Q4_0")
THREADS = (1, 2)
NAME = "box"
MODELS = tuple(tiny(quant, layers=2) for quant in QUANTS)
TODAY = date(2026, 11, 28)


def told(step: Step) -> None:
    sys.stdout.write(f"{step.what}\n")
    sys.stdout.flush()


def main(home: Path) -> None:
    folder = home / CALIBRATIONS
    with only_one(folder):
        small = campaign(folder, MODELS, THREADS)
        order = [one(model, threads) for model in MODELS for threads in THREADS]
        small.make(order, 1e9, told)
        build = EngineBuild(name="llama.cpp", backend="cpu")
        profile = profile_of(NAME, small, small.learned(), seen=HARDWARE, engine=build, today=TODAY)
        ProfileStore(home).save(profile)
        small.journal.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
