"""The planner against llama.cpp's own fit and against every placement there is, by the time of a request.

    python -m tests.benchmarks.placement_cells [--calibrate] [--home FOLDER] [--pairs 5] [--only MODEL ...]

An RPC server of this computer's CPU stands for a graphics card. It computes with one thread, as the program beside it
does: two that wait for each other are slowed many times over by whatever else runs. Cells are models x contexts x
budgets of the device's memory. For each the planner and `llama-fit-params`, built from the source that llama-cpp-python
vendors, choose where everything goes, in the part of the budget that the planner fills; the planner knows what the
device reaches where the folder has a calibration (`--calibrate` makes one, on a machine with nothing else to do), and
its memory alone where not. All placements are measured once. Then the plan, the fit and the fastest placement of the
sweep that fits there answer the same request in turn, loaded anew each time, with a server of its own each; those that
are one placement tie.

Seconds are those of the processors, session and server together (Linux): with a thread each they work in turn, so that
it is the time that a request takes where nothing else runs, and what else does run counts little. A ratio is the plan's
seconds over the other's; it is a loss where a paired t test of the logs finds it above 1 (one-sided, 5 % for all cells
together, by Holm's rule: of two dozen tests one in twenty would be one by chance). Exit code 1 where there is any.
"""

import argparse
import csv
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import exp, log
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from scipy.stats import ttest_1samp

from advisor.detection import detect
from advisor.engine.filling import PARTS
from advisor.engine.plan import feed_forward_overrides
from advisor.engine.planning import look_around, plan_here
from advisor.engine.preparation import Prepared, dry_run, prepare
from advisor.engine.remote import RpcServer
from advisor.engine.session import Session
from advisor.engine.session.messages import Generate, Generation
from advisor.engine.settings import EngineSettings, Override
from advisor.gguf.model_file import read_model_file
from advisor.gguf.synthetic import Cut, Recipe
from advisor.market.market import today
from advisor.physics.knowledge import load
from advisor.physics.placement import FILLED
from advisor.profiles.own_machine import knowledge_of
from advisor.profiles.store import ProfileStore
from advisor.question import Scenario
from advisor.sizes.tensor import EXPERTS, pattern_of
from calibration.machine.calibrating import Asked, calibrate
from calibration.machine.probe_models import ProbeModel
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.profiles import Profile
from catalog.units import MIB
from tests.benchmarks.engine_speed import built

