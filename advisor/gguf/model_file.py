"""From the header of a model file to what the physics takes: the catalog's row and the footprint, exact to the byte.

A file is called by its own shapes where a catalog model has them, and by the mix of types that it holds.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.gguf.encodings import FILE_TYPES
from advisor.gguf.header import FILE_TYPE, NAME, Header
from advisor.gguf.layers import Hyperparameters, layers_of, tensors_of
from advisor.gguf.llm import check_architecture, llm_of
from advisor.gguf.parts import SPLIT_NAME, read_header
from advisor.sizes import Tensor
from advisor.sizes.attention import heads
from advisor.sizes.footprint import Footprint, footprint_of_tensors
from catalog.llms import Llm
from catalog.names.index import UnknownName
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.quants import Quant
from catalog.units import GIB

_SAME = ("architecture", "n_layers", "hidden_size", "vocab_size", "n_experts", "expert_ffn")
_NAME_CHARACTERS = 80


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
    name = (header.text(NAME) or _stem(header))[:_NAME_CHARACTERS]
    llm = llm_of(header, keys, layers, name, re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "model")
    row, notes = _known_row(header, llm)
    if row:
        llm = llm.model_copy(update={"id": row.id, "name": row.name, "hf_id": row.hf_id, "aliases": row.aliases})
    tensors = tensors_of(header, layers)
    mix = _quant_of(header, tensors, quant)
    files = f"{len(header.parts)} files" if len(header.parts) > 1 else "a file"
    sizes = (
        f"sizes are those of {header.path.name}: {len(header.tensors)} tensors of {header.tensor_bytes / GIB:.2f} GiB "
        f"in {files} of {header.file_bytes:,} bytes"
    )
    return ModelFile(header, llm, mix, tensors, footprint_of_tensors(llm, tensors), (sizes, *notes))


def _stem(header: Header) -> str:
    """The file's name without its ending and part number."""
    found = SPLIT_NAME.fullmatch(header.path.name)
    return found["stem"] if found else header.path.name.removesuffix(".gguf") or header.path.name


def _known_row(header: Header, llm: Llm) -> tuple[Llm | None, tuple[str, ...]]:
    """The catalog's row that the file's name or title means, if it has its shapes; and what to say where it has not."""
    differing = ""
    for text in (_stem(header), header.text(NAME), header.text("general.basename")):
        try:
            row = resolve_llm(text[:300]).row.llm if text else None
        except UnknownName:
            continue
        if row and _alike(row, llm):
            return row, ()
        differing = differing or (row.name if row else "")
    note = f"the file's name says {differing}, but its layers are others: taken as they are"
    return None, (note,) if differing else ()


def _alike(row: Llm, llm: Llm) -> bool:
    """Whether two rows are of one model: some columns are written in several ways, so widths and heads in use count."""
    kinds, dense = llm.attention_kinds(), "D" in llm.ffn_kinds() and row.dense_ffn != llm.dense_ffn
    same = all(getattr(row, field) == getattr(llm, field) for field in _SAME)
    return same and not dense and all(heads(row, kind) == heads(llm, kind) for kind in "FS" if kind in kinds)


def _quant_of(header: Header, tensors: Sequence[Tensor], asked: str | None) -> Quant:
    """The row of the mix that the file is named after: as asked, as the file's name or its type number says.

    Where none is known, a mix named after the type that most bytes have. Raises `UnknownName` for an unknown one asked.
    """
    if asked:
        return resolve_quant(asked).row
    number = header.metadata.get(FILE_TYPE)
    filed = {known: name for name, known in FILE_TYPES.items()}.get(number) if type(number) is int else None
    for text in (_in_name(_stem(header)), filed):
        try:
            if text:
                return resolve_quant(text).row
        except UnknownName:
            continue
    return _custom(header, tensors)


def _in_name(stem: str) -> str | None:
    """The mix that a file's name ends with."""
    try:
        return resolve_llm(stem[:300]).row.quant_text
    except UnknownName:
        found = re.search(r"(?i)(?:UD-)?(?:I?Q\d(?:_[A-Z0-9]+)+|B?F16|MXFP4(?:_MOE)?)$", stem)
        return found[0] if found else None


def _custom(header: Header, tensors: Sequence[Tensor]) -> Quant:
    weights: Counter[str] = Counter()
    for tensor in tensors:
        weights[tensor.type] += int(tensor.bytes)
    elements = sum(tensor.elements for tensor in tensors)
    most = weights.most_common(1)[0][0]
    bits = sum(weights.values()) * 8 / elements
    source = f"header of {header.path.name}"[:300]
    return Quant(
        name=f"{most} mix", base=most, kind="custom", bits_per_weight=bits, source=source, as_of=header.modified
    )
