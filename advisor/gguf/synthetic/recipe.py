"""What file to make: a catalog model cut down as wished (every other size as it is), its tensors, header and size."""

from dataclasses import dataclass, field
from functools import cached_property

from advisor.errors import InputError
from advisor.gguf.header import aligned, header_bytes
from advisor.gguf.llm import metadata
from advisor.gguf.synthetic.blocks import SUPPORTED
from advisor.gguf.synthetic.layout import file_tensors
from advisor.sizes import Tensor
from catalog.llms import Llm
from catalog.quants import Quant

SKEW_LIMIT = 8.0
"""Beyond it always the same experts are used."""
_LITE_LAYERS = (26, 27)
"""By these counts llama.cpp knows models without a low-rank query (src/models/deepseek2.cpp)."""
_ATTENDING = {"llama4": "F"}
"""Kinds of layers of which there must be one, where not any kind of attention will do (src/llama-kv-cache-iswa.cpp)."""
_LEAST = {"gemma4": 2}
"""Layers with a KV cache of their own (src/llama-model.cpp, create_memory)."""
_LEAST_NGRAM_ROWS = 1024
"""Of a table of word groups, which is cut as the vocabulary is."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What is left of a model; None: all of it."""

    layers: int | None = None
    experts: int | None = None
    """Of each layer; not fewer are used per token unless fewer are left."""
    vocabulary: int | None = None
    """Tokens."""

    def words(self) -> str:
        """What is left, for people; empty where nothing is cut.

        >>> Cut(layers=4, experts=16).words()
        '4 layers, 16 experts'
        """
        parts = ((self.layers, "layer"), (self.experts, "expert"), (self.vocabulary, "token"))
        return ", ".join(f"{n} {noun}{'s' * (n != 1)}" for n, noun in parts if n is not None)


def cut(llm: Llm, to: Cut) -> Llm:
    """The first layers, experts and tokens of a model. Raises `InputError` for more than it has, or none."""
    if to.experts is not None and not llm.n_experts:
        raise InputError(f"{llm.name} is dense: leave out --experts")
    _check("--layers", to.layers, llm.n_layers, llm)
    _check("--experts", to.experts, llm.n_experts, llm)
    _check("--vocab", to.vocabulary, llm.vocab_size, llm)
    layers, experts = to.layers or llm.n_layers, to.experts or llm.n_experts
    vocabulary, own_kv = to.vocabulary or llm.vocab_size, llm.n_layers - llm.kv_shared_layers
    least = least_layers(llm)
    if layers < least:
        raise InputError(
            f"--layers {layers} leaves {llm.name} without a kind of layer that llama.cpp must have: "
            f"give at least {least}"
        )
    if llm.architecture == "deepseek2" and llm.q_lora_rank and layers in _LITE_LAYERS:
        raise InputError(f"--layers {layers} is not possible: llama.cpp takes such a model for DeepSeek-V2-Lite")
    kept = {
        "n_layers": layers,
        "leading_dense_layers": min(llm.leading_dense_layers, layers),
        "kv_shared_layers": max(0, layers - own_kv),
        "n_experts": experts,
        "n_experts_used": min(llm.n_experts_used, experts),
        "vocab_size": vocabulary,
        "per_layer_input_vocab": llm.per_layer_input_vocab and vocabulary,
        "ngram_rows": llm.ngram_rows and max(llm.ngram_rows * vocabulary // llm.vocab_size, _LEAST_NGRAM_ROWS),
    }
    return llm.model_copy(update=kept)


def least_layers(llm: Llm) -> int:
    """The fewest layers that llama.cpp runs: one with attention, and one of each kind that it makes a store for."""
    kinds, ffns = llm.attention_kinds(), llm.ffn_kinds()
    wanted = [next((i for i, kind in enumerate(kinds) if kind in _ATTENDING.get(llm.architecture, "FMSBC")), 0)]
    wanted += [kinds.index("S")] if "S" in kinds else []
    wanted += [ffns.index("E")] if llm.mtp_in_gguf and "E" in ffns else []
    return max(*wanted, _LEAST.get(llm.architecture, 1) - 1, 0) + 1


def _check(option: str, wanted: int | None, has: int, llm: Llm) -> None:
    if wanted is not None and not 1 <= wanted <= has:
        raise InputError(f"{option} {wanted} is not possible: {llm.name} has {has:,}, so give 1 to {has}")


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
        unknown, mix = sorted({tensor.type for tensor in self.tensors} - SUPPORTED), self.quant
        if unknown:
            raise InputError(
                f"{mix.name} has tensors of the type {unknown[0]}, which {mix.engine} brought and llama.cpp does not "
                "read: choose a --quant of llama.cpp, such as Q4_K_M or IQ4_XS"
            )

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
        return len(self.header) + sum(aligned(int(tensor.bytes)) for tensor in self.tensors)
