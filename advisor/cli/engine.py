"""`advisor engine`: the engine itself, and its commands `devices` and `serve-device`.

To add a command: one module that offers a `click.Command`, and one line in COMMANDS. The module imports at its top only
click and what is light.
"""

import sys
from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING, Final

import click

from advisor.cli.app import Entry, Tree

if TYPE_CHECKING:
    from advisor.detection.graphics import Card
    from advisor.engine.devices import Device

HERE: Final = "advisor.cli.engine"
MEASURED: Final = "advisor.cli.bench"
COMMANDS: Final[Mapping[str, Entry]] = {
    "devices": Entry(HERE, "List the devices that llama.cpp can put a model on.", "devices"),
    "serve-device": Entry(HERE, "Offer a device of this computer to another one.", "serve_device"),
    "synth": Entry("advisor.cli.synth", "Write a model file of an architecture with random weights."),
    "bench": Entry(MEASURED, "Measure how fast a model file runs here.", "bench"),
    "experts": Entry(MEASURED, "Show how a model file uses its experts, and keep the hot ones in memory.", "experts"),
}

command = Tree(
    "engine",
    COMMANDS,
    help="""The engine that runs models here: llama.cpp through llama-cpp-python, and its devices.""",
)


@click.command("devices")
@click.option("--rpc", "endpoints", multiple=True, metavar="HOST:PORT", help="List the devices of this RPC server too.")
@click.option("--json", "as_json", is_flag=True, help="Print the devices as JSON alone.")
def devices(*, endpoints: tuple[str, ...], as_json: bool) -> None:
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
    found = list_devices(nvml.cards)
    if as_json:
        import json

        data = {"devices": [device.model_dump(mode="json") for device in found], "nvml": nvml.model_dump(mode="json")}
        click.echo(json.dumps(data, indent=2))
        return
    for device in found:
        click.echo("\n".join(_described(device)))
    linked = {device.nvml.index for device in found if device.nvml}
    for card in (card for card in nvml.cards if card.index not in linked):
        click.echo("\n".join(_unusable(card)))


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


@click.command("serve-device")
@click.option("--host", default="127.0.0.1", show_default=True, help="IPv4 address of this computer to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=50052, show_default=True, help="0 takes a free one.")
@click.option("--threads", type=int, help="Threads of the CPU; its physical cores if not given.")
@click.option(
    "--device", "devices", multiple=True, metavar="NAME", help="As 'advisor engine devices' names it. Repeat."
)
def serve_device(*, host: str, port: int, threads: int | None, devices: tuple[str, ...]) -> None:
    """Offer devices of this computer to llama.cpp on another one, until Ctrl-C.

    Without --device these are its graphics cards, else its CPU. Clients need the same version of llama.cpp; one at a
    time is served. There is neither password nor encryption: only the loopback is listened at unless --host says more.
    """
    import signal

    from advisor.engine.remote import Endpoint, RpcServer, address_of, exposure

    at = Endpoint(address_of(host), port)
    if warning := exposure(at):
        click.echo(f"warning: {warning}", err=True)
    signal.signal(signal.SIGTERM, _interrupt)
    with RpcServer.start(at, threads=threads, devices=devices, log=sys.stderr) as server:
        try:
            click.echo(f"listening at {server.endpoint} (protocol {server.protocol}); Ctrl-C ends it")
            sys.stdout.flush()
            end = server.wait()
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            return
    click.echo(f"advisor: the RPC server at {server.endpoint} {end}", err=True)
    click.get_current_context().exit(1)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the handler's signature
    raise KeyboardInterrupt
