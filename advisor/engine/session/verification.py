"""Whether llama.cpp put each group of tensors where the plan said."""

from collections.abc import Iterator

from advisor.engine.layout import CPU, Layout
from advisor.engine.session.buffers import BufferReport
from advisor.errors import EngineFailed
from catalog.units import MIB

TOLERANCE = 0.03
SLACK_BYTES = 1 * MIB
"""Sizes in the log have two decimals, and each tensor is padded to its device's alignment."""
SHOWN = 3


def check_placement(layout: Layout, report: BufferReport, mapped: bool) -> None:
    """Raise `EngineFailed`, saying what went where, unless everything lies where the layout has it.

    `mapped`: weights in RAM are pages of the file, whose buffer is the span from the first to the last of them.
    """
    wrong = [*_layers(layout, report), *_moved(layout, report), *_sizes(layout, report, mapped)]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise EngineFailed(f"llama.cpp did not place the model as planned: {'; '.join(wrong[:SHOWN])}{more}")


def _layers(layout: Layout, report: BufferReport) -> Iterator[str]:
    if len(layout.layer_devices) != len(report.layer_devices):
        yield f"it counts {len(report.layer_devices) - 1} layers where {len(layout.layer_devices) - 1} were planned"
        return
    last = len(layout.layer_devices) - 1
    for index, (planned, found) in enumerate(zip(layout.layer_devices, report.layer_devices, strict=True)):
        if planned != found:
            yield f"{'the output' if index == last else f'layer {index}'} went to {found}, not {planned}"


def _moved(layout: Layout, report: BufferReport) -> Iterator[str]:
    for name, planned in layout.moved.items():
        found = report.overridden.get(name)
        if found != planned:
            yield f"{name} {f'went to {found}' if found else 'stayed with its layer'}, not {planned}"
    for name in report.overridden.keys() - layout.moved.keys():
        yield f"{name} was moved to {report.overridden[name]} without being planned"


def _sizes(layout: Layout, report: BufferReport, mapped: bool) -> Iterator[str]:
    for device in {*layout.shares, *report.devices()}:
        share = layout.shares.get(device)
        planned = (share.weights, share.kv, share.state) if share else (0.0, 0.0, 0.0)
        found = tuple(report.total_bytes(kind, device) for kind in ("model", "KV", "RS"))
        for what, wish, size in zip(("weights", "the KV cache", "recurrent states"), planned, found, strict=True):
            spare = layout.twice_on_cpu if device == CPU and what == "weights" else 0.0
            most = float("inf") if mapped and device == CPU and what == "weights" else wish * (1 + TOLERANCE) + spare
            if not wish * (1 - TOLERANCE) - SLACK_BYTES <= size <= most + SLACK_BYTES:
                verb = "takes" if what == "the KV cache" else "take"
                yield f"{what} {verb} {size / MIB:.0f} MiB of {device} where {wish / MIB:.0f} MiB were planned"
