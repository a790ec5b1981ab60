"""From the header of a model file to what the physics takes: the catalog's row and the footprint, exact to the byte."""

from dataclasses import dataclass
from pathlib import Path

from advisor.gguf import Header, read_header
from advisor.gguf.hyperparameters import Hyperparameters
from advisor.gguf.layers import layers_of, tensors_of
from advisor.gguf.llm import check_architecture, llm_of
from advisor.gguf.naming import known_row, own_id, own_name, quant_of
from advisor.sizes import Tensor
from advisor.sizes.footprint import Footprint, footprint_of_tensors
from catalog.llms import Llm
from catalog.quants import Quant
from catalog.units import GIB


@dataclass(frozen=True, slots=True, eq=False)
class ModelFile:
    """A model file read and understood: sizes are its own, its name is used where a catalog model has its shapes."""

    header: Header
    llm: Llm
    quant: Quant
    tensors: tuple[Tensor, ...]
    footprint: Footprint
    notes: tuple[str, ...]
    """What to say beside a prediction."""


def read_model_file(path: str | Path, quant: str | None = None) -> ModelFile:
    """Read and describe a model file. Raises as `read_header` and `described`."""
    return described(read_header(path), quant)


def described(header: Header, quant: str | None = None) -> ModelFile:
    """What a header means; `quant` names the mix where the file does not.

    Raises `InputError` with one sentence for a file that is no language model of a known architecture or whose numbers
    contradict its tensors, and `UnknownName` for an unknown `quant`.
    """
    check_architecture(header)
    keys = Hyperparameters(header)
    layers = layers_of(header, keys)
    name = own_name(header)
    llm = llm_of(header, keys, layers, name, own_id(name))
    row, notes = known_row(header, llm)
    if row:
        llm = llm.model_copy(update={"id": row.id, "name": row.name, "hf_id": row.hf_id, "aliases": row.aliases})
    tensors = tensors_of(header, layers)
    mix = quant_of(header, tensors, quant)
    return ModelFile(header, llm, mix, tensors, footprint_of_tensors(llm, tensors), (_sizes(header), *notes))


def _sizes(header: Header) -> str:
    files = f"{len(header.parts)} files" if len(header.parts) > 1 else "a file"
    return (
        f"sizes are those of {header.path.name}: {len(header.tensors)} tensors of {header.tensor_bytes / GIB:.2f} GiB "
        f"in {files} of {header.file_bytes:,} bytes"
    )
