"""What a text has told of a run so far: model, quantisation and engine settings, by columns, options and log lines."""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from advisor.pasted.numbers import whole
from advisor.question import KV_SPELLINGS, KV_TYPES

NAMES: Final[Mapping[str, str]] = {
    "ngl": "n_gpu_layers", "n_gpu_layers": "n_gpu_layers", "gpu_layers": "n_gpu_layers", "gpulayers": "n_gpu_layers",
    "ncmoe": "n_cpu_moe", "n_cpu_moe": "n_cpu_moe", "moecpu": "n_cpu_moe", "t": "threads", "threads": "threads",
    "n_threads": "threads", "ub": "ubatch", "ubatch": "ubatch", "n_ubatch": "ubatch", "ubatch_size": "ubatch",
    "c": "n_ctx", "ctx_size": "n_ctx", "contextsize": "n_ctx", "n_ctx": "n_ctx", "ctk": "type_k", "type_k": "type_k",
    "cache_type_k": "type_k", "ctv": "type_v", "type_v": "type_v", "cache_type_v": "type_v", "kv_type": "kv_type",
    "fa": "flash_attn", "flash_attn": "flash_attn", "flash_attention": "flash_attn", "flashattention": "flash_attn",
    "mmap": "mmap", "use_mmap": "mmap", "mmp": "mmap", "no_mmap": "no_mmap", "lm": "load_mode",
    "load_mode": "load_mode", "sm": "split_mode", "split_mode": "split_mode", "nkvo": "no_kv_offload",
    "no_kv_offload": "no_kv_offload", "ot": "override", "override_tensor": "override",
    "tensor_buft_overrides": "override", "overridetensors": "override", "cmoe": "cpu_moe", "cpu_moe": "cpu_moe",
    "backend": "backend", "backends": "backend", "embd": "embeddings", "embeddings": "embeddings", "ser": "experts",
    "smart_expert_reduction": "experts", "md": "draft", "model_draft": "draft", "draft": "draft", "rpc": "rpc",
    "m": "model", "model": "model", "hf": "model", "hfr": "model", "hf_repo": "model", "hff": "model",
    "hf_file": "model", "model_filename": "model", "engine": "engine", "build_number": "version",
}
"""Settings by the options and columns that say them. Source: llama.cpp tools/llama-bench and common/arg.cpp,
ik_llama.cpp and koboldcpp (read 2026-11-29).
"""
BACKENDS: Final = {"cuda": "cuda", "rocm": "rocm", "hip": "rocm", "vulkan": "vulkan", "metal": "metal", "mtl": "metal",
                   "sycl": "sycl", "opencl": "opencl", "cpu": "cpu", "cublas": "cuda", "hipblas": "rocm"}
BLAS: Final = "prompts were multiplied by a BLAS library, not by the engine's own code"
ALL: Final = 999
DIVIDING: Final = frozenset({"row", "tensor", "graph"})
"""Split modes besides layer by layer; llama.cpp counts none, layer, row, tensor from 0 (llama.h, read 2026-11-29)."""
_COUNTS: Final = {"n_gpu_layers", "n_cpu_moe", "threads", "ubatch", "n_ctx"}
_FLAGS: Final = {"no_mmap", "cpu_moe", "no_kv_offload", "embeddings"}
_OFF, _ON = {"0", "off", "false", "no", "none", "disabled", ""}, {"1", "on", "true", "yes", "enabled"}
_PROGRAM = re.compile(
    r"(?:^|[\s/\\$>#`'\"])(llama-(?:bench|server|cli|batched-bench|sweep-bench|completion|run|simple)|koboldcpp\S*|"
    r"localscore\S*|ollama(?:\.exe)? run|llama-sweep-bench|batched-bench)(?:\.exe)?['\"]?(?=\s|$)"
)
_EXPERTS = re.compile(r"(?:blk\\?\.(?P<layers>[^=]{0,300}?)\\?\.)?[^=]{0,80}exps\b[^=]{0,40}", re.IGNORECASE)
_PARTLY = re.compile(r"(?:up|gate|down)(?:\||_exps)", re.IGNORECASE)
_COUNTED = re.compile(r"[\d|()\[\]-]{1,300}")
_EMPTY = re.compile(r"\(\||\|\||\|\)|\(\)")
"""Choices of nothing, of which a few take a matcher longer than anyone waits."""


