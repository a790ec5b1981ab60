"""A model that its figures describe: all that decides bytes, or only how many parameters it has and how many it uses.

Shapes that are not said are those of the catalog's nearest model, with its bytes scaled so that what is stored and what
is read per token are as stated.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from advisor.asked import CustomLlm
from advisor.errors import InputError
from advisor.sizes.architectures import ARCHITECTURES
from advisor.sizes.footprint import Footprint, footprint
from catalog.llms import Llm
from catalog.quants import Quant
from catalog.tables import llms

SHAPES_DEVIATION = 0.3
"""Deviation of log speed where only counts of parameters are known: the largest of those of decode and prefill of the
catalog's models against the same models asked by their counts alone. Measured 2026-11-29 by
tests/benchmarks/models_by_count.py: 180 dense models 0.21 and 0.30, 96 with experts 0.24 and 0.22.
"""
PER_BILLION = 1e9
NAMED_LAYERS = ("n_layers", "hidden_size")
"""Without these there are no shapes to count."""
BESIDE = frozenset({"parameters_b", "active_parameters_b", "name"})
_PLAIN = frozenset({"llama", "qwen2", "qwen3", "qwen3moe", "mistral3", "glm4moe", "minimax-m2"})
"""Architectures whose models may stand for one of which only the counts are known: grouped-query attention alone."""
_AS_OF = date(2026, 11, 29)


@dataclass(frozen=True, slots=True)
class FiguredModel:
    """A described model with its sizes in one quantisation; `deviation` is of log speed, for what was not said."""

    llm: Llm
    footprint: Footprint
    notes: tuple[str, ...]
    deviation: float = 0.0


@lru_cache(maxsize=256)
def figured(model: CustomLlm, quant: Quant) -> FiguredModel:
    """What a description means in a quantisation. Raises `InputError` for figures that no model can have."""
    said = model.model_dump(exclude_none=True)
    shapes = {name: value for name, value in said.items() if name not in BESIDE}
    if not shapes:
        return _by_count(model, quant)
    if missing := [name for name in NAMED_LAYERS if name not in shapes]:
        raise InputError(
            f"model.custom has no {' and no '.join(missing)}: give all of the shapes, or parameters_b (and "
            "active_parameters_b) alone"
        )
    llm, notes = _by_shapes(model.name, shapes)
    print_ = footprint(llm, quant)
    counted = print_.parameters / PER_BILLION
    if model.parameters_b and not 0.8 < counted / model.parameters_b < 1.25:
        raise InputError(
            f"model.custom: its shapes make {counted:.3g} billion parameters where parameters_b says "
            f"{model.parameters_b:g}: leave one of them out"
        )
    return FiguredModel(llm, print_, notes)


def _by_shapes(name: str, shapes: Mapping[str, Any]) -> tuple[Llm, tuple[str, ...]]:
    """The row that shapes make, with what was taken as usual."""
    heads = shapes.get("n_heads") or max(1, shapes["hidden_size"] // 128)
    usual = {
        "architecture": "llama", "n_heads": heads, "n_kv_heads": shapes.get("n_heads", heads),
        "head_dim": max(1, shapes["hidden_size"] // heads), "vocab_size": 128_256, "max_context": 131_072,
    }
    if shapes.get("n_experts"):
        usual |= {"ffn_pattern": "E", "n_experts_used": 8}
    if "kv_lora_rank" in shapes:
        usual["attention_pattern"] = "M"
    taken = {column: value for column, value in usual.items() if column not in shapes}
    known = ARCHITECTURES.keys()
    if shapes.get("architecture", "llama") not in known:
        raise InputError(f"model.custom.architecture {shapes['architecture']!r} is none of {', '.join(sorted(known))}")
    try:
        llm = Llm.model_validate(
            {"id": "custom", "name": name, "source": "described by the question", "as_of": _AS_OF, **taken, **shapes}
        )
        _check(llm)
    except (ValidationError, ValueError) as error:
        first = error.errors(include_url=False)[0] if isinstance(error, ValidationError) else None
        told = f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}" if first else str(error)
        raise InputError(f"model.custom {told}") from None
    words = ", ".join(f"{column} {value}" for column, value in taken.items())
    return llm, (f"the model is as described; not said and taken as usual: {words}",) if taken else ()


def _check(llm: Llm) -> None:
    """Raise `ValueError` for a row that lacks a size which its layers ask for."""
    kinds, ffns = set(llm.attention_kinds()), set(llm.ffn_kinds())
    wanted = {
        "sliding_window": "S" in kinds, "kv_lora_rank": "M" in kinds, "qk_nope_head_dim": "M" in kinds,
        "v_head_dim": "M" in kinds, "recurrent": bool({"R", "B"} & kinds), "dense_ffn": "D" in ffns,
        "expert_ffn": "E" in ffns, "n_experts": "E" in ffns, "compress_ratios": "C" in kinds,
    }
    if missing := [column for column, needed in wanted.items() if needed and not getattr(llm, column)]:
        raise ValueError(f"needs {' and '.join(missing)} for layers such as it has")
    if llm.recurrent == "rwkv7":
        raise ValueError("cannot count the layers of RWKV by these columns: name a GGUF file")
    if llm.n_experts_used > llm.n_experts:
        raise ValueError(f"uses {llm.n_experts_used} of {llm.n_experts} experts")


# By counts alone.


def _by_count(model: CustomLlm, quant: Quant) -> FiguredModel:
    """The nearest model of the catalog, scaled: what lies in experts and what every token reads follow from the two
    counts, E + R = all and E k / n + R = those used.
    """
    total, active = model.parameters_b, model.active_parameters_b
    if total is None:
        raise InputError('model.custom is empty: give its shapes, or its size as {"parameters_b": 32}')
    if active is not None and active > total:
        raise InputError(f"model.custom: {active:g} billion active parameters are more than all {total:g}")
    like = _nearest(total, active)
    print_ = footprint(like, quant)
    stored = print_.parameters / PER_BILLION
    if like.n_experts and active is not None:
        share = like.n_experts_used / like.n_experts
        experts, resident = (total - active) / (1 - share), total - (total - active) / (1 - share)
        if resident <= 0:
            experts, resident = total, 0.05 * active
        own = (stored - print_.parameters_active / PER_BILLION) / (1 - share)
        scaled = _split_scaled(print_, experts / own, resident / (stored - own))
    else:
        scaled = print_.scaled(total / stored)
    scaled = replace(
        scaled, name=model.name, parameters=total * PER_BILLION, parameters_active=(active or total) * PER_BILLION
    )
    size = f"{total:g} billion parameters" + (f", {active:g} of them used per token" if active else "")
    note = f"only the size of the model is known ({size}): layers, heads and cache are taken as those of {like.name}"
    llm = like.model_copy(update={"id": "custom", "name": model.name, "aliases": (), "labels": ()})
    return FiguredModel(llm, scaled, (note,), SHAPES_DEVIATION)


def _nearest(total_b: float, active_b: float | None) -> Llm:
    """The model of the catalog most like it in size, with experts where only some parameters are used."""
    sparse = active_b is not None and active_b < 0.8 * total_b
    rows = [
        row for row in llms()
        if row.parameters_published and row.parameters_scope == "text" and bool(row.n_experts) == sparse
        and row.architecture in _PLAIN and not row.native_expert_type
    ]
    return min(rows, key=lambda row: abs(math.log((row.parameters_published or 1) / (total_b * PER_BILLION))))


def _split_scaled(print_: Footprint, experts: float, resident: float) -> Footprint:
    """The same with so many times the bytes of its experts, and of all else."""
    expert_bytes = print_.layer_expert_bytes * experts
    other = replace(print_, layer_expert_bytes=print_.layer_expert_bytes * 0).scaled(resident)
    kept = float(print_.layer_expert_bytes.sum())
    return replace(
        other, layer_expert_bytes=expert_bytes, largest_expert_bytes=print_.largest_expert_bytes * experts,
        file_bytes=kept * experts + (print_.file_bytes - kept) * resident,
    )
