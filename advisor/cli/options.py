"""From what is typed after `advisor predict` to a scenario."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from advisor.errors import InputError, reason
from advisor.machines.memory import ram_request
from advisor.question import Hardware, Scenario, complaint, link_word
from advisor.sizes.buffers import padded
from catalog.names.storage import storage_read_gb_s

PARTS = ("gpu", "gpu_custom", "cpu", "cpu_custom", "ram", "machine")
OPTION_OF_FIELD: Mapping[str, str] = {
    "hardware.gpus[].count": "the number of cards in --gpu", "hardware.gpus[].vram_gb": "--vram",
    "hardware.gpus[].pcie_gen": "the generation in --pcie", "hardware.gpus[].pcie_lanes": "the lanes in --pcie",
    "hardware.gpus[].link": "--pcie", "hardware.gpus[].power_limit_w": "--power-limit",
    "hardware.gpus[].custom": "--gpu-custom", "hardware.unified_gpu_gb": "--unified-gpu-gb",
    "hardware.gpus": "--gpu", "hardware.cpu": "--cpu", "hardware.ram": "--ram", "hardware.machine": "--machine",
    "hardware.storage": "--storage", "engine.name": "--engine", "engine.backend": "--backend",
    "engine.n_gpu_layers": "--n-gpu-layers", "engine.n_cpu_moe": "--n-cpu-moe", "engine.n_ctx": "--context",
    "engine.kv_type": "--kv-type", "engine.threads": "--threads", "engine.ubatch": "--ubatch",
    "engine.mmproj": "--mmproj", "engine.split_mode": "--split-mode", "engine.n_cpu_ffn": "--n-cpu-ffn",
    "engine.n_cpu_moe_last": "--n-cpu-moe-last",
    "engine.speculative.max_tokens": "--draft-tokens", "engine.speculative.acceptance": "--acceptance",
    "engine.speculative.draft_model": "--draft-model", "engine.speculative.task": "--writes",
    "engine.speculative": "--speculative", "engine.version": "--build", "engine.released": "--build",
    "workload.context_depth": "--depth", "workload.prompt_tokens": "--prompt", "workload.gen_tokens": "--gen",
    "workload.decode_depth": "--decode-depth", "workload.users": "--users", "model.gguf": "--gguf", "model.hf": "--hf",
    "model.file": "--hf-file", "model.custom": "--custom-model", "model": "--model", "quant": "--quant",
}
_COUNTED = re.compile(r"(\d+)\s*[xX×]\s*(?=\D)(.+)")
_LINK = re.compile(r"(?:pcie\s*)?(?:gen\s*)?([1-7])(?:\.0)?\s*[xX×]\s*(\d{1,2})", re.IGNORECASE)
_LANES = re.compile(r"(?:pcie\s*)?x\s*(\d{1,2})(?:\s*riser)?|()riser", re.IGNORECASE)
_FIGURE = re.compile(
    r"""([a-z_0-9]+)\s*[=:]\s*(?:'([^']*)'|"([^"]*)"|([^\s,;'"]+)(?:\s(?:gb/s|gib|gb|tflops)\b(?!\s*[=:]))?)""",
    re.IGNORECASE,
)
FIGURES = {
    "vram": "vram_gb", "memory": "vram_gb", "vram_gb": "vram_gb", "bandwidth": "bandwidth_gb_s",
    "bandwidth_gb_s": "bandwidth_gb_s", "tflops": "fp16_tflops", "fp16_tflops": "fp16_tflops", "backend": "backend",
    "like": "like",
}
"""Words of --gpu-custom and the fields that they give."""
CUSTOM_EXAMPLE = """write it like "vram=48 bandwidth=1008 tflops=165 like='RTX 4090'\""""
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*[bB]?(?:[-_ /]?[aA](\d+(?:\.\d+)?)\s*[bB]?)?")
MODELS = ("model", "gguf", "hf", "custom_model", "config")
"""Options that name a model."""
CPU_FIGURES = {
    "cores": "cores", "threads": "threads", "memory": "memory", "channels": "channels", "instructions": "instructions",
    "ghz": "ghz", "clock": "ghz",
}
"""The same of --cpu-custom."""
CPU_EXAMPLE = 'write it like "cores=10 threads=20 memory=DDR3-1866 channels=4 instructions=avx ghz=3"'
_RATE = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:GB/?s)?", re.IGNORECASE)


