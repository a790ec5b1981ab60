"""Row type of the language-model table: every hyper-parameter that decides bytes, and nothing else."""

from typing import Literal

from pydantic import Field

from catalog.rows import Count, Counts, Positive, Row, Words

RecurrentKind = Literal["gated_delta_net", "kimi_delta", "mamba1", "mamba2", "short_conv", "rwkv7"]


class Standin(Row):
    """A model with the tensor shapes of a row: a fine-tune or another edition, perhaps with its own context."""

    llm: str
    """Id of the row."""
    max_context: Count | None = None
    """Only where it differs from the row's."""


class DraftHead(Row):
    """A model's own layers for multi-token prediction, or a draft that its makers publish beside it."""

    llms: Words
    """Ids of the rows that it belongs to."""
    kind: Literal["mtp", "draft"]
    """In the model's file, or in one of its own."""
    layers: int | None = None
    parameters: int | None = None
    runs: Literal["yes", "no", "pull_request"]
    """Whether llama.cpp drafts with it."""
    note: str = ""


class Acceptance(Row):
    """How likely a drafted token is accepted where those before it were, by kind of draft and task."""

    kind: Literal["mtp", "draft_model", "ngram", "eagle3", "dflash"]
    task: Literal["code", "chat", "prose"]
    probability: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    """What was seen, or what is thought possible."""
    machines: int = Field(ge=0)
    """That it was seen on; 0: assumed."""


class Projector(Row):
    """What turns images (and sound) into tokens: the `mmproj` file beside a model's."""

    llms: Words = ()
    """Ids of the rows that it belongs to."""
    parameters: Count
    f16_gib: Positive
    q8_0_gib: Positive
    measured: bool
    note: str = ""


class RefusedLlm(Row):
    """A model that is known, and why it cannot be answered."""

    aliases: Words = ()
    why: str


class ModelScore(Row):
    """What somebody measured of a model, unquantised; `name` is the id of its row in llms.csv."""

    benchmark: str
    score: float
    reasons: Literal["yes", "no", ""] = ""
    """Whether it thought before it answered; empty: not said."""
    from_part: bool = False
    """The measurer estimated it from a part of his runs."""


class ModelFacts(Row):
    """What else decides for or against a model; what no source says is empty."""

    hf_id: str = ""
    maker: str
    released: str = ""
    licence: str = ""
    commercial: Literal["yes", "no", "conditions", ""] = ""
    """Whether one may earn money with it."""
    conditions: str = ""
    modalities: Words = ()
    native_context: Count | None = None
    reasoning: Literal["no", "both", "always", ""] = ""
    tools: Literal["yes", "no", ""] = ""
    gguf_repo: str = ""
    parameters_b: Positive
    """All of them, in 10^9, as the rows of llms.csv make them."""
    active_b: Positive
    """That a token is multiplied with."""


class ModelQuality(Row):
    """How good a model is at a task, on the scale of the Artificial Analysis Intelligence Index v4.1; `name` is the id
    of its row in llms.csv.
    """

    task: Literal["chat", "coding", "agent", "documents", "vision"]
    quality: Positive
    low: Positive
    high: Positive
    """Two of three such models lie between the two."""
    reasons: bool
    """Whether it thinks before it answers: the mode that the task is counted in, where the model has it."""
    how: Literal["measured", "other_benchmarks", "size_and_age"]
    benchmarks: int
    """How many of the task's own were measured."""


