"""From the labels people write for a quantisation to its catalog row, or to one that they describe by its width.

A label is read as a whole; what is left over is a remark that is said, or a reason to refuse. "3.9 bpw" and
"Q4-XYZ (15.06 GB)" are mixes of no known recipe with the width or size that they state.
"""

import re
from functools import cache, lru_cache

from catalog.names.index import NameIndex, Resolved, Spelling, UnknownName
from catalog.quants import Quant
from catalog.tables import quants, tensor_types
from catalog.units import GB, GIB

PREFIX = re.compile(r"^(?:gguf|ggml|i1|imat(?:rix)?)[-_. ]+")
TRAINING = re.compile(r"(?:^|[-_. ])qat(?=$|[-_. ])")
REMARK = re.compile(r"\s*\([^)]*\)\s*$")
INTERLEAVED = re.compile(r"_r[48]$")
WIDTH = re.compile(
    r"(?<![\w.])~?(?:(\d{1,2}(?:\.\d{1,4})?)\s*(?:bpw|bits per weight)|(\d\.\d{1,4})\s*-?bits?)(?![a-z])"
)
STATED_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(gib|gb)(?![a-z])")
BARE = {
    "q8": "Q8_0", "q6": "Q6_K", "q5": "Q5_K_M", "q4": "Q4_K_M", "q3": "Q3_K_M", "q2": "Q2_K", "q2_k_m": "Q2_K",
    "ollama_default": "Q4_K_M", "default": "Q4_K_M",
}
"""What a label that says too little means by custom, with the word for it."""
REMOVED = {"q4_0_8_8": "Q4_0", "q4_0_4_8": "Q4_0", "q4_0_4_4": "Q4_0"}
"""Types that llama.cpp has taken out and now makes as it loads. Source: llama.cpp include/llama.h (2026-08-22)."""
MIXED = re.compile(r"^(?:smol|mix|cossim)[-_ ]")
PURE = re.compile(r"^pure[-_ ]")
MLX = re.compile(r"^(?:ud[-_ ])?mlx(?:[-_ ]?([2-8])[-_ ]?bit)?$|^([2-8])[-_ ]?bit[-_ ]mlx$")
MLX_OVERHEAD_BITS = 0.5
"""A scale and a bias of 16 bits for 64 weights. Source: MLX quantization, group_size 64."""
FOREIGN = (
    (re.compile(r"^(?:exl[23]|gptq|awq|mxfp8|fp8|int[48]|nf4|bnb)"), "llama.cpp does not read it"),
    (re.compile(r"^(?:avq|jangtq|tq[34]_\d|hfq|rocmfp|q\d_pt)"), "only a fork of llama.cpp reads it"),
    (re.compile(r"^(?:q\d_k_p|apex|ud[-_]iq2_xs$|\dbit[-_]dq)"), "its recipe is not published where it could be read"),
    (re.compile(r"^(?:4|5|6|8|2|3)[-_ ]?bits?$"), "several types have as many bits"),
    (re.compile(r".*reap"), "that is a model with experts taken out: name it as the model"),
)
"""Labels that are known but name nothing that can be answered, and why."""
WAY_OUT = 'give the bits per weight, such as "4.25 bpw", or the size of the file, such as "15.1 GB"'


def _key(text: str) -> str:
    return re.sub(r"[-_\s]+", "_", text.strip().lower()).removesuffix(".gguf").strip("_")


@cache
def _index() -> NameIndex[Quant, Spelling[Quant]]:
    """Spellings of one word: the rows' own names before other words for them."""
    written = [(row, row.name) for row in quants()] + [(row, alias) for row in quants() for alias in row.aliases]
    spellings = [Spelling(row, frozenset({_key(name)})) for row, name in written]
    return NameIndex("quantisation", quants(), lambda: spellings)


@lru_cache(maxsize=4096)
def resolve_quant(text: str) -> Resolved[Quant]:
    """The row of a quantisation's label. Raises `UnknownName`."""
    label, plain = text.strip(), PREFIX.sub("", text.strip().lower())
    plain = TRAINING.sub("", plain).strip(" -_.") or plain
    bare = REMARK.sub("", plain)
    remark = tuple(re.findall(r"[a-z0-9]+", plain[len(bare) :]))
    for written, unread, assumption in (
        (text, (), None),
        (plain, (), None),
        (bare, remark, "the remark in {label!r} is not modelled: taken as {name}"),
        (INTERLEAVED.sub("", _key(bare)), remark, "{label} interleaves the rows of {name}: same size"),
        (MIXED.sub("", bare), remark, "{label} is a mix of which only the type is known: taken as {name}"),
    ):
        described = _described(label, written.lower()) if written == plain else None
        if described:
            return described
        if found := _index().fitting({_key(written)}):
            row = found[0].row
            return Resolved(row, (assumption.format(label=label, name=row.name),) if assumption else (), unread)
    for read in (_by_custom, _in_brackets):
        if known := read(label, plain):
            return known
    why = next((why for pattern, why in FOREIGN if pattern.match(_key(plain)) or pattern.match(plain)), "")
    raise (
        _index().unknown(text, asked=plain, way_out=WAY_OUT)
        if not why
        else UnknownName("quantisation", text, (), why=why, way_out=WAY_OUT)
    )