@dataclass
class Told:
    """What is known of the runs to come; `why_not` says why they cannot be compared with a prediction."""

    model: str | None = None
    label: str | None = None
    """What llama.cpp prints for any model of these shapes."""
    quant: str | None = None
    engine: dict[str, Any] = field(default_factory=dict)
    overrides: str = ""
    """Patterns of -ot, which depend on the model's layers."""
    why_not: str = ""
    slow_prompt: str = ""
    """Why prompts alone cannot be compared."""
    unread: tuple[str, ...] = ()
    program: str = ""

    def copy(self) -> "Told":
        """A copy that may be told more."""
        return replace(self, engine=dict(self.engine))

    def tell(self, name: str, value: object) -> bool:
        """Take in a setting under any of its names. False for a name that is not known."""
        known = NAMES.get(name.strip().lstrip("-").lower().replace("-", "_").replace(" ", "_"))
        said = str(value).strip()
        if known is None:
            return False
        if known in _COUNTS:
            self._count(known, said)
        else:
            _READERS[known](self, said)
        return True

    def _count(self, name: str, said: str) -> None:
        number = ALL if said.lower() in {"all", "auto"} and name != "n_ctx" else whole(said)
        several = "," in said or re.search(r"\d-\d", said)
        if said.lower() == "auto" or number is None or several or number < 0:
            return  # several values: the table tells which; -1 and auto leave it to the engine
        if not (number == 0 and name in {"n_ctx", "threads", "ubatch"}):
            self.engine[name] = min(number, 100_000)

    def _flash(self, said: str) -> None:
        if said.lower() in _ON | _OFF:
            self.engine["flash_attn"] = said.lower() in _ON

    def _cache(self, which: int, said: str) -> None:
        kinds = [*str(self.engine.get("kv_type", "f16/f16")).split("/")]
        kinds = kinds if len(kinds) == 2 else kinds * 2
        word = KV_SPELLINGS.get(said.lower(), said.lower())
        if "," in said or not word:
            return
        if word not in KV_TYPES:
            self.why_not = f"a KV cache of {said[:20]!r} is not known"
        kinds[which] = word
        self.engine["kv_type"] = kinds[0] if kinds[0] == kinds[1] else "/".join(kinds)

    def _both_caches(self, said: str) -> None:
        words = [KV_SPELLINGS.get(word, word) for word in re.findall(r"[a-z]+\d\w*", said.lower())]
        for which, word in enumerate((words * 2)[:2] if len(words) == 1 else words[:2]):
            self._cache(which, word)

    def _mapped(self, said: str, *, on: bool) -> None:
        if said.lower() in _ON | _OFF:
            self.engine["mmap"] = (said.lower() in _ON) == on

    def _load_mode(self, said: str) -> None:
        if said.lower() in {"none", "dio", "mmap", "mmap+mlock"}:
            self.engine["mmap"] = said.lower().startswith("mmap")

    def _split(self, said: str) -> None:
        word = {"2": "row", "3": "tensor"}.get(said.lower(), said.lower())
        if word in DIVIDING:
            self.engine["split_mode"] = word
        elif word not in {"layer", "none", "0", "1", ""} and "," not in word:
            self.why_not = f"split mode {said[:20]!r} over several GPUs is not known"

    def _override(self, said: str) -> None:
        if said.lower() not in {"none", ""}:
            self.overrides = ";".join(filter(None, [self.overrides, said]))

    def _backend(self, said: str) -> None:
        words = [word.strip() for word in re.split(r"[,+/ ]", said.lower()) if word.strip()]
        known = [found for word in words if (found := BACKENDS.get(re.sub(r"[\d.]+$", "", word)))]
        if "rpc" in words:
            self.why_not = "it ran on the device of another computer (RPC)"
        elif known:
            self.engine["backend"] = next((name for name in known if name != "cpu"), "cpu")
            if "blas" in words and self.engine["backend"] == "cpu":
                self.slow_prompt = BLAS
        elif "blas" in words:
            self.engine["backend"], self.slow_prompt = "cpu", BLAS
        elif words:
            self.why_not = f"backend {said[:30]!r} is not known"
        if self.engine.get("backend") == "cpu":
            self.engine.setdefault("n_gpu_layers", 0)

    def _engine_name(self, said: str) -> None:
        lower = said.lower()
        if lower.startswith("ik_"):
            self.engine["name"] = "ik_llama.cpp"
        elif re.match(r"exllama|vllm|mlx|sglang|tensorrt|transformers", lower):
            self.why_not = f"{said[:30]!r} is another engine"

    def _model(self, said: str) -> None:
        if said:
            self.model = said

    def _refuse(self, said: str, why: str) -> None:
        if said.lower() not in _OFF:
            self.why_not = why


