"""What to say beside the numbers: pitfalls of the scenario and the settings that run it."""

from advisor.answer import REGIMES, Warning
from advisor.prediction.case import Case
from catalog.units import GIB


def warnings_of(case: Case) -> tuple[Warning, ...]:
    """Pitfalls of a case, most serious first."""
    found = (_vram(case), _storage(case), _unreadable(case), _context(case), _quantised_v(case), _slow_ram(case))
    return tuple(item for item in found if item is not None)


def _vram(case: Case) -> Warning | None:
    place = case.placement
    if place.exceeded <= 1.0:
        return None
    share = f"{(place.exceeded - 1) * 100:.0f} %"
    if case.runs:
        message = (
            f"the placement asked for needs {share} more GPU memory than there is: it may fail to load or slow down"
        )
        return Warning(code="vram_exceeded", message=f"{message}; raise n_cpu_moe or lower n_gpu_layers or the context")
    message = f"it does not fit: {share} more memory is needed than there is"
    return Warning(code="does_not_fit", message=f"{message}; take a smaller quant, a shorter context or more memory")


def _storage(case: Case) -> Warning | None:
    missing = case.placement.storage_bytes / GIB
    if missing <= 0:
        return None
    cycled = float(case.work.cycled_bytes) / GIB
    read = f"{cycled:.1f} GiB are read from disk for every token" if cycled else "they are read from disk over and over"
    message = f"{missing:.1f} GiB of the model find no room in RAM, so {read}"
    return Warning(code="ram_below_floor", message=f"{message}; {missing:.0f} GiB more RAM would end that")


def _unreadable(case: Case) -> Warning | None:
    if case.placement.storage_bytes > 0 and case.scenario.engine.mmap is False:
        return Warning(code="needs_mmap", message="without mmap the model must fit into RAM: allow mmap or add RAM")
    return None


def _context(case: Case) -> Warning | None:
    asked, longest = case.scenario.context_tokens, case.llm.max_context
    if longest and asked > longest:
        return Warning(
            code="context_beyond_model",
            message=f"{asked} tokens exceed the {longest} that {case.llm.name} was made for",
        )
    return None


def _quantised_v(case: Case) -> Warning | None:
    v_type = case.scenario.engine.kv_type.lower().rpartition("/")[2]
    if case.scenario.engine.flash_attn is False and v_type not in {"f16", "bf16", "f32"}:
        return Warning(
            code="needs_flash_attn", message=f"a {v_type} V cache needs flash attention: set flash_attn to true"
        )
    return None


def _slow_ram(case: Case) -> Warning | None:
    if not REGIMES[case.placement.strategy].beside_ram or "ram_channels" in case.machine.unknown:
        return None
    if case.machine.ram.bandwidth_gb_s >= 30:
        return None
    speed = f"{case.machine.ram.bandwidth_gb_s:.0f} GB/s"
    return Warning(
        code="slow_ram", message=f"RAM of {speed} limits every token: fill both channels or take faster modules"
    )


def flags_of(case: Case) -> dict[str, str]:
    """Command lines that run and that verify the scenario."""
    engine, load = case.scenario.engine, case.scenario.workload
    k_type, _, v_type = engine.kv_type.lower().partition("/")
    shared = [f"-ngl {case.placement.n_gpu_layers}"]
    if case.placement.n_cpu_moe:
        shared.append(f"-ncmoe {case.placement.n_cpu_moe}")
    if k_type != "f16" or v_type not in {"", "f16"}:
        shared.append(f"-ctk {k_type} -ctv {v_type or k_type}")
    shared.append(f"-ub {engine.ubatch}")
    if engine.threads:
        shared.append(f"-t {engine.threads}")
    flash = "on" if case.setting.flash == "fa" else "off"
    options = " ".join(shared)
    bench = f"-p {load.prompt_tokens} -n {load.gen_tokens} -d {load.context_depth} -fa {int(flash == 'on')}"
    # -lm has taken the place of --no-mmap and -mmp: llama.cpp common/arg.cpp in llama-cpp-python 0.3.36 (2026-11-28).
    mapped = {None: "", True: " -lm mmap", False: " -lm none"}[engine.mmap]
    return {
        "llama-server": f"llama-server -m MODEL.gguf -c {case.scenario.context_tokens} {options} -fa {flash}{mapped}",
        "llama-bench": f"llama-bench -m MODEL.gguf {options} {bench}{mapped}",
    }
