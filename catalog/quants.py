"""Row types of the quantisation tables: tensor types, the mixes that files are named after, and measured quality."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from catalog.rows import Count, Positive, Row, Words

Program = Literal["llama.cpp", "ik_llama.cpp"]


class TensorType(Row):
    """Layout of one ggml tensor type: a block of `block_elements` weights takes `block_bytes` bytes."""

    block_elements: Count
    block_bytes: Positive
    row_bytes: float = 0.0
    """Extra bytes per row (a scale per row in some ik_llama.cpp types)."""
    engine: Program = "llama.cpp"
    """The program that brought it; ik_llama.cpp reads all."""
    family: Literal["float", "legacy", "k", "iq", "iqk", "ternary", "fp4"]
    """How kernels treat it: efficiencies are pooled by family."""

    @property
    def bits_per_weight(self) -> float:
        """Bits per weight without the row scale."""
        return self.block_bytes * 8 / self.block_elements


class Quant(Row):
    """A mix of tensor types as files are named after it."""

    base: str
    """The llama.cpp file type whose rules choose the types ("Q4_K_M")."""
    overrides: Words = ()
    """Departures from the base, "[architecture|...:]part[<N]=TYPE[/TYPE2]": in those architectures (all, if none is
    named) tensors whose name contains the part, or whose group is the part, take TYPE; "<N": in the first N layers;
    TYPE2 is for the layers that llama.cpp's use_more_bits favours. The first entry that matches holds."""
    kind: Literal["float", "standard", "dynamic", "native", "custom"]
    engine: Program = "llama.cpp"
    bits_per_weight: Positive
    """Nominal, for ranking where no quality is measured."""
    stated_bits: Positive | None = None
    stated_bytes: Positive | None = None
    """Bits per weight, or bytes, of the whole file, where somebody states them and no recipe is known."""
    calibrated: bool = False
    """An average recipe fitted to published file sizes, not read from a file."""
    aliases: Words = ()


class QuantQuality(BaseModel):
    """One measurement of a quantised file against its original; comparable only within one `source` and `llm`."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    quant: str = Field(min_length=1)
    """Name of the quants row, or the maker's own label where no row answers to it."""
    publisher: str = ""
    llm: str = Field(min_length=1)
    """Id of the llms row."""
    kld: float | None = Field(default=None, ge=0)
    """Mean Kullback-Leibler divergence of the token distribution."""
    ppl: Positive | None = None
    ppl_reference: Positive | None = None
    file_gib: Positive | None = None
    note: str = ""
    source: str = Field(min_length=1)
    as_of: date
