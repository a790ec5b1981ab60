"""What file to make: the model cut as wished, its tensors and header, and how large it will be."""

from dataclasses import dataclass, field
from functools import cached_property

from advisor.errors import InputError
from advisor.gguf.synthetic.blocks import SUPPORTED
from advisor.gguf.synthetic.cut import Cut, cut
from advisor.gguf.synthetic.header import header_bytes, padded
from advisor.gguf.synthetic.layout import file_tensors
from advisor.gguf.synthetic.metadata import metadata
from advisor.sizes import Tensor
from catalog.llms import Llm
from catalog.quants import Quant

SKEW_LIMIT = 8.0
"""Beyond it always the same experts are used."""


@dataclass(frozen=True)
class Recipe:
    """A synthetic model. Raises `InputError` for what cannot be made."""

    original: Llm
    quant: Quant
    to: Cut = field(default_factory=Cut)
    router_skew: float = 0.0
    """Exponent of the popularity of experts by rank: see `popularity.inclusion`."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.router_skew <= SKEW_LIMIT:
            raise InputError(f"--router-skew {self.router_skew:g} is not possible: give 0 (uniform) to {SKEW_LIMIT:g}")
        if self.router_skew and not self.original.n_experts:
            raise InputError(f"{self.original.name} is dense, without a router: leave out --router-skew")
        _check_types(self.tensors, self.quant)

    @cached_property
    def llm(self) -> Llm:
        """The model as cut."""
        return cut(self.original, self.to)

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """As they stand in the file."""
        return file_tensors(self.llm, self.quant)

    @cached_property
    def header(self) -> bytes:
        """The file's bytes before its weights."""
        what = f"random weights, router skew {self.router_skew:g}, seed {self.seed}: for measuring, not for text"
        return header_bytes(metadata(self.llm, self.quant, self.name, what), self.tensors)

    @property
    def name(self) -> str:
        """The model's name, with what is left of it where it is cut."""
        left = self.to.words()
        return f"{self.original.name} cut to {left}" if left else self.original.name

    @property
    def size_bytes(self) -> int:
        """Of the whole file."""
        return len(self.header) + sum(padded(int(tensor.bytes)) for tensor in self.tensors)


def _check_types(tensors: tuple[Tensor, ...], quant: Quant) -> None:
    unknown = sorted({tensor.type for tensor in tensors} - SUPPORTED)
    if unknown:
        raise InputError(
            f"{quant.name} has tensors of the type {unknown[0]}, which {quant.engine} brought and llama.cpp does not "
            "read: choose a --quant of llama.cpp, such as Q4_K_M or IQ4_XS"
        )
