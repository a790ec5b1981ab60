"""From options of the engine's commands to its settings."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from advisor.engine.settings import EngineSettings
from advisor.errors import InputError

OPTIONS = {"n_ctx": "--context", "n_ubatch": "--ubatch", "kv_type_k": "--kv-type", "kv_type_v": "--kv-type"}


def settings_of(options: Mapping[str, Any], n_ctx: int) -> EngineSettings:
    """The settings that options name; what they leave out is as in `EngineSettings`. Raises `InputError`."""
    k_type, _, v_type = (options.get("kv_type") or "f16").lower().partition("/")
    named = ("n_gpu_layers", "n_cpu_moe", "flash_attn", "load_mode", "rpc")
    values = {name: options[name] for name in named if options.get(name) is not None}
    values |= {"n_ctx": n_ctx, "kv_type_k": k_type, "kv_type_v": v_type or k_type}
    values |= {"threads": options.get("threads") or physical_cores()}
    if options.get("ubatch"):
        values["n_ubatch"] = options["ubatch"]
        values["n_batch"] = max(options["ubatch"], 2048)
    if options.get("repack") is not None:
        values["extra_buffers"] = options["repack"]
    try:
        return EngineSettings.model_validate(values)
    except ValidationError as error:
        raise InputError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    option = OPTIONS.get(field, f"--{field.replace('_', '-')}" if field else "")
    reason = first["msg"].removeprefix("Value error, ")
    return f"{option} {first['input']!r}: {reason[0].lower()}{reason[1:]}" if option else reason


def physical_cores() -> int:
    """Cores that this process may use."""
    from advisor.detection import detect

    return detect().cores or 1
