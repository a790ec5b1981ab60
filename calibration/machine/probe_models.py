"""Synthetic models to measure a machine with: real architectures cut to a size that its caches cannot hold."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zlib import crc32

from advisor.errors import InputError
from advisor.files import remove_drafts, unwritable
from advisor.gguf.synthetic import Cut, Recipe, least_layers, write_model
from advisor.profiles.store import HOME_REMEDY
from catalog.llms import Llm
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.units import GB, MIB

VOCABULARY: Final = 16_384
"""Tokens left: the output matrix is then as small beside the layers as it is in the whole models."""
EXPERTS: Final = 32
"""Experts left of each layer: four times as many as are used, so that a token reads a quarter of them."""
LEAST_BYTES: Final = 256 * MIB
MOST_BYTES: Final = 1024 * MIB
CACHES: Final = 3
"""A model is this many times the last-level cache, of which a step may find a part still there."""
DENSE: Final = "Qwen3-4B"
MOE: Final = "Qwen3-30B-A3B"
RECURRENT: Final = "Qwen3.6-35B-A3B"
SMALL: Final = "Llama-3.2-1B"
"""What the models of a home have: large matrices; routed experts, without and with recurrent layers, so that what each
costs can be told apart; many small matrices.
"""
QUANTS: Final = ("Q4_K_M", "Q8_0", "Q4_0", "IQ4_XS", "Q5_K_M", "Q6_K", "Q3_K_M", "Q2_K", "IQ3_XXS", "F16")
"""One or two of each quant family (see `advisor.physics.task.FAMILIES`)."""
QUICK_QUANTS: Final = ("Q4_K_M", "Q8_0")
"""What most people run. In three minutes two mixes are measured in several placements, or eight in one each, of which
then none tells anything of another: with a device that no efficiencies are known of, such a fit left runs out by 45 %.
"""


@dataclass(frozen=True)
class ProbeModel:
    """A recipe and the file that it is written to."""

    recipe: Recipe

    @property
    def file(self) -> str:
        """The file's name, another one for every other header."""
        return f"{self.recipe.original.id}-{self.recipe.quant.name}-{crc32(self.recipe.header):08x}.gguf"

    def write(self, folder: Path) -> Path:
        """The file in a folder, written now if it is not there whole. Raises `InputError` where it cannot be."""
        path = folder / self.file
        if not self._is_at(path):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                remove_drafts(path)  # one calibration writes at a time
            except OSError as error:
                raise unwritable(str(path), error, HOME_REMEDY) from None
            _check_room(folder, self.recipe.size_bytes)
            write_model(self.recipe, path, replace=True)
        return path

    def _is_at(self, path: Path) -> bool:
        try:
            return path.stat().st_size == self.recipe.size_bytes
        except OSError:
            return False


def _check_room(folder: Path, size_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if size_bytes > free:
        raise InputError(
            f"a probe model needs {size_bytes / GB:.2f} GB and {folder} has {free / GB:.2f} GB free: free some "
            "room; ADVISOR_HOME names another folder"
        )


def probe_models(cache_bytes: int | None, quants: Sequence[str] = QUANTS) -> Iterator[ProbeModel]:
    """The models in these quants for a machine whose last-level cache has that many bytes."""
    size = min(max(CACHES * (cache_bytes or 0), LEAST_BYTES), MOST_BYTES)
    for name in (RECURRENT, MOE, DENSE, SMALL):
        llm = resolve_llm(name).row.llm
        for quant in quants:
            mix = resolve_quant(quant).row
            layers = next(
                count for count in range(least_layers(llm), llm.n_layers + 1)
                if count == llm.n_layers or Recipe(llm, mix, _cut(llm, count)).size_bytes >= size
            )
            yield ProbeModel(Recipe(llm, mix, _cut(llm, layers)))


def _cut(llm: Llm, layers: int) -> Cut:
    experts = min(EXPERTS, llm.n_experts) if llm.n_experts else None
    return Cut(layers, experts, min(VOCABULARY, llm.vocab_size))
