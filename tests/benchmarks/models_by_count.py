"""How far models that are asked by their counts of parameters alone lie from the same models asked by name.

    python tests/benchmarks/models_by_count.py

Deviation of log decode and prefill speed on a card that holds them all, by kind of model: what
`advisor.sizes.from_figures.SHAPES_DEVIATION` states.
"""

import statistics
import sys
from math import log

from advisor.physics.knowledge import load
from advisor.prediction.case import case_of
from advisor.prediction.prediction import answers
from advisor.question import Scenario
from advisor.sizes.footprint import footprint
from catalog.names.quants import resolve_quant
from catalog.tables import llms

HARDWARE = {"gpus": [{"name": "H200", "count": 16}]}


def main() -> None:
    """Ask both ways and print the deviations."""
    knowledge, quant = load(), resolve_quant("Q4_K_M").row
    errors: dict[tuple[bool, str], list[float]] = {}
    for llm in llms():
        if llm.native_expert_type:
            continue
        print_ = footprint(llm, quant)
        counts = {"parameters_b": print_.parameters / 1e9}
        if llm.n_experts:
            counts["active_parameters_b"] = print_.parameters_active / 1e9
        asked = [
            Scenario.model_validate({"model": model, "quant": "Q4_K_M", "hardware": HARDWARE})
            for model in (llm.id, {"custom": counts})
        ]
        named, counted = answers([case_of(one) for one in asked], knowledge)
        for speed in ("decode_tok_s", "prefill_tok_s"):
            first, second = getattr(named, speed), getattr(counted, speed)
            if first and second:
                errors.setdefault((bool(llm.n_experts), speed), []).append(log(second.p50 / first.p50))
    for (sparse, speed), found in sorted(errors.items()):
        middle, spread = statistics.median(found), statistics.pstdev(found)
        kind = "with experts" if sparse else "dense"
        sys.stdout.write(f"{kind:13} {speed:14} {len(found):4} models, median {middle:+.3f}, deviation {spread:.3f}\n")


if __name__ == "__main__":
    main()
