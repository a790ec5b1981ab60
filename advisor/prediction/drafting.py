"""Speculative decoding as a task of the physics: what drafts, what it weighs and reads, how much of it is accepted.

A step computes the last token and n drafted ones together, and gives one token and those of the drafts that agree. With
a probability p that each next one agrees these are (1 - p^(n+1)) / (1 - p); where a run says what share a of its drafts
was accepted, they are 1 + a n.
Source: Leviathan et al. 2023, "Fast Inference from Transformers via Speculative Decoding".
"""

from dataclasses import dataclass

from advisor.errors import InputError
from advisor.question import Scenario, Speculative
from advisor.sizes.beside import draft_head_bytes
from advisor.sizes.buffers import FLOAT_BYTES, Demand, kv_bytes, kv_element_bytes
from advisor.sizes.footprint import Footprint, footprint
from catalog.llms import Acceptance, DraftHead, Llm
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.quants import Quant
from catalog.tables import acceptances, draft_heads, llms
from catalog.units import GIB

USUAL_TASK = "chat"
MOST_DRAFTED = {"mtp": 8, "draft_model": 16, "ngram": 16, "eagle3": 8, "dflash": 16}
"""More are not tried where the best number is looked for."""
NOT_SEEN_SHARE = 0.035
"""Weights of a draft of unknown size as a part of the target's active ones: 0.42 of 26 and 0.47 of 31 billion for the
assistants of Gemma 4, of a fourth of the former's 3.8 active; 0.42 of 27 for Qwen3.8-27B (catalog/data/mtp.csv)."""
DRAFT_QUANT = "Q8_0"
"""What drafts in files of their own are mostly stored in."""
DRAFT_SIZE = 1 / 20
"""Active weights of a draft model over those of its target: what is looked for in its family."""
LARGEST_DRAFT = 1 / 6
DFLASH_LAYERS = 5
"""Source: catalog/data/mtp.csv, drafts of this kind."""
SPEC_TYPES = {
    "mtp": "draft-mtp", "draft_model": "draft-simple", "ngram": "ngram-mod", "eagle3": "draft-eagle3",
    "dflash": "draft-dflash",
}
"""As `llama-server --spec-type` calls them. Source: llama.cpp common/arg.cpp (b10573), docs/speculative.md."""
WORDS = {
    "mtp": "its own layers for multi-token prediction", "draft_model": "a draft model", "ngram": "n-grams of the text",
    "eagle3": "an EAGLE3 head", "dflash": "a DFlash draft",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """What drafts for a model: bytes held, bytes read by each pass, and whether each drafted token is a pass."""

    kind: str
    held_bytes: float
    pass_bytes: float
    one_by_one: bool
    """False: all drafted tokens come of one pass, or of none."""
    passes: bool
    notes: tuple[str, ...]
    flags: str

    def read_bytes(self, drafted: int) -> float:
        """What drafting so many tokens reads."""
        return self.pass_bytes * self.passes_of(drafted)

    def passes_of(self, drafted: int) -> int:
        """Passes one after the other."""
        return (drafted if self.one_by_one else 1) if self.passes else 0


def tokens_per_step(probability: float, drafted: int) -> float:
    """Tokens that a step gives, where each drafted one is accepted with a probability if those before it were.

    >>> tokens_per_step(0.5, 1), tokens_per_step(1.0, 3), tokens_per_step(0.0, 3)
    (1.5, 4.0, 1.0)
    """
    return sum(probability**count for count in range(drafted + 1))


def acceptance_of(asked: Speculative) -> Acceptance:
    """What is known of the acceptance of a kind of draft in a task."""
    task = asked.task or USUAL_TASK
    return next(row for row in acceptances() if row.kind == asked.kind and row.task == task)


def given_tokens(asked: Speculative, drafted: int) -> float:
    """Tokens of a step, from the acceptance that is said or known.

    Said with a number of drafted tokens it is their accepted share; without one, that of each next token.
    """
    if asked.acceptance is None:
        return tokens_per_step(acceptance_of(asked).probability, drafted)
    return 1 + asked.acceptance * drafted if asked.max_tokens else tokens_per_step(asked.acceptance, drafted)


def unsaid_of(asked: Speculative) -> tuple[str, ...]:
    """What had to be assumed of a draft, as sentences."""
    if asked.acceptance is not None:
        return ()
    row = acceptance_of(asked)
    how = "not measured" if not row.machines else f"seen on {row.machines} machine{'s' * (row.machines > 1)}"
    told = f"each drafted token is taken to be accepted with {row.probability:.0%} in {row.task}"
    return (f"{told} ({row.low:.0%} to {row.high:.0%}, {how}): the speed rises and falls with it",)


def with_own_layers(scenario: Scenario) -> Scenario | None:
    """The question with the model's own layers for multi-token prediction drafting, where llama.cpp can do so; None
    where it has none, and where drafts are asked for already.
    """
    if scenario.engine.speculative or not isinstance(scenario.model, str):
        return None
    llm = resolve_llm(scenario.model).row.llm
    head = _head(llm)
    if not llm.mtp_layers or head is None or head.runs != "yes":
        return None
    engine = scenario.engine.model_copy(update={"speculative": Speculative(kind="mtp")})
    return scenario.model_copy(update={"engine": engine})


def draft_of(asked: Speculative, llm: Llm, quant: Quant, target: Footprint) -> Draft:
    """What drafts for a model. Raises `InputError` where the model has no such draft, naming the way out."""
    flags = f"--spec-type {SPEC_TYPES[asked.kind]}"
    if asked.kind == "ngram":
        return Draft("ngram", 0.0, 0.0, one_by_one=False, passes=False, notes=(), flags=flags)
    if asked.kind == "draft_model":
        small = _small_model(asked, llm, target)
        return Draft(
            "draft_model",
            small.file_bytes,
            _read_bytes(small),
            one_by_one=True,
            passes=True,
            flags=f"{flags} -md DRAFT.gguf",
            notes=(f"{small.name} {DRAFT_QUANT} drafts: {small.file_bytes / GIB:.2f} GiB",),
        )
    if asked.kind == "mtp":
        return _own_layers(llm, quant, target, flags)
    dense = _dense_layer_weights(target) * (DFLASH_LAYERS if asked.kind == "dflash" else 1)
    held = dense * kv_element_bytes("q8_0")
    told = f"{WORDS[asked.kind]} is taken as {held / GIB:.2f} GiB: the catalog has none of {llm.name}"
    return Draft(
        asked.kind,
        held,
        held + float(target.output_bytes.sum()),
        one_by_one=asked.kind == "eagle3",
        passes=True,
        notes=(told,),
        flags=f"{flags} -md DRAFT.gguf",
    )


def _own_layers(llm: Llm, quant: Quant, target: Footprint, flags: str) -> Draft:
    """MTP layers in the model's file, or the assistant that its makers publish beside it."""
    head = _head(llm)
    if not llm.mtp_layers and head is None:
        raise InputError(
            f'{llm.name} has no layers for multi-token prediction: take speculative kind "draft_model" or "ngram"'
        )
    if llm.mtp_layers:
        held = draft_head_bytes(llm, quant)
        output = 0.0 if llm.mtp_own else float(target.output_bytes.sum())
        told, more = "", ""
    else:
        weights = head.parameters if head and head.parameters else target.parameters_active * NOT_SEEN_SHARE
        held, output, more = weights * kv_element_bytes("q8_0"), 0.0, " -md DRAFT.gguf"
        told = "" if head and head.parameters else "; its size was not seen"
    notes = [f"{WORDS['mtp']} take {held / GIB:.2f} GiB{told}"]
    if head and head.runs != "yes":
        notes.append(f"llama.cpp does not draft with the layers of {llm.name} yet ({head.runs.replace('_', ' ')})")
    reads = held * (1.0 if llm.mtp_ffn or not llm.mtp_layers else _used_share(target))
    return Draft("mtp", held, reads + output, one_by_one=True, passes=True, notes=tuple(notes), flags=flags + more)


def _head(llm: Llm) -> DraftHead | None:
    """What the catalog has of a model's own draft: in its file or beside it."""
    return next((row for row in draft_heads() if llm.id in row.llms), None)


def _used_share(target: Footprint) -> float:
    """Part of a layer's bytes that a token reads."""
    resident, experts = float(target.layer_resident_bytes[-1].sum()), float(target.layer_expert_bytes[-1].sum())
    used = target.n_experts_used / target.n_experts if target.n_experts else 1.0
    return (resident + experts * used) / max(resident + experts, 1.0)


def _dense_layer_weights(target: Footprint) -> float:
    """Weights of a dense layer as wide as the target: four matrices of attention, three of a part 2.7 times as wide."""
    return 12.0 * target.hidden_size**2


def _read_bytes(small: Footprint) -> float:
    """What a token of a small model reads."""
    return small.parameters_active / small.parameters * small.file_bytes


def _small_model(asked: Speculative, llm: Llm, target: Footprint) -> Footprint:
    """The draft model that is named, or else the one of the same vocabulary and maker nearest to the usual size.

    Raises `InputError` for a draft of another vocabulary or no smaller than its target, and where there is none.
    """
    kind = resolve_quant(DRAFT_QUANT).row
    if asked.draft_model:
        named = resolve_llm(asked.draft_model).row.llm
        if named.vocab_size != llm.vocab_size:
            raise InputError(f"draft_model {named.name} has another vocabulary than {llm.name}: take one of its family")
        found = footprint(named, kind)
        if found.parameters_active >= target.parameters_active:
            raise InputError(f"draft_model {named.name} is not smaller than {llm.name}: it would only slow it down")
        return found
    maker = _maker(llm)
    family = [footprint(row, kind) for row in llms() if row.vocab_size == llm.vocab_size and _maker(row) == maker]
    small = [item for item in family if item.parameters_active <= target.parameters_active * LARGEST_DRAFT]
    if not small:
        raise InputError(
            f'the catalog has no small model of the family of {llm.name}: name a draft_model, or take kind "ngram"'
        )
    wanted = target.parameters_active * DRAFT_SIZE
    return min(small, key=lambda item: max(item.parameters / wanted, wanted / item.parameters))


def _maker(llm: Llm) -> str:
    return llm.id.partition("-")[0].rstrip("0123456789.")


def extra_bytes(draft: Draft, demand: Demand, scenario: Scenario, n_ctx: int) -> float:
    """GPU memory that drafting takes: the draft's weights, its cache for each user, and its buffer for logits."""
    if not draft.passes:
        return 0.0
    print_, engine = demand.footprint, scenario.engine
    per_layer = kv_bytes(print_, n_ctx, *engine.kv_types, engine.ubatch, scenario.workload.users)
    cache = float(per_layer.max(initial=0.0))
    return draft.held_bytes + cache + FLOAT_BYTES * engine.ubatch * print_.vocab_size