def _described(label: str, plain: str) -> Resolved[Quant] | None:
    """A mix by what its label states: bits per weight, or the size of the file."""
    if _index().fitting({_key(plain)}) or FOREIGN[0][0].match(plain):
        return None
    if found := WIDTH.search(plain):
        bits = float(found[1] or found[2])
        return _stated(label, plain[: found.start()] + plain[found.end() :], bits) if 0.5 <= bits <= 32 else None
    if found := STATED_SIZE.search(plain):
        size = float(found[1]) * (GIB if found[2] == "gib" else GB)
        return _stated(label, plain[: found.start()] + plain[found.end() :], None, size)
    if found := MLX.match(plain):
        bits = float(found[1] or found[2] or 4)
        said = f"{label} is read as {bits:g} bits of MLX with a scale and a bias for 64 weights"
        return Resolved(described_quant(label, bits + MLX_OVERHEAD_BITS), (said,))
    if PURE.match(plain) and (kind := tensor_types().get(_key(PURE.sub("", plain)).upper())):
        pure = described_quant(label, kind.bits_per_weight, base=_row(kind.name))
        return Resolved(pure, (f"{label}: every matrix in {kind.name}",))
    return None


def _stated(label: str, rest: str, bits: float | None, file_bytes: float | None = None) -> Resolved[Quant] | None:
    """A mix of a stated width or size; the type that is named beside it, if one is, says how it is computed."""
    named = [found for word in re.split(r"[\s()/,]+|-(?=m?\d*$|i?q|ud)", rest) if (found := _row(word.strip("-_ ")))]
    if bits is None and file_bytes is None:
        return None
    told = f"{bits:g} bits per weight" if bits is not None else f"a file of {(file_bytes or 0) / GB:.2f} GB"
    base = named[0] if named else None
    said = f"{label!r} is taken as {told}" + (f", computed as {base.name}" if base else ", of a recipe not known")
    return Resolved(described_quant(label, bits, file_bytes, base), (said,))


def _row(text: str) -> Quant | None:
    found = _index().fitting({_key(text)}) if text else []
    return found[0].row if found else None


def described_quant(
    label: str, bits_per_weight: float | None, file_bytes: float | None = None, base: Quant | None = None
) -> Quant:
    """A mix of unknown recipe, by the bits per weight of the whole file or by its bytes."""
    ladder = sorted((row for row in quants() if row.kind == "standard" and row.engine == "llama.cpp"), key=_bits)
    wanted = bits_per_weight or 4.5
    base = base or min(ladder, key=lambda row: abs(row.bits_per_weight - wanted))
    return base.model_copy(
        update={
            "name": label, "kind": "custom", "bits_per_weight": bits_per_weight or base.bits_per_weight,
            "stated_bits": bits_per_weight, "stated_bytes": file_bytes, "aliases": (), "calibrated": False,
        }
    )


def _bits(row: Quant) -> float:
    return row.bits_per_weight


def _by_custom(label: str, plain: str) -> Resolved[Quant] | None:
    """What a label that says too little, or a type that is gone, means to those who write it."""
    key = _key(REMARK.sub("", plain))
    for table, sentence in (
        (BARE, "{label!r} does not say which type: taken as {name}"),
        (REMOVED, "llama.cpp has removed {label} and makes it of {name} as it loads: the same size"),
    ):
        if key in table and (row := _row(table[key])):
            return Resolved(row, (sentence.format(label=label, name=row.name),))
    return None


def _in_brackets(label: str, plain: str) -> Resolved[Quant] | None:
    """The one row that a remark in brackets names."""
    found = REMARK.search(plain)
    words = re.split(r"[\s(),]+", found[0]) if found else []
    rows = {row.name: row for word in words if (row := _row(word))}
    if len(rows) != 1:
        return None
    name, row = rows.popitem()
    return Resolved(row, (f"{label!r} is taken as {name}",))