def named_parts(options: Mapping[str, Any]) -> bool:
    """Whether any hardware to run on is named."""
    return any(options.get(name) for name in PARTS)


def scenario_from(options: Mapping[str, Any], here: Hardware | None = None, cores: int | None = None) -> Scenario:
    """The scenario that the options ask. `here` is this machine, where no hardware is named; `cores` its usable ones.

    Raises `InputError` in terms of the options.
    """
    values = {
        "model": _model(options), "quant": options["quant"], "hardware": _hardware(options, here),
        "engine": _engine(options, cores), "workload": _workload(options),
    }
    try:
        return Scenario.model_validate(values)
    except ValidationError as error:
        raise InputError(in_options(complaint(error, Scenario))) from None


def in_options(sentence: str) -> str:
    """A complaint about a field, told of the option that set it."""
    path, space, rest = sentence.partition(" ")
    field = re.sub(r"\[\d+\]", "[]", path)
    for known, option in OPTION_OF_FIELD.items():
        if field == known or field.startswith((f"{known}.", f"{known}[")):
            return f"{option}{space}{rest}"
    return sentence


def _model(options: Mapping[str, Any]) -> str | dict[str, Any]:
    """The model as a question names it: one of the options that do."""
    given = [name for name in MODELS if options.get(name)]
    if len(given) > 1:
        first, second = (f"--{name.replace('_', '-')}" for name in given[:2])
        raise InputError(f"{first} and {second} name a model each: give one of them")
    if not given:
        raise InputError('name the model: --model NAME, for example --model "Qwen3.6-35B-A3B", or --gguf FILE')
    value = str(options[given[0]])
    if options.get("hf_file") and given != ["hf"]:
        raise InputError("--hf-file names a file of a repository: name that with --hf")
    if given == ["hf"]:
        return {"hf": value, "file": options.get("hf_file")}
    if given == ["custom_model"]:
        return {"custom": _sized(value)}
    if given == ["config"]:
        from advisor.sizes.configuration import MOST_BYTES, custom_of_config

        try:
            with Path(value).open(encoding="utf-8") as file:
                text = file.read(MOST_BYTES + 1)
        except (OSError, ValueError) as error:
            raise InputError(f"--config {value!r} cannot be read: {reason(error)}") from None
        return {"custom": {"name": Path(value).resolve().parent.name[:300] or "a described model"}
                | custom_of_config(text, f"--config {value!r}")}
    return {"gguf": value} if given == ["gguf"] else value


def _sized(text: str) -> dict[str, Any]:
    """A size such as "32B-A3B", or shapes as a JSON object."""
    if found := _SIZE.fullmatch(text.strip()):
        active = {"active_parameters_b": float(found[2])} if found[2] else {}
        return {"name": text.strip(), "parameters_b": float(found[1]), **active}
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise InputError(
            f'--custom-model {text[:60]!r} is not understood: write a size such as "32B-A3B", or a JSON '
            'object such as {"n_layers": 48, "hidden_size": 2048, ...}'
        )
    return value


