"""The question: a model, a machine, an engine and a workload, as other programs write it in JSON (the contract).

An explicit null and an absent field mean the same: "not said". Unknown fields are refused by name.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Size = Annotated[float, Field(gt=0, le=1e5, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=0, le=100_000_000)]
KV_SPELLINGS = {"fp16": "f16", "half": "f16", "fp32": "f32", "q8": "q8_0", "q4": "q4_0", "q5": "q5_0"}
KV_TYPES = ("f16", "bf16", "f32", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl", "q6_0")
"""Types of a KV cache. Source: llama.cpp common/arg.cpp (kv_cache_types); q6_0: ik_llama.cpp (read 2026-11-24)."""


class _Question(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


class GpuRequest(_Question):
    """One kind of graphics card; `vram_gb` (GiB) tells variants of one name apart."""

    name: Text
    count: Annotated[int, Field(ge=1, le=16)] = 1
    vram_gb: Size | None = None
    pcie_gen: Annotated[int, Field(ge=1, le=7)] | None = None
    pcie_lanes: Annotated[int, Field(ge=1, le=16)] | None = None


class RamRequest(_Question):
    """System memory; `gb` is GiB, as written on a box."""

    type: Text | None = None
    mt_s: Annotated[int, Field(ge=100, le=20_000)] | None = None
    channels: Annotated[int, Field(ge=1, le=64)] | None = None
    gb: Size | None = None


class StorageRequest(_Question):
    """The disk that the model lies on."""

    name: Text | None = None
    read_gb_s: Size | None = None


class Hardware(_Question):
    """Parts, or the name of a whole machine."""

    gpus: tuple[GpuRequest, ...] = ()
    cpu: Text | None = None
    ram: RamRequest = RamRequest()
    storage: StorageRequest = StorageRequest()
    machine: Text | None = None


class Engine(_Question):
    """The inference program and its settings; None leaves the choice to the planner."""

    name: Literal["llama.cpp", "ik_llama.cpp"] = "llama.cpp"
    version: Text | None = None
    released: Text | None = None
    backend: Literal["cuda", "rocm", "vulkan", "metal", "sycl", "cpu", "opencl"] | None = None
    n_gpu_layers: Annotated[int, Field(ge=-1, le=100_000)] | None = None
    n_cpu_moe: Annotated[int, Field(ge=0, le=100_000)] | None = None
    n_ctx: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    kv_type: Text = "f16"
    flash_attn: bool | None = None
    mmap: bool | None = None
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None
    ubatch: Annotated[int, Field(ge=1, le=65_536)] = 512

    @model_validator(mode="before")
    @classmethod
    def _spellings(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("backend"), str):
            word = value["backend"].strip().lower()
            return {**value, "backend": "rocm" if word in {"hip", "rocwmma"} else word}
        return value

    @field_validator("kv_type")
    @classmethod
    def _known_cache_type(cls, value: str) -> str:
        words = [word.strip() for word in value.lower().split("/")]
        if len(words) > 2 or any(KV_SPELLINGS.get(word, word) not in KV_TYPES for word in words):
            raise ValueError(f'{value!r} is not known; give one of {", ".join(KV_TYPES)}, or two as "K/V"')
        return value

    @property
    def kv_types(self) -> tuple[str, str]:
        """Types of the K and the V cache, from "q8_0" or "q8_0/f16"."""
        k_type, _, v_type = self.kv_type.lower().replace(" ", "").partition("/")
        return k_type, v_type or k_type


class Workload(_Question):
    """How the model is used: prefill of `prompt_tokens` from `context_depth` on, then `gen_tokens` of decode."""

    context_depth: Tokens = 0
    prompt_tokens: Tokens = 512
    gen_tokens: Annotated[int, Field(ge=1, le=100_000_000)] = 128
    users: Annotated[int, Field(ge=1, le=1024)] = 1

    @property
    def decode_depth(self) -> float:
        """Mean context depth during decode, in tokens."""
        return self.context_depth + self.gen_tokens / 2


class GgufFile(_Question):
    """A model given as a file."""

    gguf: Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class Scenario(_Question):
    """One question to the advisor."""

    model: Text | GgufFile
    quant: Text | None = None
    hardware: Hardware = Hardware()
    engine: Engine = Engine()
    workload: Workload = Workload()

    @model_validator(mode="after")
    def _something_to_run_on(self) -> Self:
        hardware = self.hardware
        if not (hardware.gpus or hardware.cpu or hardware.machine or hardware.ram.gb or hardware.ram.type):
            raise ValueError("hardware names nothing to run on: give gpus, a cpu, ram or a machine")
        return self

    @property
    def context_tokens(self) -> int:
        """Context allocated: as asked, else depth + prompt + generated tokens padded to 256 (per sequence)."""
        need = self.workload.context_depth + self.workload.prompt_tokens + self.workload.gen_tokens
        return self.engine.n_ctx or -(-need // 256) * 256