VOCABULARY = 4096
MODELS = {
    "Qwen3-0.6B": Cut(layers=5, vocabulary=VOCABULARY),
    "Granite-3.1-1B-A400M": Cut(layers=4, vocabulary=VOCABULARY),
    "Granite-3.1-3B-A800M": Cut(layers=4, experts=24, vocabulary=VOCABULARY),
}
"""A dense one and two with experts, small so that a request takes seconds with one thread."""
CALIBRATED = {
    "Qwen3-0.6B": Cut(layers=4, vocabulary=VOCABULARY),
    "Granite-3.1-3B-A800M": Cut(layers=3, experts=16, vocabulary=VOCABULARY),
}
"""Others of their kinds, which the calibration runs besides its own, as it would a user's files."""
QUANT = "Q4_K_M"
REQUESTS = {512: (128, 16), 1024: (640, 16)}
"""Tokens of the prompt and of the answer, by context."""
BUDGETS = (0.5, 0.8)
"""Of what all of it would take on the device."""
PAIRS = 5
WARM_UP = 32
"""Tokens of a prompt that is read before any is timed."""
HOME = Path.home() / ".cache" / "llm-hardware-advisor" / "placement-cells"
DEVICE = "RPC0"
ALL = 99
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Cell:
    """A model's file, a context with its request, and bytes of the device's memory."""

    path: Path
    n_ctx: int
    budget_bytes: float

    @property
    def room_bytes(self) -> float:
        """What may be filled of it, by anybody: the planner leaves a part of a device's memory free."""
        return self.budget_bytes * FILLED

    @property
    def request(self) -> Generate:
        """Random tokens: what they are changes neither bytes nor arithmetic."""
        prompt, answer = REQUESTS[self.n_ctx]
        tokens = np.random.default_rng(1).integers(0, VOCABULARY, prompt).tolist()
        return Generate(tokens=tuple(tokens), max_tokens=answer)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a cell gave: median seconds of a request, and the plan's over the others' with the chance of a loss."""

    cell: Cell
    planned: str
    fitted: str
    best: str
    plan_s: float
    fit_s: float
    best_s: float
    to_fit: tuple[float, float]
    """Geometric mean of the ratios, and p of the plan being slower."""
    to_best: tuple[float, float]


def written(home: Path, name: str, cut: Cut) -> Path:
    """The file of a model."""
    recipe = Recipe(resolve_llm(name).row.llm, resolve_quant(QUANT).row, cut)
    return ProbeModel(recipe).write(home / "models")


def calibrated(home: Path, endpoint: str) -> None:
    """A quick calibration of this machine with such a device, one thread beside it, kept in the folder."""
    found, files = detect(), tuple(written(home, name, cut) for name, cut in CALIBRATED.items())
    asked = Asked(home, found, replace(found, cores=1), load(), "quick", "cells", files, (endpoint,))
    store = ProfileStore(home)
    calibrate(asked, lambda step: print(f"  {step.done:4.0%} {step.what}", file=sys.stderr), today(), store.save)


def profile_of(home: Path) -> Profile | None:
    """The calibration in the folder; None: what the device reaches is not known, and its memory alone counts."""
    store = ProfileStore(home)
    return store.named(store.names()[0]) if store.names() else None


def planned(cell: Cell, profile: Profile | None, endpoint: str) -> EngineSettings:
    """What the planner chooses with so much memory on the device and one thread beside it."""
    found, file = detect(), read_model_file(cell.path)
    prompt, answer = REQUESTS[cell.n_ctx]
    asked = Scenario.model_validate({
        "model": {"gguf": cell.path.name}, "hardware": found.hardware,
        "engine": {"n_ctx": cell.n_ctx, "threads": 1},
        "workload": {"prompt_tokens": prompt, "gen_tokens": answer},
    })
    here = look_around(cell.path, found, asked, (endpoint,), profile.devices if profile else ())
    gpus = tuple(replace(gpu, vram_bytes=cell.budget_bytes) for gpu in here.machine.gpus)
    devices = tuple(
        item.model_copy(update={"free_bytes": int(cell.budget_bytes)}) if item.name == DEVICE else item
        for item in here.devices
    )
    here = replace(here, machine=replace(here.machine, gpus=gpus), devices=devices, cores=1)
    knowledge = knowledge_of(profile, load()) if profile else load()
    return plan_here(cell.path, here, asked, file, knowledge, (endpoint,)).settings


def fitted(cell: Cell, endpoint: str) -> EngineSettings:
    """What llama-fit-params chooses: it is told how much of the device's memory to leave free."""
    free = next(item.free_bytes for item in dry_run(cell.path, device(endpoint)).devices if item.name == DEVICE)
    margin = str(round((free - cell.room_bytes) / MIB))
    words = [str(built("llama-fit-params")), "-m", str(cell.path), "--rpc", endpoint, "-c", str(cell.n_ctx)]
    words += ["-t", "1", "-fitt", margin]
    said = shlex.split(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    options = dict(zip(said[::2], said[1::2], strict=True))
    layers = int(options["-ngl"])
    overrides = tuple(
        Override(pattern=pattern, device=place)
        for pattern, _, place in (item.partition("=") for item in options.get("-ot", "").split(",") if item)
    )
    return device(endpoint, n_ctx=cell.n_ctx, n_gpu_layers=ALL if layers < 0 else layers, overrides=overrides)


def device(endpoint: str, **more: Any) -> EngineSettings:
    """llama.cpp's own settings with the device."""
    return EngineSettings.model_validate({"rpc": (endpoint,), "n_gpu_layers": ALL, "n_ctx": 512, "threads": 1, **more})


def every_placement(path: Path, endpoint: str, n_ctx: int) -> Iterator[EngineSettings]:
    """Numbers of whole layers on the device, and of layers whose experts or feed-forward matrices stay in RAM: experts
    of the first or of the last ones, and of the first of the last all or some of their matrices.
    """
    llm = read_model_file(path).llm
    for number in range(llm.n_layers + 2):
        yield device(endpoint, n_ctx=n_ctx, n_gpu_layers=number)
    for number in range(1, llm.n_layers + 1):
        apart = {"n_cpu_moe": number} if llm.n_experts else {"overrides": feed_forward_overrides(number)}
        yield device(endpoint, n_ctx=n_ctx, **apart)
        if llm.n_experts:
            first = llm.n_layers - number
            rest = tuple(Override(pattern=pattern_of([layer], EXPERTS)) for layer in range(first + 1, llm.n_layers))
            for part in (EXPERTS, *PARTS):
                split = Override(pattern=pattern_of([first], part))
                yield device(endpoint, n_ctx=n_ctx, overrides=(split, *rest))


@dataclass(frozen=True, slots=True)
class Arm:
    """A model loaded in one way, with the server that it computes with."""

    session: Session
    server: RpcServer

    def request_s(self, request: Generate) -> float:
        """Processor seconds to read the prompt and write the answer."""
        before = self._processor_s()
        *_, end = self.session.generate(request)
        assert isinstance(end, Generation)
        return self._processor_s() - before

    def _processor_s(self) -> float:
        """Of session and server so far, all their threads."""
        return sum(
            int(task.joinpath("schedstat").read_text(encoding="ascii").split()[0]) * 1e-9
            for number in (self.session.pid, self.server.child.pid)
            for task in Path(f"/proc/{number}/task").iterdir()
        )


def in_turn(arms: Mapping[str, Arm], request: Generate, pairs: int) -> dict[str, list[float]]:
    """Seconds of the same request by each, one after the other, in another order each time."""
    for arm in arms.values():
        arm.request_s(request.model_copy(update={"tokens": request.tokens[:WARM_UP], "max_tokens": 2}))
    found: dict[str, list[float]] = {name: [] for name in arms}
    names = list(arms)
    for number in range(pairs):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            found[name].append(arms[name].request_s(request))
    return found


def compared(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """The geometric mean of the ratios of pairs, and how likely they are where the plan is no slower."""
    logs = [log(own / other) for own, other in zip(ours, theirs, strict=True)]
    if max(logs) == min(logs):
        return exp(logs[0]), 1.0
    return exp(fmean(logs)), float(ttest_1samp(logs, 0.0, alternative="greater").pvalue)


def losses(chances: Sequence[float]) -> int:
    """How many of these tests fail at `LEVEL` for all of them together.

    Source: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    >>> losses([0.04, 0.001, 0.5]), losses([0.02, 0.02])
    (1, 2)
    """
    ordered = sorted(chances)
    held = (place for place, chance in enumerate(ordered) if chance > LEVEL / (len(ordered) - place))
    return next(held, len(ordered))


def words_of(own: EngineSettings) -> str:
    """A placement in a few words: of overrides the layers, with what of them stays in RAM where that is not all."""
    parts = [f"ngl {min(own.n_gpu_layers, ALL)}"]
    parts += [f"ncmoe {own.n_cpu_moe}"] if own.n_cpu_moe else []
    for item in own.overrides:
        _, layers, tensors = item.pattern.split("\\.", 2)
        whole = re.search(r"[(|]up\|", tensors)
        parts.append(f"-ot {layers.strip('()').replace('|', ',')}{'' if whole else f' {tensors}'}")
    parts += [f"ub {own.n_ubatch}"] if own.n_ubatch != EngineSettings().n_ubatch else []
    parts += [own.kv_type_k] if own.kv_type_k != "f16" else []
    return " ".join(parts)


def outcomes(
    home: Path, names: Sequence[str], pairs: int = PAIRS, *, sweeping: bool = True
) -> Iterator[Outcome]:
    """All cells in order; without `sweeping` what is best is taken to be what llama.cpp's fit chooses."""
    profile = profile_of(home)
    with ExitStack() as stack:
        servers = [stack.enter_context(RpcServer.start(threads=1, devices=["CPU"])) for _ in range(3)]
        endpoints = [str(server.endpoint) for server in servers]
        for name in names:
            path = written(home, name, MODELS[name])
            for n_ctx in REQUESTS:
                request = Cell(path, n_ctx, 0.0).request
                whole = prepare(path, device(endpoints[2], n_ctx=n_ctx)).layout.shares[DEVICE].total
                swept = list(sweep(path, request, n_ctx, servers[2])) if sweeping else []
                for share in BUDGETS:
                    cell = Cell(path, n_ctx, whole * share)
                    fit_own = fitted(cell, endpoints[1])
                    fitting = [item for item in swept if item[1] <= cell.room_bytes]
                    best = min(fitting, key=lambda item: item[0])[2] if fitting else fit_own
                    best = best.model_copy(update={"rpc": (endpoints[2],)})
                    ways = planned(cell, profile, endpoints[0]), fit_own, best
                    plan, fit, fastest = loaded_in_turn(path, request, ways, servers, pairs)
                    yield Outcome(
                        cell, *map(words_of, ways), median(plan), median(fit), median(fastest), compared(plan, fit),
                        compared(plan, fastest),
                    )


def loaded_in_turn(
    path: Path, request: Generate, ways: Sequence[EngineSettings], servers: Sequence[RpcServer], pairs: int
) -> list[list[float]]:
    """Seconds of a request for each way, loaded anew each time: two loads of one setting differ by more than requests
    of one load. Ways that put everything in one place and compute alike are one way, and tie.
    """
    prepared = [prepare(path, own) for own in ways]
    alike = [
        next(place for place in range(len(ways)) if same_way(prepared[place], item)) for item in prepared
    ]
    found: list[list[float]] = [[] for _ in ways]
    for number in range(pairs):
        order = sorted(set(alike))
        for place in order[number % len(order) :] + order[: number % len(order)]:
            with prepared[place].open() as session:
                found[place] += in_turn({"": Arm(session, servers[place])}, request, 1)[""]
    return [found[place] for place in alike]


def same_way(one: Prepared, other: Prepared) -> bool:
    """Whether two settings put everything in one place and compute alike."""
    fields = ("n_ubatch", "kv_type_k", "kv_type_v", "load_mode", "flash_attn", "extra_buffers")
    return all(getattr(one.settings, name) == getattr(other.settings, name) for name in fields) and (
        (one.layout.layer_devices, one.layout.moved) == (other.layout.layer_devices, other.layout.moved)
    )


def sweep(
    path: Path, request: Generate, n_ctx: int, server: RpcServer
) -> Iterator[tuple[float, float, EngineSettings]]:
    """Seconds of the request and bytes of the device's memory for every placement."""
    for own in every_placement(path, str(server.endpoint), n_ctx):
        prepared = prepare(path, own)
        shares = prepared.layout.shares
        with prepared.open() as session:
            [seconds] = in_turn({"": Arm(session, server)}, request, 1)[""]
        yield seconds, shares[DEVICE].total if DEVICE in shares else 0.0, own


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--only", nargs="*", choices=MODELS, default=list(MODELS))
    parser.add_argument("--calibrate", action="store_true", help="only calibrate: the planner then knows speeds")
    parser.add_argument("--no-sweep", action="store_true", help="the plan beside llama.cpp's fit alone")
    parser.add_argument("--csv", type=Path)
    asked = parser.parse_args()
    if asked.calibrate:
        with RpcServer.start(threads=1, devices=["CPU"]) as server:
            calibrated(asked.home, str(server.endpoint))
        return 0
    print("| model | context | budget MiB | plan | fit | best of the sweep | plan s | fit s | best s | to fit | p | "
          "to best | p |\n| --- | ---: | ---: | --- | --- | --- |" + " ---: |" * 7)
    rows, chances = [], list[float]()
    for item in outcomes(asked.home, asked.only, asked.pairs, sweeping=not asked.no_sweep):
        (fit, fit_p), (best, best_p) = item.to_fit, item.to_best
        chances += [fit_p] if asked.no_sweep else [fit_p, best_p]
        row = (
            item.cell.path.name.partition("-Q4")[0], item.cell.n_ctx, f"{item.cell.budget_bytes / MIB:.0f}",
            item.planned, item.fitted, item.best, f"{item.plan_s:.2f}", f"{item.fit_s:.2f}", f"{item.best_s:.2f}",
            f"{fit:.3f}", f"{fit_p:.3f}", f"{best:.3f}", f"{best_p:.3f}",
        )
        rows.append(row)
        print(f"| {' | '.join(map(str, row))} |", flush=True)
    if asked.csv:
        with asked.csv.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    lost = losses(chances)
    print(f"\n{len(rows)} cells, {len(chances)} comparisons, {lost} losses at {LEVEL:.0%} for all together")
    return int(lost > 0)


if __name__ == "__main__":
    sys.exit(main())
