"""`advisor detect`: this machine's parts."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from advisor.detection import Detected, Facts
    from advisor.engine.devices import Ggml
    from advisor.question import Hardware

QUESTION = {"model": "any", "prompt": 1, "gen": 1, "users": 1, "engine": "llama.cpp", "kv_type": "f16", "ubatch": 512}
"""What else a scenario must say; none of it is looked at here."""
GIVEN = ("gpu", "cpu", "ram", "machine", "storage", "vram", "pcie")


@click.command("detect")
@click.option(
    "--gpu", multiple=True, metavar="NAME", help='The graphics card, where the system tells another: "2x RTX 3090".'
)
@click.option("--vram", multiple=True, type=float, metavar="GB", help="Its memory.")
@click.option("--pcie", multiple=True, metavar="GENxLANES", help='Its link, such as "4x8".')
@click.option("--cpu", metavar="NAME", help="The processor, where the system hides it.")
@click.option("--ram", metavar="TEXT", help='System memory: "DDR5-6000 2x32", or "DDR5-6000" to keep the size found.')
@click.option("--machine", metavar="NAME", help="A whole laptop or unified-memory machine instead of its parts.")
@click.option("--storage", metavar="NAME|GB/S", help="The disk that models lie on, or its read speed.")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A model's file or folder: the disk that it lies on. Default: the home folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the parts as JSON alone: the `hardware` of a scenario.")
@click.option(
    "--all", "everything", is_flag=True, help="With --json: all that was found, the hardware under `hardware`."
)
def command(*, model: Path | None, as_json: bool, everything: bool, **options: Any) -> None:
    """Show this machine's parts, as `advisor predict` takes them when none are named.

    What the system does not tell is left open and said: few systems tell the RAM's type and speed to everyone. Give it
    by option to see the whole.
    """
    from dataclasses import replace

    from advisor.detection import completed, detect, excess, read_facts
    from advisor.engine.devices import ask_ggml
    from advisor.question import StorageRequest

    given(options, None)  # what is misspelt is refused before anything is looked at
    ggml = ask_ggml()
    found = detect(ggml.cards())
    facts = read_facts(model)
    named = given(options, found.hardware.cpu_name)
    told = found.hardware.model_copy(update={"storage": StorageRequest(name=facts.storage.name)})
    remark = excess(told, named)
    notes = found.notes + ((remark,) if remark else ())
    found = replace(found, hardware=completed(told, named), notes=notes)
    _show(found, facts, ggml, as_json=as_json, everything=everything)


def given(options: Mapping[str, Any], cpu: str | None) -> "Hardware":
    """The parts that options name, read as `advisor predict` reads them; `cpu` is this machine's, whose channels count.

    Raises InputError.
    """
    from advisor.cli.options import scenario_from
    from advisor.machines.from_parts import machine_of

    named = {name: options[name] for name in GIVEN}
    asked = {**QUESTION, **named, "cpu": named["cpu"] or (None if named["machine"] else cpu or "unknown")}
    hardware = scenario_from(defaultdict(lambda: None, asked)).hardware
    machine_of(hardware)
    return hardware.model_copy(update={"cpu": named["cpu"]})


def _show(found: "Detected", facts: "Facts", ggml: "Ggml", *, as_json: bool, everything: bool) -> None:
    if not as_json:
        from advisor.detection.wording import described

        click.echo("\n".join(described(found, facts, ggml.lines())))
        return
    if everything:
        import json
        from dataclasses import asdict

        cards = [
            {"name": card.name, "vram_gib": card.vram_gib, "pcie_gen": card.pcie_gen_max, "pcie_lanes": card.pcie_lanes,
             "pcie_gen_now": card.pcie_gen, "pcie_lanes_max": card.pcie_lanes_max}
            for card in found.cards
        ]
        told = {"name", "description", "kind", "backend", "total_bytes"}
        devices = ggml.model_dump(mode="json", include={"devices": {"__all__": told}, "absent": True})
        head = {"hardware": found.hardware.model_dump(mode="json"), "cores": found.cores, "cards": cards}
        whole = {**head, "ggml": devices, **asdict(facts), "notes": found.notes}
        click.echo(json.dumps(whole, indent=2, default=str))
        return
    click.echo(found.hardware.model_dump_json(indent=2))
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
