"""What a memory limit smaller than the model costs, measured and predicted with this machine's profile.

    python tests/benchmarks/calibration_storage.py [--profile NAME] [--shares 0.9 0.75] [--models experts dense]

Needs root (a cgroup holds the engine to so many bytes). A synthetic model is mapped and not repacked, decoded with all
its pages in memory, then within limits of these shares of its file; the prediction is that of the same questions with
so much RAM. One model is a cut Qwen3.6-35B-A3B with routers as skewed as real ones, one a cut Qwen3-4B.

Routers of real models choose much the same experts for tokens that follow each other, synthetic ones draw them anew for
each token. So the experts' model is predicted twice: with the locality that is known of real models, and with what a
cache of the least recently used experts has of its own routers.

What the disk reads around a page fault decides much (`advisor detect` tells it): calibrate anew when it was changed.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
from scipy.optimize import brentq

from advisor.cli.stored import chosen
from advisor.engine.residency import forget
from advisor.engine.session import Session
from advisor.engine.session.messages import Measure
from advisor.engine.settings import EngineSettings
from advisor.gguf.model_file import ModelFile, read_model_file
from advisor.gguf.synthetic import Cut, Recipe
from advisor.gguf.synthetic.popularity import inclusion
from advisor.machines.from_parts import machine_of
from advisor.physics.knowledge import Knowledge, load
from advisor.physics.placement import SYSTEM_RAM_BYTES
from advisor.prediction.case import case_of
from advisor.prediction.prediction import answers
from advisor.profiles.own_machine import hardware_of, knowledge_of
from advisor.question import Hardware
from calibration.machine.probe_models import ProbeModel
from calibration.machine.trials import asked_of
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant

FOLDER = Path.home() / ".cache" / "llm-hardware-advisor" / "held-out"
GROUPS = Path("/sys/fs/cgroup/memory")
SETTINGS = EngineSettings(n_ctx=512, threads=2, extra_buffers=False)


@dataclass(frozen=True, slots=True)
class Tested:
    """A model and what is measured of it."""

    recipe: Recipe
    asked: Measure


MODELS = {
    "experts": Tested(
        Recipe(
            resolve_llm("Qwen3.6-35B-A3B").row.llm, resolve_quant("Q4_K_M").row, Cut(8, 128, 16_384), router_skew=1.0
        ),
        Measure(depth=0, prompt=0, gen=96, repeats=2, warm_up=192),
    ),
    "dense": Tested(
        Recipe(resolve_llm("Qwen3-4B").row.llm, resolve_quant("Q4_K_M").row, Cut(10, None, 16_384)),
        Measure(depth=0, prompt=0, gen=8, repeats=2, warm_up=8),
    ),
}


def limited(limit_bytes: int | None) -> tuple[str, ...]:
    """Words before a command that hold it to so many bytes of memory, page cache included."""
    if limit_bytes is None:
        return ()
    group = GROUPS / "advisor-storage"
    group.mkdir(exist_ok=True)
    (group / "memory.limit_in_bytes").write_text(str(limit_bytes))
    return ("sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh")


def decode(file: ModelFile, asked: Measure, limit_bytes: int | None) -> tuple[float, int]:
    """Steady tok/s, and the engine's memory that is no page of the file."""
    forget(file.header)
    with Session(file.header.path, SETTINGS, wrapper=limited(limit_bytes)) as session:
        found = session.measure(asked)
    return median(phase.tok_s for phase in found.decode), found.anonymous_bytes


@dataclass(frozen=True, slots=True)
class Thought:
    """What is predicted of a model on this machine."""

    file: ModelFile
    asked: Measure
    hardware: Hardware
    knowledge: Knowledge

    def tok_s(self, room_bytes: float | None) -> float:
        """With so many bytes of RAM for the model; None: enough."""
        machine = machine_of(self.hardware)
        capacity = None if room_bytes is None else room_bytes + SYSTEM_RAM_BYTES
        machine = replace(machine, ram=replace(machine.ram, capacity_bytes=capacity))
        case = case_of(asked_of(self.file.header.path.name, SETTINGS, self.asked, self.hardware), self.file, machine)
        [answer] = answers([case], self.knowledge)
        assert answer.decode_tok_s
        return answer.decode_tok_s.p50

    def with_locality(self, locality: float) -> "Thought":
        """The same of experts that a page cache keeps so much better."""
        known = self.knowledge.efficiencies
        told = replace(known, effects={**known.effects, ("page_locality", ""): math.log(locality)})
        return replace(self, knowledge=replace(self.knowledge, efficiencies=told))


def locality_of(recipe: Recipe, absent_share: float) -> float:
    """Odds of absence over odds of a miss, where the experts that were not used for the longest time are dropped.

    Source: H. Che, Y. Tung, Z. Wang, Hierarchical web caching systems, IEEE JSAC 20 (2002): an expert is there if it
    was used within a time that is the same for all.
    """
    llm = recipe.llm
    used = inclusion(llm.n_experts, llm.n_experts_used, recipe.router_skew)

    def absent(tokens: float) -> float:
        return float(np.mean((1 - used) ** tokens)) - absent_share

    tokens = brentq(absent, 1e-3, 1e6)
    missed = float(np.average((1 - used) ** tokens, weights=used))
    return absent_share / (1 - absent_share) / (missed / (1 - missed))


def measured(file: ModelFile, asked: Measure, shares: Sequence[float], repeats: int) -> dict[float, list[float]]:
    """Tok/s within each share of the file, taken in turns; 1 is no limit."""
    found: dict[float, list[float]] = {share: [] for share in (1.0, *shares)}
    for _ in range(repeats):
        whole, own_bytes = decode(file, asked, None)
        found[1.0].append(whole)
        for share in shares:
            found[share].append(decode(file, asked, int(file.header.file_bytes * share) + own_bytes)[0])
    return found


def compared(recipe: Recipe, share: float, slower: float, thought: Thought) -> Iterator[str]:
    """Words on what is predicted for one limit."""
    room = thought.file.header.file_bytes * share
    ways = {"predicted": thought}
    if recipe.router_skew:
        ways["with its own locality"] = thought.with_locality(locality_of(recipe, 1 - share))
    for words, way in ways.items():
        times = way.tok_s(None) / way.tok_s(room)
        yield f"{words} {way.tok_s(room):.2f}, {times:.2f} times ({times / slower - 1:+.0%})"


def told(speeds: list[float]) -> str:
    """The median of repeats and each of them."""
    return f"{median(speeds):.2f} tok/s ({', '.join(f'{speed:.2f}' for speed in speeds)})"


def main() -> None:
    """Measure, predict, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile")
    parser.add_argument("--shares", type=float, nargs="*", default=[0.9, 0.75])
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    profile = chosen(options.profile)
    for tested in map(MODELS.__getitem__, options.models):
        file = read_model_file(ProbeModel(tested.recipe).write(FOLDER))
        thought = Thought(file, tested.asked, hardware_of(profile), knowledge_of(profile, load()))
        speeds = measured(file, tested.asked, options.shares, options.repeats)
        whole = speeds.pop(1.0)
        print(f"{file.llm.name}: all in memory: measured {told(whole)}, predicted {thought.tok_s(None):.2f}")
        for share, found in speeds.items():
            slower = median(whole) / median(found)
            words = [f"measured {told(found)}, {slower:.2f} times slower"]
            words += compared(tested.recipe, share, slower, thought)
            print(f"{share:.0%} of the file: {'; '.join(words)}", flush=True)


if __name__ == "__main__":
    main()
