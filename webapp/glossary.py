"""Hints beside the controls, and the terms of the pages in plain words."""

from collections.abc import Mapping
from typing import Final

HINTS: Final[Mapping[str, str]] = {
    "model": "The language model you want to run. Type to search.",
    "quant": "How strongly the model's weights are compressed. Fewer bits: smaller and faster, but less exact.",
    "context": "How much text the model keeps in view, in tokens (about three quarters of a word each). "
    "8K is a long chat, 32K some files of code. Speeds are those with the context nearly full.",
    "budget": "The most the whole computer may cost. Empty: no limit.",
    "speed": "The least writing speed, in tokens per second. People read about 5; coding agents want 30 and more.",
    "condition": "New: new prices only. Used: used prices where there are any, else new ones. Either: the cheaper.",
    "kinds": "Desktops are put together from parts; unified boxes (Mac, Strix Halo) share one memory.",
    "own": 'Parts you have cost nothing, for example "RTX 3060 12GB" or "DDR4-3200 2x16". Type a name and press Enter.',
    "makers": "Show only builds with graphics of these makers. Empty: all.",
    "best_only": "Show only builds that no other beats in price and speed at once.",
    "gpu": "The graphics card. Empty: none, the model runs on the processor.",
    "cpu": "The processor.",
    "ram": 'Type, speed and modules, for example "DDR4-3600 2x16" or "64GB DDR5".',
    "whole": "A unified-memory machine or a laptop, instead of parts.",
    "disk": "The disk that the model lies on: it decides how long loading takes.",
}
TERMS: Final[Mapping[str, str]] = {
    "tok/s": "Tokens per second: how fast the model writes. A token is about three quarters of an English word; "
    "people read about 5 tok/s.",
    "90 % range": "Nine of ten real runs of such a build should fall between these speeds.",
    "$/(tok/s)": "Price of the whole computer for each token per second: the lower, the more speed for the money.",
    "Prompt": "How fast the model reads your text before it answers, in tokens per second (prefill).",
    "First token": "Time until the answer begins, for a question of 512 tokens.",
    "Longest context": "The most text that fits beside the model, in tokens, with more of the model moved to RAM.",
    "Power": "Of the parts under load, estimated from their data sheets.",
    "Quantisation": "Compression of the weights. Q4_K_M keeps about 4.8 bits of 16 for each weight; most use it.",
    "VRAM": "Memory on the graphics card: fast, and mostly too small.",
    "RAM": "Main memory beside the processor: larger and slower than VRAM.",
    "GiB": "2^30 bytes: the GB of a memory module.",
    "Experts": "Parts of a mixture-of-experts model, of which each token uses a few. They can stay in RAM while the "
    "rest lies on the graphics card.",
    "n_cpu_moe": "llama.cpp's setting for how many layers keep their experts in RAM.",
    "Pareto front": "The builds that no other beats in price and speed at once.",
    "KV cache": "Memory for the context: it grows with the text kept in view.",
    "PCIe": "The link between graphics card and processor.",
    "KL divergence": "How far a compressed model's choices of words stray from the original's: 0 is identical.",
    "Regime": "Where the weights lie: all on the graphics card, experts in RAM, and so on.",
}
