"""Whether settings can run here at all, told before anything is loaded: threads there are, memory there is."""

from collections.abc import Mapping

from advisor.engine.layout import CPU, Layout
from advisor.engine.settings import CONTEXT_PAD, EngineSettings
from advisor.errors import InputError
from catalog.units import GIB


def check_threads(settings: EngineSettings, processors: int) -> None:
    """Refuse more threads than the system runs at a time: they would wait for each other at every layer."""
    for option, number in (("--threads", settings.threads), ("--threads-batch", settings.threads_batch or 1)):
        if number > processors:
            raise InputError(f"{option} {number} is more than the {processors} processors here: give 1 to {processors}")


def check_room(layout: Layout, free_bytes: Mapping[str, float], settings: EngineSettings) -> None:
    """Refuse what finds no room: on a device all that it holds, in RAM what cannot be read from the file again."""
    for device, share in layout.shares.items():
        free = free_bytes.get(device)
        need = share.total
        if device == CPU and settings.mapped:
            need -= share.weights - (layout.repackable if settings.extra_buffers else 0.0)
        if free is not None and need > free:
            raise InputError(_sentence(layout, device, need, free, settings))


def _sentence(layout: Layout, device: str, need: float, free: float, settings: EngineSettings) -> str:
    share = layout.shares[device]
    where = "RAM" if device == CPU else device
    start = f"{need / GIB:.1f} GiB are needed in {where} and {free / GIB:.1f} GiB are free"
    if share.kv > need / 2:
        fixed = need - share.kv - share.compute
        longest = int(settings.n_ctx * max(0.0, free - fixed) / (need - fixed)) // CONTEXT_PAD * CONTEXT_PAD
        what = f"the context of {settings.n_ctx:,} tokens alone takes {share.kv / GIB:.1f} GiB"
        return f"{start}: {what}; give --context {longest} or less" if longest else f"{start}: {what}"
    if device == CPU and settings.mapped and settings.extra_buffers:
        return f"{start}: free some, or give --no-repack, so that weights stay pages of the file"
    if device == CPU:
        return f"{start}: free some, take a smaller quant, or let the file be mapped"
    return f"{start}: give a lower --n-gpu-layers, a higher --n-cpu-moe or a shorter --context"
