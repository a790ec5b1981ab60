"""What to call a model file: by its own shapes where a catalog model has them, and the mix of types that it holds."""

import re
from collections import Counter
from collections.abc import Sequence

from advisor.gguf.encodings import constants
from advisor.gguf.header import Header
from advisor.gguf.parts import SPLIT_NAME
from advisor.sizes import Tensor
from advisor.sizes.attention import heads
from catalog.llms import Llm
from catalog.names.index import UnknownName
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.quants import Quant

_SAME = ("architecture", "n_layers", "hidden_size", "vocab_size", "n_experts", "expert_ffn")
_NAME_CHARACTERS = 80


def stem_of(header: Header) -> str:
    """The file's name without its ending and part number."""
    found = SPLIT_NAME.fullmatch(header.path.name)
    return found["stem"] if found else header.path.name.removesuffix(".gguf") or header.path.name


def known_row(header: Header, llm: Llm) -> tuple[Llm | None, tuple[str, ...]]:
    """The catalog's row that the file's name or title means, if it has its shapes; and what to say where it has not."""
    differing = ""
    for text in (stem_of(header), header.text("general.name"), header.text("general.basename")):
        try:
            row = resolve_llm(text[:300]).row.llm if text else None
        except UnknownName:
            continue
        if row and _alike(row, llm):
            return row, ()
        differing = differing or (row.name if row else "")
    return None, (
        f"the file's name says {differing}, but its layers are others: taken as they are",
    ) if differing else ()


def _alike(row: Llm, llm: Llm) -> bool:
    """Whether two rows are of one model: some columns are written in several ways, so widths and heads in use count."""
    kinds, dense = llm.attention_kinds(), "D" in llm.ffn_kinds() and row.dense_ffn != llm.dense_ffn
    same = all(getattr(row, field) == getattr(llm, field) for field in _SAME)
    return same and not dense and all(heads(row, kind) == heads(llm, kind) for kind in "FS" if kind in kinds)


def own_name(header: Header) -> str:
    """The title in the file, else the name of the file."""
    return (header.text("general.name") or stem_of(header))[:_NAME_CHARACTERS]


def own_id(name: str) -> str:
    """A name as ids are written.

    >>> own_id("Gemma 3 270m")
    'gemma-3-270m'
    """
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "model"


def quant_of(header: Header, tensors: Sequence[Tensor], asked: str | None) -> Quant:
    """The row of the mix that the file is named after: as asked, as the file's name or its type number says.

    Where none is known, a mix named after the type that most bytes have. Raises `UnknownName` for an unknown one asked.
    """
    if asked:
        return resolve_quant(asked).row
    for text in (_in_name(stem_of(header)), _file_type(header)):
        try:
            if text:
                return resolve_quant(text).row
        except UnknownName:
            continue
    return _custom(header, tensors)


def _in_name(stem: str) -> str | None:
    try:
        return resolve_llm(stem[:300]).row.quant_text
    except UnknownName:
        found = re.search(r"(?i)(?:UD-)?(?:I?Q\d(?:_[A-Z0-9]+)+|B?F16|MXFP4(?:_MOE)?)$", stem)
        return found[0] if found else None


def _file_type(header: Header) -> str | None:
    """general.file_type as llama.cpp names it ("Q4_K_M")."""
    number = header.metadata.get("general.file_type")
    types = {int(item): item.name for item in constants().LlamaFileType}
    name = types.get(number) if type(number) is int else None
    return name.removeprefix("MOSTLY_").removeprefix("ALL_") if name else None


def _custom(header: Header, tensors: Sequence[Tensor]) -> Quant:
    weights: Counter[str] = Counter()
    for tensor in tensors:
        weights[tensor.type] += int(tensor.bytes)
    elements = sum(tensor.elements for tensor in tensors)
    most = weights.most_common(1)[0][0]
    bits = sum(weights.values()) * 8 / elements
    return Quant(
        name=f"{most} mix", base=most, kind="custom", bits_per_weight=bits,
        source=f"header of {header.path.name}"[:300], as_of=header.modified,
    )  # fmt: skip
