"""Answers: what hardware does with a language model, how fast, and what to buy.

>>> from advisor import Scenario, Wish, predict, recommend
>>> from advisor.physics.knowledge import load
>>> question = {"model": "gpt-oss-20b", "quant": "MXFP4", "hardware": {"gpus": [{"name": "RTX 3090"}]}}
>>> answer = predict(Scenario.model_validate(question), load())
>>> answer.placement.strategy, answer.bottleneck
('full_gpu', 'vram_bandwidth')

The words of this code, as the field uses them:

prefill         reading the prompt: many tokens at once, limited by compute, or by the link where experts lie in RAM
decode          writing the answer: one token per step and user, limited by the bandwidth of where the weights lie
tok/s           tokens per second, for each user; p50, p05, p95: median and bounds of 9 in 10 real runs
KV cache        keys and values of the tokens so far, which every step reads; grows with the context
context depth   tokens in the cache before the prompt; n_ctx: tokens it has room for
quant           mix of ggml tensor types that a file is quantised with; bits per weight: its size over its weights
expert          part of a mixture's feed-forward layer (MoE); each token uses a few of many
n_gpu_layers    layers, from the last on, that GPUs hold; n_cpu_moe: layers, from the first on, with experts in RAM
ubatch          tokens of a prompt computed at once (micro-batch)
regime          where the weights lie: the strategy of the placement, or "storage" where RAM is too small
stage           part of a step that takes time of its own; bottleneck: what limits the longest one
efficiency      share of a peak that is reached, or a fixed time, fitted to measured runs and pooled over labels
footprint       bytes and FLOPs of a model, layer by layer; demand: these with caches and buffers
placement       which layers lie on which GPU, in RAM or on the disk
spread          how far left-out runs lie from their prediction; novelty: how far a question lies from the runs
"""

TYPE_CHECKING = False  # as type checkers read it; the import of typing takes most of the time of an empty Python
if TYPE_CHECKING:
    from advisor.buying.recommendation import recommend
    from advisor.buying.wish import Wish
    from advisor.prediction.prediction import predict
    from advisor.question import Scenario

__all__ = ["Scenario", "Wish", "predict", "recommend"]

_HOMES = {
    "Scenario": "advisor.question",
    "Wish": "advisor.buying.wish",
    "predict": "advisor.prediction.prediction",
    "recommend": "advisor.buying.recommendation",
}


def __getattr__(name: str) -> object:
    """The public words, imported when first asked for: the import of this package stays light."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'advisor' has no attribute {name!r}")
