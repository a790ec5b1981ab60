"""All hostile command lines of the table, and thousands of damaged profiles and model files: each must end in one clear
sentence.

Run from the root of a clone: python -m tests.benchmarks.hostile_inputs [--profiles 4000]
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from advisor.errors import InputError
from advisor.physics.knowledge import load
from advisor.profiles.own_machine import own_machine
from advisor.profiles.store import profile_in
from tests.advisor.cli.hostile import fault, stocked, table
from tests.webapp.api.running import PROFILE

MUTATIONS = Path(__file__).parents[1] / "advisor" / "gguf" / "mutations.py"
VALUES: tuple[Any, ...] = (
    None, "", "x" * 10_000, "\x1b[2J", "../..", -1, 0, 1e308, 2**63, True, [], {}, [[]] * 100, {"a": {"b": {}}}, "NaN",
)


def damaged(rng: random.Random) -> bytes:
    """A profile with fields replaced, added and dropped, or bytes of its text changed."""
    found: dict[str, Any] = json.loads(json.dumps(PROFILE))
    for _ in range(rng.randint(0, 3)):
        place: Any = found
        while isinstance(place, dict | list) and place and rng.random() < 0.6:
            key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
            if not isinstance(place[key], dict | list) or not place[key]:
                break
            place = place[key]
        if isinstance(place, dict):
            place[rng.choice([*place, "surplus"])] = json.loads(json.dumps(rng.choice(VALUES)))
        elif place:
            place[rng.randrange(len(place))] = json.loads(json.dumps(rng.choice(VALUES)))
    content = bytearray(json.dumps(found).encode())
    for _ in range(rng.choice((0, 0, 1, 20))):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content[: rng.choice((len(content), len(content), rng.randrange(len(content))))])


def profiles(number: int, folder: Path) -> Counter[str]:
    """How so many ended. Raises whatever is neither a profile nor a sentence."""
    rng, told, knowledge, path = random.Random(23), Counter[str](), load(), folder / "damaged.json"
    for _ in range(number):
        path.write_bytes(damaged(rng))
        try:
            own_machine(profile_in(path), knowledge)
            told["sound"] += 1
        except InputError as error:
            sentence = str(error).strip()
            told["refused" if "\n" not in sentence and len(sentence) < 2000 else f"not a sentence: {sentence}"] += 1
    return told


def models(folder: Path) -> dict[str, Any]:
    """How damaged model files ended, by the process that the suite starts too: a ceiling is on its memory and work."""
    command = [sys.executable, str(MUTATIONS), str(folder)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def main() -> None:
    """Print what was tried and what was wrong; ends with an error where anything was."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--profiles", type=int, default=4000)
    chosen = options.parse_args()
    began = time.process_time()
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as here:
        os.environ["ADVISOR_HOME"] = home
        told, files = profiles(chosen.profiles, Path(home)), models(Path(home))
        stocked(Path(here))
        os.chdir(here)
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - until the end
        lines = table()
        wrong = [said for line in lines if (said := fault(line, Path(here)))]
    spent = {"cpu_s": round(time.process_time() - began, 1)}
    found = {"profiles": dict(told), "models": files, "commands": len(lines), "wrong": wrong, **spent}
    print(json.dumps(found, indent=1))
    assert set(told) <= {"sound", "refused"}
    assert not files["other"]
    assert not wrong


if __name__ == "__main__":
    main()
