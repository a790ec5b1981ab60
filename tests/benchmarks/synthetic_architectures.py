"""Write a cut of a model of every architecture in the catalog, and see whether llama.cpp loads and decodes it.

    python tests/benchmarks/synthetic_architectures.py [ARCHITECTURE ...]

About four minutes for all on two cores, and up to 5 GB of the temporary folder at a time.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from advisor.gguf.synthetic import Cut, Recipe, write_model
from advisor.gguf.synthetic.recipe import least_layers
from catalog.llms import Llm
from catalog.names.quants import resolve_quant
from catalog.tables import llms

DECODING = Path(__file__).parents[1] / "advisor" / "gguf" / "decoding.py"
TOKENS = [3, 1, 200, 77, 5, 3]


def tried(llm: Llm, folder: Path) -> str:
    """What came of the architecture's smallest model: as few layers as can be and one with experts, few experts."""
    layers = min(llm.n_layers, max(least_layers(llm), llm.leading_dense_layers + 1))
    path = folder / f"{llm.id}.gguf"
    cut = Cut(layers, min(8, llm.n_experts) or None, 256)
    size = write_model(Recipe(llm, resolve_quant("Q4_K_M").row, cut), path)
    command = [sys.executable, DECODING, path, json.dumps(TOKENS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    path.unlink()
    if done.returncode:
        return f"FAILED: the process ended with {done.returncode}"
    found = json.loads(done.stdout)
    if "error" in found:
        return f"FAILED: {found['error'][-200:]}"
    return f"{'runs' if found['finite'] else 'FAILED: not finite'}, {layers} layers, {size / 1e6:.0f} MB"


if __name__ == "__main__":
    smallest: dict[str, Llm] = {}
    for row in sorted(llms(), key=lambda row: row.hidden_size):
        smallest.setdefault(row.architecture, row)
    with TemporaryDirectory() as temporary:
        for architecture in sys.argv[1:] or smallest:
            llm = smallest[architecture]
            sys.stdout.write(f"{architecture:16} {llm.name:32} {tried(llm, Path(temporary))}\n")
            sys.stdout.flush()