_READERS: Final[Mapping[str, Callable[[Told, str], None]]] = {
    "flash_attn": Told._flash, "type_k": lambda told, said: told._cache(0, said),
    "type_v": lambda told, said: told._cache(1, said), "kv_type": Told._both_caches,
    "mmap": lambda told, said: told._mapped(said, on=True), "no_mmap": lambda told, said: told._mapped(said, on=False),
    "load_mode": Told._load_mode, "split_mode": Told._split, "override": Told._override, "backend": Told._backend,
    "engine": Told._engine_name, "model": Told._model,
    "version": lambda told, said: told.engine.update({"version": f"b{said}"} if said.isdigit() and said != "0" else {}),
    "cpu_moe": lambda told, said: told.engine.update({} if said.lower() in _OFF else {"n_cpu_moe": ALL}),
    "no_kv_offload": lambda told, said: told._refuse(said, "the KV cache was kept off the GPU by option"),
    "embeddings": lambda told, said: told._refuse(said, "embeddings were computed, no text"),
    "experts": lambda told, said: told._refuse(said, "fewer experts were used than the model routes to (-ser)"),
    "draft": lambda told, said: told._refuse(said, "a draft model was used"),
    "rpc": lambda told, said: told._refuse(said, "it ran on the device of another computer (RPC)"),
}


def program_in(text: str) -> str:
    """The program that a command line starts, such as "llama-bench"; empty where it is none."""
    found = _PROGRAM.search(text)
    after = text[found.end() :] if found else ""
    is_command = found and (not after.strip() or re.match(r"\s+(?:-|[\\^`]\s*$|\w[\w./:-]*(?:\s|$))", after))
    return found[1] if found and is_command else ""


def told_by_command(text: str) -> Told:
    """What the options of a command line say; those that decide nothing here are left out."""
    program = program_in(text)
    told = Told(program=program)
    if "sweep-bench" in program or "ik_llama" in text:
        told.engine["name"] = "ik_llama.cpp"
    after = text[text.find(program) + len(program) :][:20_000]
    try:
        words = shlex.split(after, posix="\\" not in after)
    except ValueError:
        words = after.split()
    words = [word.strip("'\"`") for word in words]
    if program.startswith("ollama") and (names := [word for word in words if not word.startswith("-")]):
        told.model, told.program = names[0], "ollama"
    models: list[str] = []
    for index, word in enumerate(words):
        name, _, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if not re.match(r"--?[a-zA-Z]", name):
            continue
        following = words[index + 1] if index + 1 < len(words) else ""
        if not value:
            value = following if following and not re.match(r"--?[a-zA-Z]", following) else "1"
        known = NAMES.get(name.lstrip("-").replace("-", "_").lower(), "")
        if known == "model":
            models += [value]
        elif known not in {"engine", "backend", "version"}:
            told.tell(name, "1" if known in _FLAGS and value not in _OFF | _ON else value)
    told.model = models[-1] if len(models) == 1 or (program.endswith(("server", "cli")) and models) else told.model
    return told


def layers_overridden(patterns: str, n_layers: int) -> int | str:
    r"""Layers whose experts the patterns of -ot put into RAM, or why that is not one number.

    >>> layers_overridden("exps=CPU", 40), layers_overridden(r"blk\.(1[0-9]|2[0-9])\.ffn_.*_exps.=CPU", 40)
    (40, 20)
    """
    chosen: set[int] = set()
    for pattern in re.split(r"[;,](?![^(\[]*[)\]])", patterns):
        name, _, device = pattern.rpartition("=")
        if not name or device.strip().lower() not in {"cpu", "cuda_host", "cpu_repack", "rocm_host"}:
            continue
        found = _EXPERTS.fullmatch(name.strip().strip("^$.*()")) or _EXPERTS.search(name)
        kinds = {word for word in ("up", "gate", "down") if re.search(rf"{word}\b|{word}_exps|{word}\|", name)}
        if not found or (kinds and len(kinds) < 3 and _PARTLY.search(name)):
            return f"-ot {pattern.strip()[:60]!r} moves other tensors than all experts of a layer"
        layers = _layers(found["layers"] or "", n_layers)
        if layers is None:
            return f"-ot {pattern.strip()[:60]!r} chooses layers in a way that is not read"
        chosen |= layers
    return len(chosen)


def _layers(pattern: str, n_layers: int) -> set[int] | None:
    """Layers that a pattern of digits, brackets and bars names; all where it takes any number."""
    if pattern in {"", ".*", r"\d+", r"[0-9]+", ".+", "*", "(.*)", r"(\d+)"}:
        return set(range(n_layers))
    bare = pattern.replace("?:", "")
    if not _COUNTED.fullmatch(bare) or _EMPTY.search(f"({bare})"):
        return None
    try:
        matched = re.compile(bare)
    except re.error:
        return None
    return {index for index in range(n_layers) if matched.fullmatch(str(index))}
