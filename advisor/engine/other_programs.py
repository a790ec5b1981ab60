"""A plan as the configuration of other programs: llama-server's presets, llama-swap, Ollama, LM Studio.

Each says what that program cannot be told, so that nothing of the plan is dropped silently.
"""

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from advisor.engine.plan import Plan
from advisor.engine.plan_report import LOAD_MODES, commands
from advisor.engine.settings import EngineSettings

PORT: Final = "${PORT}"
"""llama-swap's own word for the port that it gives a model."""
FLASH_ATTN: Final = {None: "auto", True: "on", False: "off"}


class Configuration(NamedTuple):
    """The text of a file, and in sentences what of the plan it does not say."""

    text: str
    unsaid: tuple[str, ...]


def configuration(plan: Plan, file: str, program: str) -> Configuration:
    """The plan for one of PROGRAMS; `file` is the model's file, which is named by its whole path."""
    return PROGRAMS[program](plan, str(Path(file).absolute()) if Path(file).exists() else file)


def _llama_server(plan: Plan, file: str) -> Configuration:
    """A section of the file that `llama-server --models-preset FILE` reads: long options without their dashes.

    Source: llama.cpp docs/preset.md (read 2026-11-29).
    """
    settings = plan.settings
    values = {
        "model": file, "ctx-size": settings.n_ctx, "n-gpu-layers": settings.n_gpu_layers,
        "n-cpu-moe": settings.n_cpu_moe or None, "cache-type-k": settings.kv_type_k,
        "cache-type-v": settings.kv_type_v,
        "split-mode": settings.split_mode if settings.split_mode != "layer" else None,
        "tensor-split": ",".join(f"{share:g}" for share in settings.tensor_split),
        "override-tensor": ",".join(f"{item.pattern}={item.device}" for item in settings.overrides),
        "rpc": ",".join(settings.rpc), "batch-size": settings.n_batch, "ubatch-size": settings.n_ubatch,
        "threads": settings.threads, "threads-batch": settings.threads_batch,
        "flash-attn": FLASH_ATTN[settings.flash_attn],
        "load-mode": LOAD_MODES.get(settings.load_mode, settings.load_mode),
        "no-repack": None if settings.extra_buffers else "true",
    }
    lines = [f"{key} = {value}" for key, value in values.items() if value not in (None, "")]
    return Configuration("\n".join([f"[{_name(plan)}]", *lines, ""]), ())


def _llama_swap(plan: Plan, file: str) -> Configuration:
    """An entry of llama-swap's config.yaml, whose strings JSON writes as YAML reads them.

    Source: https://github.com/mostlygeek/llama-swap, docs "Single Model" (read 2026-11-29).
    """
    words = shlex.split(commands(plan, file)["llama-server"])
    command = shlex.join([words[0], "--host", "127.0.0.1", "--port", "PORT", *words[1:]]).replace("PORT", PORT, 1)
    lines = ["models:", f"  {json.dumps(_name(plan))}:", f"    cmd: {json.dumps(command, ensure_ascii=False)}", ""]
    return Configuration("\n".join(lines), ())


def _ollama(plan: Plan, file: str) -> Configuration:
    """A Modelfile. Ollama places experts by itself: then the number of layers on devices is left to it.

    Source: ollama docs/modelfile.md and api/types.go, `Runner` (read 2026-11-29).
    """
    settings = plan.settings
    placed = None if settings.n_cpu_moe or settings.overrides or settings.tensor_split else settings.n_gpu_layers
    values = {
        "num_ctx": settings.n_ctx, "num_batch": settings.n_ubatch, "num_gpu": placed, "num_thread": settings.threads,
        "use_mmap": str(settings.mapped).lower(),
    }
    lines = [f"PARAMETER {key} {value}" for key, value in values.items() if value is not None]
    unsaid = tuple(_beyond_ollama(settings))
    text = "\n".join([*(f"# {sentence}" for sentence in unsaid), f"FROM {file}", *lines, ""])
    return Configuration(text, unsaid)


def _beyond_ollama(settings: EngineSettings) -> Iterator[str]:
    if settings.n_cpu_moe:
        yield f"Ollama keeps no experts of {settings.n_cpu_moe} layers in RAM when told: it places as it chooses"
    if settings.overrides:
        yield "Ollama keeps no single weights in RAM when told: it places whole layers as it chooses"
    if settings.tensor_split:
        yield "Ollama splits a model over devices as it chooses"
    if (settings.kv_type_k, settings.kv_type_v) != ("f16", "f16"):
        kept = f"OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE={settings.kv_type_k} ollama serve"
        yield f"a {settings.kv_type_k} cache is set for all models at once: {kept}"
    if settings.rpc:
        yield "Ollama does not use remote devices"


def _lm_studio(plan: Plan, file: str) -> Configuration:
    """The `config` of LM Studio's `client.llm.load(model, config=...)`; ratios are shares of the layers.

    Source: https://lmstudio.ai/docs/typescript/api-reference/llm-load-model-config (read 2026-11-29).
    """
    settings, layers = plan.settings, plan.candidate.case.demand.footprint.n_layers
    on_gpu = min(1.0, settings.n_gpu_layers / (layers + 1))  # the output counts as one more
    gpu: dict[str, Any] = {"ratio": round(on_gpu, 4)}
    lies = plan.candidate.case.placement
    if lies.strategy == "expert_offload":
        gpu["numCpuExpertLayersRatio"] = round(min(1.0, lies.n_cpu_moe / layers), 4)
    config: dict[str, Any] = {
        "contextLength": settings.n_ctx, "gpu": gpu, "offloadKVCacheToGpu": settings.offload_kv,
        "evalBatchSize": settings.n_batch, "physicalBatchSize": settings.n_ubatch, "tryMmap": settings.mapped,
    }
    if settings.flash_attn is not None or settings.kv_type_v != "f16":
        config["flashAttention"] = settings.flash_attn is not False
    if (settings.kv_type_k, settings.kv_type_v) != ("f16", "f16"):
        config |= {"llamaKCacheQuantizationType": settings.kv_type_k, "llamaVCacheQuantizationType": settings.kv_type_v}
    unsaid = [f"import the file first: lms import {shlex.quote(file)}"]
    experts = f"LM Studio keeps experts of {lies.n_cpu_moe} whole layers in RAM, and chooses which"
    told = experts if lies.strategy == "expert_offload" else "LM Studio keeps no single weights in RAM when told"
    unsaid += [told] * bool(settings.overrides)
    unsaid += ["LM Studio splits a model over devices as it chooses"] * bool(settings.tensor_split)
    unsaid += ["LM Studio does not use remote devices"] * bool(settings.rpc)
    return Configuration(json.dumps(config, indent=2) + "\n", tuple(unsaid))


def _name(plan: Plan) -> str:
    """What a program is to call the model: its name and quantisation, without signs that files give a meaning."""
    case = plan.candidate.case
    name = f"{case.llm.name}-{case.quant.name}"
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name)


PROGRAMS: Final[Mapping[str, Callable[[Plan, str], Configuration]]] = {
    "llama-server": _llama_server, "llama-swap": _llama_swap, "ollama": _ollama, "lm-studio": _lm_studio,
}
"""By the words of `advisor plan --for`."""
