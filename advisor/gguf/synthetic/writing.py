"""From a recipe to a file: streamed, in bounded memory, the same for the same seed."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from advisor.errors import InputError
from advisor.files import new_file, written_straight
from advisor.gguf.header import aligned
from advisor.gguf.synthetic.blocks import Pools, encoded_f32, generator
from advisor.gguf.synthetic.embedding import Routers, make_embedding
from advisor.gguf.synthetic.recipe import Recipe
from advisor.gguf.synthetic.values import embedding_spread, filled, stem_of, values_of
from advisor.sizes import Tensor
from catalog.units import GB

Progress = Callable[[int, int], None]
"""Told the bytes written so far and all."""
_SMALL_ELEMENTS = 1 << 22
"""F32 tensors up to this size are filled number by number."""


def write_model(recipe: Recipe, output: Path, *, replace: bool = False, progress: Progress | None = None) -> int:
    """Write the file and give its size in bytes.

    Raises `InputError` where the folder is missing, the disk too small, or a file is there and not to be replaced;
    nothing is left behind then.
    """
    _check(output, recipe.size_bytes, replace=replace)
    with new_file(output) as file:
        done = file.write(recipe.header)
        weights = _RandomWeights(recipe)
        for tensor in recipe.tensors:
            size = int(tensor.bytes)
            written = sum(file.write(piece) for piece in weights.pieces(tensor))
            if written != size:
                raise AssertionError(f"{tensor.name} has {written} bytes instead of {size}")
            done += written + file.write(bytes(aligned(size) - size))
            if progress:
                progress(done, recipe.size_bytes)
    return done


def _check(path: Path, size_bytes: int, *, replace: bool) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"the folder {str(folder)!r} does not exist: create it or choose another --output")
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a folder: give --output the name of a file in it")
    if written_straight(path):
        return
    if path.exists() and not replace:
        raise InputError(f"{str(path)!r} is there already: give --force to replace it, or choose another --output")
    free = shutil.disk_usage(Path(os.path.realpath(path)).parent).free
    if size_bytes > free:
        raise InputError(
            f"the file needs {size_bytes / GB:.2f} GB and {str(folder)!r} has {free / GB:.2f} GB free: cut the model "
            "with --layers or --experts, choose a smaller --quant or another --output"
        )


class _RandomWeights:
    """The bytes of each tensor."""

    def __init__(self, recipe: Recipe) -> None:
        self._llm, self._seed = recipe.llm, recipe.seed
        self._pools = Pools(recipe.seed)
        table = next(tensor for tensor in recipe.tensors if tensor.name == "token_embd.weight")
        hidden, vocabulary = table.shape
        spread = embedding_spread(self._llm)
        rng = generator(self._seed, table.name)
        self._embedding = make_embedding(table.type, hidden, vocabulary, spread, rng)
        experts, used = self._llm.n_experts, self._llm.n_experts_used
        self._routers = Routers(self._embedding, hidden, experts, used, recipe.router_skew) if experts else None

    def pieces(self, tensor: Tensor) -> Iterator[bytes | memoryview]:
        """All bytes of a tensor, in pieces of some megabytes."""
        rng = generator(self._seed, tensor.name)
        if tensor.name == "token_embd.weight":
            yield from (rows.tobytes() for rows in self._embedding.rows(tensor.shape[1]))
            return
        if self._routers and stem_of(tensor.name) == "ffn_gate_inp" and tensor.name.endswith("weight"):
            yield encoded_f32(self._routers.matrix(rng))
            return
        values = values_of(self._llm, tensor)
        if tensor.type == "F32" and (values.mean or not values.spread or tensor.elements <= _SMALL_ELEMENTS):
            yield encoded_f32(filled(tensor, values, rng))
        else:
            yield from self._pools.cut(tensor.name, tensor.type, values.spread, int(tensor.bytes))
