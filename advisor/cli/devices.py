"""`advisor engine devices`: what a model can be put on."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from advisor.detection.graphics import Card, Nvml
    from advisor.engine.devices import Device


@click.command("devices")
@click.option("--rpc", "endpoints", multiple=True, metavar="HOST:PORT", help="List the devices of this RPC server too.")
@click.option("--json", "as_json", is_flag=True, help="Print the devices as JSON alone.")
def command(*, endpoints: tuple[str, ...], as_json: bool) -> None:
    """List the devices that llama.cpp can put a model on, with their memory.

    Of NVIDIA's cards also the PCIe link, clocks, power and temperature as they are now: an idle card runs its link and
    clocks low.
    """
    from advisor.detection.graphics import read_nvml
    from advisor.engine.devices import list_devices
    from advisor.engine.remote import Endpoint, connect

    for endpoint in endpoints:
        connect(Endpoint.parse(endpoint))
    nvml = read_nvml()
    devices = list_devices(nvml.cards)
    if as_json:
        click.echo(_json(devices, nvml))
        return
    for device in devices:
        click.echo("\n".join(_described(device)))
    linked = {device.nvml.index for device in devices if device.nvml}
    for card in (card for card in nvml.cards if card.index not in linked):
        click.echo("\n".join(_unusable(card)))


def _json(devices: "tuple[Device, ...]", nvml: "Nvml") -> str:
    import json

    found = [device.model_dump(mode="json") for device in devices]
    return json.dumps({"devices": found, "nvml": nvml.model_dump(mode="json")}, indent=2)


def _described(device: "Device") -> list[str]:
    from catalog.units import GIB

    free, total = device.free_bytes / GIB, device.total_bytes / GIB
    kind = "" if device.kind in {"cpu", "gpu"} else f", {device.kind}"
    head = f"{device.name}: {device.description} ({device.backend}{kind}), {free:.1f} of {total:.1f} GiB free"
    return [head, *_card_described(device.nvml)] if device.nvml else [head]


def _unusable(card: "Card") -> list[str]:
    from advisor.engine.library import NVIDIA, install_command

    name = card.name or f"NVIDIA card {card.index}"
    head = f"{name}: known to NVIDIA's driver, but not usable by this build of llama.cpp"
    remedy = f"  a build that can use it: {install_command(NVIDIA, anew=True)}"
    return [head, *_card_described(card), remedy]


def _card_described(card: "Card") -> list[str]:
    known = [
        ("PCIe", _of(card.pcie_gen, card.pcie_gen_max, "generation ")),
        ("lanes", _of(card.pcie_lanes, card.pcie_lanes_max)),
        ("core clock", _of(card.graphics_clock_mhz, card.graphics_clock_max_mhz, unit=" MHz")),
        ("memory clock", _of(card.memory_clock_mhz, card.memory_clock_max_mhz, unit=" MHz")),
        ("power", _of(card.power_draw_w, card.power_limit_w, unit=" W")),
        ("temperature", _of(card.temperature_c, None, unit=" °C")),
        ("sent", _of(card.pcie_sent_kb_s, None, unit=" KB/s")),
        ("received", _of(card.pcie_received_kb_s, None, unit=" KB/s")),
        ("PCIe replays", _of(card.pcie_replays, None)),
    ]
    told = ", ".join(f"{label} {value}" for label, value in known if value)
    lines = [f"  {told}"] if told else []
    reasons = sorted(set(card.unread.values()))
    fields = {reason: [field for field, why in card.unread.items() if why == reason] for reason in reasons}
    return lines + [f"  not told ({reason}): {', '.join(names)}" for reason, names in fields.items()]


def _of(now: float | None, most: float | None, prefix: str = "", unit: str = "") -> str | None:
    """A value and its greatest.

    >>> _of(3, 4, "generation ")
    'generation 3 of 4'
    """
    if now is None:
        return None
    return f"{prefix}{now:g}{unit}" if most is None else f"{prefix}{now:g} of {most:g}{unit}"
