"""`advisor plan`: the best placement and settings of a model on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from advisor.cli.own_profile import profile_options
from advisor.errors import InputError

if TYPE_CHECKING:
    from advisor.engine.plan import Plan
    from advisor.profiles.own_machine import OwnMachines
    from advisor.question import Hardware

HELP = """Show where a model's bytes should lie on this machine, how fast that will be, and the settings that do it.

MODEL is a model file (.gguf) or the name of a model. Of the placements that fit into the memory that is free now, the
one that is predicted to answer a request of --prompt and --gen soonest is taken; what you name is kept. The buffers are
llama.cpp's own figures.

\b
For example:
  advisor plan model.gguf --context 32768
  advisor plan Qwen3.6-35B-A3B --quant Q4_K_M
  advisor plan model.gguf --for ollama > Modelfile
"""


@click.command("plan", help=HELP)
@click.argument("model")
@click.option("--quant", metavar="NAME", help="How the weights of a named model are compressed. Default: Q4_K_M.")
@click.option("--context", type=click.IntRange(1), default=8192, show_default=True, help="Tokens to make room for.")
@click.option("--prompt", type=click.IntRange(1), default=512, show_default=True, help="Tokens of the prompt to read.")
@click.option("--gen", type=click.IntRange(1), default=128, show_default=True, help="Tokens of the answer to write.")
@click.option("--n-gpu-layers", type=click.IntRange(0), help="Layers on devices (99: all).")
@click.option("--n-cpu-moe", type=click.IntRange(0), help="Layers whose experts stay in RAM.")
@click.option("--n-cpu-moe-last", type=click.IntRange(0), help="Instead: the last layers, whose experts stay in RAM.")
@click.option("--n-cpu-ffn", type=click.IntRange(0), help="Layers whose dense feed-forward weights stay in RAM.")
@click.option("--kv-type", metavar="TYPE", help='Number format of the context: f16, q8_0, ... or "K/V".')
@click.option("--ubatch", type=click.IntRange(1), help="Prompt tokens per micro-batch.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads.")
@click.option("--mmap/--no-mmap", default=None, help="Map the file into memory.")
@click.option("--ram", metavar="TEXT", help='What the system does not tell of its RAM: "DDR5-6000 2x32".')
@click.option(
    "--split-mode", type=click.Choice(["layer", "row", "tensor"]),
    help="How several devices share the model. Default: as answers soonest, by layer where speeds are not known.",
)
@click.option("--rpc", multiple=True, metavar="HOST:PORT", help="A server of a remote device; repeat it for several.")
@click.option(
    "--for", "program", type=click.Choice(["llama-server", "llama-swap", "ollama", "lm-studio"]),
    help="Print the plan as that program's configuration alone.",
)
@click.option(
    "--strategies", is_flag=True, help="Compare ways to place experts: whole layers, favourites, a cache that streams."
)
@profile_options
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON alone.")
def command(model: str, *, as_json: bool, program: str | None, strategies: bool, **options: Any) -> None:
    """Plan and show; the help that users see is above."""
    if as_json and program:
        raise InputError("--json and --for exclude each other: give one")
    from advisor.engine.plan_report import as_data, report
    from advisor.prediction.strategies import section, ways_of

    plan = plan_of(model, options)
    ways = ways_of(plan.candidate.case, plan.candidate.prediction) if strategies else None
    if program:
        from advisor.engine.other_programs import configuration

        found = configuration(plan, _file_word(model), program)
        for sentence in found.unsaid:
            click.echo(f"note: {sentence}", err=True)
        click.echo(found.text, nl=False)
    elif as_json:
        import json
        from dataclasses import asdict

        more = {"strategies": asdict(ways) if ways else None} if strategies else {}
        click.echo(json.dumps(as_data(plan, _file_word(model)) | more, indent=2))
    else:
        click.echo(report(plan, _file_word(model), emphasis=lambda text: click.style(text, bold=True)))
        if strategies:
            from advisor.documents import Document, as_text

            click.echo(as_text(Document("", [section(ways)]), 80, lambda text: click.style(text, bold=True)))


def plan_of(model: str, options: dict[str, Any]) -> "Plan":
    """The plan for a model file or a name, on this machine. Raises `InputError`, `UnknownName` and `EngineFailed`."""
    from advisor.engine.planning import stand_in
    from advisor.gguf.model_file import read_model_file
    from catalog.names.llms import resolve_llm
    from catalog.names.quants import resolve_quant

    path = Path(model)
    if path.suffix.lower() == ".gguf" or path.is_file():
        return _planned(path, read_model_file(path, options.get("quant")), {"gguf": model}, options)
    from advisor.sizes.quality import default_quant

    found = resolve_llm(model)
    quant = resolve_quant(options.get("quant") or found.row.quant_text or default_quant(found.row.llm)).row
    with stand_in(found.row.llm, quant) as header:
        return _planned(header, None, model, {**options, "quant": quant.name})


def _planned(path: Path, file: Any, model: Any, options: dict[str, Any]) -> "Plan":
    from pydantic import ValidationError

    from advisor.cli.options import in_options
    from advisor.cli.own_profile import check_asked, own_machines_of
    from advisor.detection import detect
    from advisor.engine.planning import look_around, plan_here
    from advisor.question import Scenario, complaint

    found, machines = detect(), own_machines_of(options)
    try:
        hardware = _hardware(found.hardware, options.get("ram"), machines)
        values = {"model": model, "quant": options.get("quant"), "hardware": hardware, **_engine(options)}
        asked = Scenario.model_validate(values)
    except ValidationError as error:
        raise InputError(in_options(complaint(error, Scenario))) from None
    knowledge, rpc = machines.knowledge, tuple(options.get("rpc") or ())
    check_asked(options, asked, knowledge)
    own = machines.of(asked.hardware)
    here = look_around(path, found, asked, rpc, own.profile.devices if own and own.current else ())
    return plan_here(path, here, asked, file, knowledge, rpc)


def _hardware(found: "Hardware", ram: str | None, machines: "OwnMachines") -> dict[str, Any]:
    """This machine with the memory that --ram names, completed by its profile."""
    from advisor.cli.own_profile import seen_here
    from advisor.question import Hardware

    told = found.model_dump(exclude_none=True)
    if ram:
        told["ram"] = _ram(ram, told["ram"])
    return seen_here(Hardware.model_validate(told), machines).model_dump(exclude_none=True)


def _engine(options: dict[str, Any]) -> dict[str, Any]:
    names = ("n_gpu_layers", "n_cpu_moe", "n_cpu_moe_last", "n_cpu_ffn", "kv_type", "ubatch", "threads", "mmap",
             "split_mode")
    engine = {name: options[name] for name in names if options.get(name) is not None}
    work = {"prompt_tokens": options.get("prompt"), "gen_tokens": options.get("gen")}
    asked = {name: value for name, value in work.items() if isinstance(value, int)}
    return {"engine": {**engine, "n_ctx": options["context"]}, "workload": asked}


def _ram(text: str, found: dict[str, Any]) -> dict[str, Any]:
    from catalog.names.ram import parse_ram

    try:
        spec = parse_ram(text)
    except ValueError as error:
        raise InputError(f"--ram: {error}") from None
    said = {"type": spec.ram_type, "mt_s": spec.mt_s, "channels": spec.modules if (spec.modules or 3) <= 2 else None}
    return found | {name: value for name, value in said.items() if value is not None}


def _file_word(model: str) -> str:
    return model if model.lower().endswith(".gguf") else "MODEL.gguf"
