"""What a memory limit smaller than the model costs, measured and predicted with this machine's profile.

    python tests/benchmarks/calibration_storage.py [--profile NAME] [--shares 0.9 0.75 0.6]

Needs root (a cgroup holds the engine to so many bytes). A synthetic Qwen3.6-35B-A3B, cut and with a router as skewed as
real ones, is mapped and not repacked, decoded with all its pages in memory, then within limits of these shares of its
file; the prediction is that of the same questions with so much RAM.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median

from advisor.case import case_of
from advisor.cli.profile_choice import chosen
from advisor.engine.described import ModelFile, read_model_file
from advisor.engine.page_cache import forget
from advisor.engine.session import Session
from advisor.engine.session.messages import Measure
from advisor.engine.settings import EngineSettings
from advisor.engine.synthesis import Cut, Recipe
from advisor.hardware import machine_of
from advisor.knowledge import Knowledge, load
from advisor.own_machine import hardware_of
from advisor.placement import SYSTEM_RAM_BYTES
from advisor.prediction import answers
from advisor.profile import knowledge_of
from advisor.scenario import Hardware
from calibration.probe_models import ProbeModel
from calibration.trials import asked_of
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant

FOLDER = Path.home() / ".cache" / "llm-hardware-advisor" / "held-out"
GROUPS = Path("/sys/fs/cgroup/memory")
MODEL = ProbeModel(Recipe(
    resolve_llm("Qwen3.6-35B-A3B").row.llm, resolve_quant("Q4_K_M").row, Cut(8, 128, 16_384), router_skew=1.0,
))  # fmt: skip
SETTINGS = EngineSettings(n_ctx=512, threads=2, extra_buffers=False)
ASKED = Measure(depth=0, prompt=0, gen=96, repeats=2, warm_up=192)


def limited(limit_bytes: int | None) -> tuple[str, ...]:
    """Words before a command that hold it to so many bytes of memory, page cache included."""
    if limit_bytes is None:
        return ()
    group = GROUPS / "advisor-storage"
    group.mkdir(exist_ok=True)
    (group / "memory.limit_in_bytes").write_text(str(limit_bytes))
    return ("sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh")


def decode(file: ModelFile, path: Path, limit_bytes: int | None) -> tuple[float, int]:
    """Steady tok/s, and the engine's memory that is no page of the file."""
    forget(file.header)
    with Session(path, SETTINGS, wrapper=limited(limit_bytes)) as session:
        found = session.measure(ASKED)
    return median(phase.tok_s for phase in found.decode), found.anonymous_bytes


def predicted(file: ModelFile, hardware: Hardware, knowledge: Knowledge, room_bytes: float | None) -> float:
    """Tok/s with so many bytes of RAM for the model."""
    machine = machine_of(hardware)
    capacity = None if room_bytes is None else room_bytes + SYSTEM_RAM_BYTES
    machine = replace(machine, ram=replace(machine.ram, capacity_bytes=capacity))
    case = case_of(asked_of(file.header.path.name, SETTINGS, ASKED, hardware), file, machine)
    [answer] = answers([case], knowledge)
    assert answer.decode_tok_s
    return answer.decode_tok_s.p50


def main() -> None:
    """Measure, predict, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile")
    parser.add_argument("--shares", type=float, nargs="*", default=[0.9, 0.75, 0.6])
    options = parser.parse_args()
    profile = chosen(options.profile)
    hardware, knowledge = hardware_of(profile), knowledge_of(profile, load())
    path = MODEL.write(FOLDER)
    file = read_model_file(path)
    whole, own_bytes = decode(file, path, None)
    expected = predicted(file, hardware, knowledge, None)
    print(f"all in memory: measured {whole:.2f}, predicted {expected:.2f} tok/s")
    for share in options.shares:
        limit = int(file.header.file_bytes * share) + own_bytes
        speed, _ = decode(file, path, limit)
        with_limit = predicted(file, hardware, knowledge, limit - own_bytes)
        slower, thought = whole / speed, expected / with_limit
        measured = f"measured {speed:.2f} tok/s, {slower:.2f} times slower"
        said = f"predicted {with_limit:.2f}, {thought:.2f} times ({thought / slower - 1:+.0%})"
        print(f"{share:.0%} of the file: {measured}; {said}")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