class Llm(Row):
    """One language model (the text part): sizes are counts of elements, contexts and windows are tokens."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    hf_id: str = ""
    aliases: Words = ()
    """Other spellings, and fine-tunes with the same shapes."""
    labels: Words = ()
    """What llama.cpp's tools print for any model of these shapes ("llama 8B"): it says no more than the shapes."""
    architecture: str
    """As GGUF files name it (general.architecture); decides which tensors a layer has."""
    n_layers: Count
    """Without multi-token-prediction layers."""
    hidden_size: Count
    vocab_size: Count
    max_context: Count
    tied_embeddings: bool = False
    """Whether the output matrix is the token embedding."""

    attention_pattern: str = Field(default="F", pattern=r"^[FSMRNBC]+$")
    """One letter per layer, repeated to n_layers: F full, S sliding window, M latent (MLA), R recurrent, N none, B full
    attention and a recurrent part side by side, C compressed (DeepSeek-V4)."""
    ffn_pattern: str = Field(default="D", pattern=r"^[DEN]+$")
    """One letter per layer, repeated to n_layers: D dense, E experts, N none."""
    leading_dense_layers: int = 0
    """The first layers are dense whatever ffn_pattern says."""

    n_heads: Count
    n_kv_heads: Count
    head_dim: Count
    v_head_dim: Count | None = None
    """Only where it differs from head_dim."""
    sliding_window: Count | None = None
    sliding_heads: Count | None = None
    sliding_kv_heads: Count | None = None
    """Heads of sliding layers where they differ from those of full layers."""
    full_head_dim: Count | None = None
    full_kv_heads: Count | None = None
    """Heads of full layers where they differ from those of sliding layers (Gemma 4)."""
    values_are_keys: bool = False
    """Full layers have no value matrix (Gemma 4)."""
    qkv_bias: bool = False
    """Queries, keys and values have biases though not every model of the architecture has them."""
    kv_shared_layers: int = 0
    """The last layers that reuse the KV cache of earlier ones."""

    q_lora_rank: Count | None = None
    kv_lora_rank: Count | None = None
    qk_nope_head_dim: Count | None = None
    qk_rope_head_dim: int | None = None
    index_heads: Count | None = None
    index_head_dim: Count | None = None
    index_pattern: str = Field(default="I", pattern=r"^[IN]+$")
    """One letter per layer, repeated to n_layers, where there is an indexer: I has one of its own, N has none."""
    compress_ratios: Counts = ()
    """Tokens that one cached row of each layer stands for, where attention is compressed; 0: a sliding window alone."""
    output_groups: Count | None = None
    output_lora_rank: Count | None = None
    """Of a low-rank output matrix in groups of heads."""
    hash_layers: int = 0
    """The first layers choose experts by a table of tokens."""

    recurrent: RecurrentKind | None = None
    conv_kernel: Count | None = None
    recurrent_key_heads: Count | None = None
    recurrent_value_heads: Count | None = None
    recurrent_key_dim: Count | None = None
    recurrent_value_dim: Count | None = None
    """Per head. Mamba: value heads and their size; key_dim is the state size, key_heads the groups."""
    ssm_dt_rank: Count | None = None

    dense_ffn: Count | None = None
    ffn_widths: Counts = ()
    """Of every layer, where the dense parts differ (Nemotron of the Deci family)."""
    kv_shared_ffn: Count | None = None
    """FFN width of the KV-sharing layers where it differs."""
    n_experts: int = 0
    n_experts_used: int = 0
    expert_ffn: Count | None = None
    shared_expert_ffn: Count | None = None
    """All shared experts together."""
    moe_latent_size: Count | None = None
    native_expert_type: str | None = None
    """Tensor type in which the maker published the experts (gpt-oss: MXFP4); kept as is by every quantisation."""

    mtp_layers: int = 0
    """Multi-token-prediction layers of the model."""
    mtp_in_gguf: int = 0
    """How many of them the usual GGUF files store."""
    mtp_kind: Literal["", "F", "S", "M"] = ""
    """Attention of these layers, where it is not that of the first layer that attends to everything."""
    mtp_ffn: Count | None = None
    """Width of their dense part, where theirs has no experts though the model has."""
    mtp_own: Literal["", "output", "vocabulary"] = ""
    """What each stores once more: the output matrix, or the embedding too."""

    per_layer_input_size: Count | None = None
    per_layer_input_vocab: Count | None = None
    """Per-layer embedding table (Gemma 3n, Gemma 4 E): one row per token is read."""
    altup_inputs: Count | None = None
    laurel_rank: Count | None = None
    hyper_connections: Count | None = None
    """Parallel residual streams."""
    hyper_connection_rank: Count | None = None
    ngram_rows: Count | None = None
    ngram_dim: Count | None = None
    ngram_layer: int | None = None
    """N-gram embedding table (Qwen3.8-Flash-Next): a few rows per token are read; the layer that takes them in."""
    index_pool: Count | None = None
    """Pooled positions of the attention indexer."""

    parameters_published: Positive | None = None
    """Count of the maker or of llama.cpp, for checks."""
    parameters_scope: Literal["text", "text+mtp", "all"] = "text"
    """What that count includes; "all": vision or audio towers too."""

    def attention_kinds(self) -> str:
        """The attention letter of every layer."""
        return _repeat(self.attention_pattern, self.n_layers)

    def has_indexer(self, layer: int) -> bool:
        """Whether a layer chooses what it attends to by keys of its own."""
        return bool(self.index_head_dim) and self.index_pattern[layer % len(self.index_pattern)] == "I"

    def ffn_kinds(self) -> str:
        """The feed-forward letter of every layer."""
        dense = self.leading_dense_layers
        return "D" * dense + _repeat(self.ffn_pattern, self.n_layers)[dense:]


def _repeat(pattern: str, n: int) -> str:
    return (pattern * -(-n // len(pattern)))[:n]
