"""What lies in GPU memory beside the model where it is asked for: the projector that reads images, a draft head."""

import re
from functools import cache

from advisor.errors import InputError
from advisor.sizes.footprint import footprint
from catalog.llms import Llm, Projector
from catalog.quants import Quant
from catalog.tables import projectors
from catalog.units import GB, GIB

MIB, MB = 2**20, 10**6
TYPE = re.compile(r"(?<![a-z0-9])(q8_0|bf16|f16|fp16|f32|fp32)(?![a-z0-9])")
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(bytes|mib|gib|mb|gb)")
UNITS = {"bytes": 1, "mib": MIB, "gib": GIB, "mb": MB, "gb": GB}
USUAL = frozenset({"mmproj", "auto", "yes", "true", "vision", "usual"})
"""Words for the projector in the type that is published for every model, F16."""


def projector_bytes(llm: Llm, asked: str, model: str = "") -> tuple[float, str]:
    """Bytes of a model's projector and the sentence that says what they are.

    `asked` is the type, the file's name or its size ("F16", "mmproj-Q8_0.gguf", "860 MiB"), `model` what the model was
    called. Raises `InputError` for a model without one in the catalog, unless the size is given, and for other words.
    """
    words = asked.strip().lower()
    if found := SIZE.fullmatch(words.replace(",", "")):
        size = float(found[1]) * UNITS[found[2]]
        return size, f"the projector for images takes {size / GIB:.2f} GiB, as its file is large"
    kind = TYPE.search(words)
    if kind is None and words not in USUAL and "mmproj" not in words:
        raise InputError(f'the projector {asked!r} is not understood: write its type ("F16"), or its size ("860 MiB")')
    row = _row(llm, model)
    if row is None:
        raise InputError(
            f"the catalog knows no projector of {llm.name}: it reads no images, or give the size of its mmproj file "
            'such as "860 MiB"'
        )
    name = (kind[1] if kind else "f16").replace("fp", "f").upper()
    size = {"Q8_0": row.q8_0_gib, "F32": 2 * row.f16_gib}.get(name, row.f16_gib) * GIB
    told = "as measured" if row.measured and name != "F32" else f"by its {row.parameters / 1e6:,.0f} M parameters"
    return size, f"the projector for images, {name} of {row.name}, takes {size / GIB:.2f} GiB {told}"


def _row(llm: Llm, model: str) -> Projector | None:
    """The projector of a model by its own name, else by its row."""
    own = _squashed(model)
    named = next((row for row in projectors() if own and own.startswith(_squashed(row.name))), None)
    return named or next((row for row in projectors() if llm.id in row.llms), None)


@cache
def _squashed(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower().rpartition("/")[2])


def draft_head_bytes(llm: Llm, quant: Quant) -> float:
    """Bytes of a model's own draft layers in a quantisation: what drafting with them adds; 0 without any.

    >>> from catalog.names.llms import resolve_llm
    >>> from catalog.names.quants import resolve_quant
    >>> round(draft_head_bytes(resolve_llm("Qwen3.6-35B-A3B").row.llm, resolve_quant("BF16").row) / 2**30, 2)
    1.57
    """
    if not llm.mtp_layers:
        return 0.0
    return footprint(llm, quant, llm.mtp_layers).file_bytes - footprint(llm, quant, 0).file_bytes