def _hardware(options: Mapping[str, Any], here: Hardware | None) -> dict[str, Any]:
    if options["machine"] and (options["cpu"] or options.get("cpu_custom")):
        raise InputError("--machine names a whole computer: leave out --cpu")
    if options["unified_gpu_gb"] and not options["machine"]:
        raise InputError("--unified-gpu-gb says more of a computer with one memory: name it with --machine")
    if (options["pcie"] or options["vram"] or options["power_limit"]) and not (options["gpu"] or options["gpu_custom"]):
        raise InputError("--pcie, --vram and --power-limit say more of a card: name it with --gpu")
    if options.get("nvlink") and not (options["gpu"] or options["gpu_custom"]):
        raise InputError('--nvlink joins cards of one kind: name them with --gpu, such as "2x RTX 3090"')
    if here is not None:
        found = here.model_dump(exclude_none=True)
        return found | ({"storage": _storage(options["storage"])} if options["storage"] else {})
    return {
        "gpus": _gpus(options), "cpu": _cpu(options),
        "ram": _ram(options["ram"], options["cpu"]), "machine": options["machine"],
        "unified_gpu_gb": options["unified_gpu_gb"],
        "storage": _storage(options["storage"]),
    }


def _gpus(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    named = [part.strip() for name in options["gpu"] or () for part in name.split(" + ")]
    described = [*(options["gpu_custom"] or ())]
    kinds = [*named, *described]
    wires = _for_each(options["pcie"] or (), kinds, "--pcie")
    watts = _for_each(options["power_limit"] or (), kinds, "--power-limit")
    sizes = [*_for_each(options["vram"] or (), named, "--vram"), *[None] * len(described)]
    cards: list[dict[str, Any]] = []
    for index, (kind, size, wire, limit) in enumerate(zip(kinds, sizes, wires, watts, strict=True)):
        counted = _COUNTED.fullmatch(kind)
        count, text = (int(counted[1]), counted[2].strip()) if counted else (1, kind)
        said = {"name": text, "vram_gb": size} if index < len(named) else {"custom": _figures(text)}
        joined = bool(options.get("nvlink")) and (count > 1 or len(kinds) == 1)
        cards.append({**said, "count": count, "power_limit_w": limit, "nvlink": joined or None, **_link(wire)})
    return cards


def _cpu(options: Mapping[str, Any]) -> str | dict[str, Any] | None:
    """The processor, by its name or by its figures."""
    named: str | None = options["cpu"]
    described = options.get("cpu_custom")
    if named and described:
        raise InputError("--cpu and --cpu-custom say one processor each: give one of them")
    return {"custom": _read_figures(described, CPU_FIGURES, "--cpu-custom", CPU_EXAMPLE)} if described else named


def _read_figures(text: str, names: Mapping[str, str], option: str, example: str) -> dict[str, str]:
    """Figures as an option says them ("vram=48"), by field; every word is understood or refused."""
    figures: dict[str, str] = {}
    for word, *values in _FIGURE.findall(text):
        if word.lower() not in names:
            raise InputError(f"{option}: {word!r} is not understood, only {', '.join(names)}; {example}")
        figures[names[word.lower()]] = "".join(values)
    left = _FIGURE.sub(" ", text).replace(",", " ").replace(";", " ").split()
    if left or not figures:
        raise InputError(f"{option}: {' '.join(left) or text!r} is not understood; {example}")
    return figures


def _figures(text: str) -> dict[str, str]:
    """A card as --gpu-custom describes it."""
    figures = _read_figures(text, FIGURES, "--gpu-custom", CUSTOM_EXAMPLE)
    for field in figures.keys() & {"vram_gb", "bandwidth_gb_s", "fp16_tflops"}:
        figures[field] = re.sub(r"(?i)\s*(?:gb/s|gib|gb|tflops|t|g)$", "", figures[field])
    return figures


def _for_each(values: Sequence[Any], kinds: Sequence[str], option: str) -> Sequence[Any]:
    """One value for every kind of card: as given, or the single one for all."""
    if len(values) not in (0, 1, len(kinds)):
        raise InputError(
            f"{option} is given {len(values)} times for {len(kinds)} kinds of GPU: give it once or once for each"
        )
    return values if len(values) == len(kinds) else (list(values) or [None]) * len(kinds)


def _link(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    if word := link_word(text):
        return {"link": word}
    if lanes := _LANES.fullmatch(text.strip()):
        return {"pcie_lanes": int(lanes[1] or 1)}
    found = _LINK.fullmatch(text.strip())
    if not found:
        raise InputError(
            f'--pcie {text!r} is not understood: write generation x lanes, such as "4x8" or "3x1", or "Thunderbolt 4", '
            '"USB4" or "OCuLink"'
        )
    return {"pcie_gen": int(found[1]), "pcie_lanes": int(found[2])}


def _ram(text: str | None, cpu: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        return ram_request(text, cpu).model_dump()
    except ValueError as error:
        raise InputError(f"--ram: {error}") from None


def _storage(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    rate = _RATE.fullmatch(text.strip())
    if not rate and storage_read_gb_s(text) is None:
        raise InputError(f"--storage {text!r} is not known: name a disk, or give its reading speed in GB/s such as 3.5")
    return {"read_gb_s": float(rate[1])} if rate else {"name": text}


def _engine(options: Mapping[str, Any], cores: int | None) -> dict[str, Any]:
    """The engine's settings; --context counts, but never less than depth, prompt and answer take."""
    asked = ("n_gpu_layers", "n_cpu_moe", "backend", "kv_type", "ubatch", "flash_attn", "mmap")
    context: int | None = options["context"]
    if context is not None and context > 0:
        need: int = max((options["depth"] or 0) + options["prompt"], options.get("decode_depth") or 0) + options["gen"]
        context = max(context, padded(need))
    return {
        **{name: options[name] for name in asked}, "name": options["engine"], "n_ctx": context,
        "threads": cores if options["threads"] is None else options["threads"], "mmproj": _projector(options),
        "split_mode": options.get("split_mode"), "n_cpu_ffn": options.get("n_cpu_ffn"),
        "n_cpu_moe_last": options.get("n_cpu_moe_last"),
        "speculative": _speculative(options), **_build(options.get("build")),
    }


def _build(asked: str | None) -> dict[str, str]:
    """The age of the engine's build, by its number or the day it is of. Raises `InputError`."""
    text = (asked or "").strip().lower()
    if not text:
        return {}
    if re.fullmatch(r"20\d\d-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?", text):
        return {"released": text}
    if re.fullmatch(r"b?\d{4,5}", text):
        return {"version": text if text.startswith("b") else f"b{text}"}
    raise InputError(f"--build {asked!r} is not understood: give a number such as b4500 or a date such as 2025-02")


def _speculative(options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Drafting as it is asked for; what says more of it needs to know by what."""
    more = {"max_tokens": "draft_tokens", "acceptance": "acceptance", "draft_model": "draft_model", "task": "writes"}
    said = {field: options.get(name) for field, name in more.items() if options.get(name) is not None}
    kind: str | None = options.get("speculative")
    if kind is None and said.get("draft_model"):
        kind = "draft_model"
    if kind is None and said:
        option = more[next(iter(said))].replace("_", "-")
        raise InputError(f"--{option} says more of drafting: name what drafts with --speculative, such as mtp")
    return {"kind": kind, **said} if kind else None


def _projector(options: Mapping[str, Any]) -> str | None:
    """The projector for images, as the engine is asked for it; of a file that is here its size counts."""
    asked: str | None = options.get("mmproj")
    if asked is None:
        return "F16" if options.get("vision") else None
    try:
        return f"{Path(asked).stat().st_size} bytes" if Path(asked).is_file() else asked
    except (OSError, ValueError):
        return asked


def _workload(options: Mapping[str, Any]) -> dict[str, Any]:
    """Speeds near the end of --context, whose last tokens are prompt and answer, unless --depth says otherwise."""
    depth = options["depth"]
    if depth is None:
        depth = max(0, (options["context"] or 0) - options["prompt"] - options["gen"])
    return {
        "context_depth": depth,
        "prompt_tokens": options["prompt"],
        "gen_tokens": options["gen"],
        "users": options["users"],
        "decode_depth": options.get("decode_depth"),
    }
