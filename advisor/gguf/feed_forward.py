"""Feed-forward parts of the layers from a header: dense, with experts or none; the tensors say how wide."""

from collections.abc import Mapping

from advisor.gguf.header import TensorEntry
from advisor.gguf.heads import Fields
from advisor.gguf.hyperparameters import Hyperparameters
from advisor.gguf.layers import Layers


def feed_forward_fields(keys: Hyperparameters, layers: Layers, kv_shared_layers: int) -> Fields:
    """Columns about the feed-forward parts."""
    kinds = "".join(_kind(layer) for layer in layers.layers)
    own = len(kinds) - kv_shared_layers
    dense, shared = _width("ffn_down", layers.layers[:own]), _width("ffn_down", layers.layers[own:])
    fields: Fields = {
        "ffn_pattern": kinds, "dense_ffn": dense or None, "kv_shared_ffn": shared if shared not in (0, dense) else None,
        "shared_expert_ffn": _width("ffn_down_shexp", layers.layers) or None,
        "moe_latent_size": keys.count("moe_latent_size", 0) or None,
    }  # fmt: skip
    return fields | (_expert_fields(keys, layers) if "E" in kinds else {})


def _kind(layer: Mapping[str, TensorEntry]) -> str:
    if "ffn_gate_inp" in layer:
        return "E"
    return "D" if "ffn_down" in layer else "N"


def _width(name: str, layers: tuple[Mapping[str, TensorEntry], ...]) -> int:
    """The widest of a matrix that leads back from the width in question."""
    return max((layer[name].shape[0] for layer in layers if name in layer), default=0)


def _expert_fields(keys: Hyperparameters, layers: Layers) -> Fields:
    count, used = keys.count("expert_count"), max(keys.per_layer("expert_used_count", len(layers.layers)))
    if not 1 <= used <= count:
        raise keys.refusal(f"it says that each token uses {used:,} of its {count:,} experts")
    downs = [layer["ffn_down_exps"] for layer in layers.layers if "ffn_down_exps" in layer]
    for entry in downs:
        if entry.shape[-1] != count:
            raise keys.refusal(f"it says that it has {count:,} experts but {entry.name} has {entry.shape[-1]:,}")
    single = [layer["ffn_down.0"] for layer in layers.layers if "ffn_down.0" in layer]
    width = max((entry.shape[0] for entry in (*downs, *single)), default=0)
    return {"n_experts": count, "n_experts_used": used, "expert_ffn": width or None}
