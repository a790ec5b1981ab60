"""`advisor predict`: one scenario from options, or many from a file of JSON lines."""

from typing import TYPE_CHECKING, Any

import click

from advisor.cli.own_profile import profile_options
from advisor.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.answer import Prediction
    from advisor.documents import Section
    from advisor.gguf.model_file import ModelFile
    from advisor.physics.knowledge import Knowledge
    from advisor.profiles.own_machine import OwnMachines
    from advisor.question import Scenario
    from catalog.efficiency import PublicRun

EXAMPLES = """
Predict how fast a language model runs on a computer, and where its bytes lie.

Name a model and the hardware; what you leave out is taken as is common, and listed as assumed. With no hardware at
all the answer is for this machine.

\b
Examples:
  advisor predict --model Qwen3.6-35B-A3B --quant Q4_K_M \\
      --gpu "RTX 3060 12GB" --cpu "Ryzen 7 5800X" --ram "DDR4-3600 2x16"
  advisor predict --model gpt-oss-120b --gpu "2x RTX 3090" --context 32768
  advisor predict --model Llama-3.3-70B --quant Q4_K_M --machine "M4 Max 64GB"
  advisor predict --gguf ~/models/Qwen3-8B-Q4_K_M.gguf --gpu "RTX 4070"
  advisor predict --batch questions.jsonl --output answers.jsonl
"""
CLOSING = """
\b
One line of --batch, here on several. All but model and one part to run on may
be left out or null:
  {"model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M",
   "hardware": {"gpus": [{"name": "RTX 3060 12GB", "count": 1,
                          "pcie_gen": 4, "pcie_lanes": 16}],
                "cpu": "Ryzen 7 5800X", "machine": null,
                "ram": {"type": "DDR4", "mt_s": 3600, "channels": 2, "gb": 32},
                "storage": {"read_gb_s": 3.5}},
   "engine": {"name": "llama.cpp", "backend": "cuda", "n_gpu_layers": null,
              "n_cpu_moe": null, "n_ctx": null, "kv_type": "f16",
              "flash_attn": true, "mmap": null, "threads": 8, "ubatch": 512,
              "split_mode": null, "speculative": {"kind": "mtp", "max_tokens": 3}},
   "workload": {"context_depth": 0, "prompt_tokens": 512, "gen_tokens": 128,
                "users": 1}}
A line that cannot be answered gives
  {"error": {"code": "...", "message": "...", "input": ...}}
in its place, and the batch goes on.
"""
NEARBY = ("machine", "backend", "model", "quant", "regime", "n_cpu_moe", "depth", "decode_tok_s", "prefill_tok_s",
          "source", "as_of")
"""What is told of a measured run to programs."""
BACKENDS = "cuda, rocm, vulkan, metal, sycl, cpu or opencl"


@click.command("predict", help=EXAMPLES, epilog=CLOSING, context_settings={"max_content_width": 100})
@click.option("--model", metavar="NAME", help="The language model, in any common spelling; may carry the quant.")
@click.option(
    "--quant",
    metavar="NAME",
    help="How its weights are compressed, as llama.cpp names it. Default: as the model's name says, else Q4_K_M.",
)
@click.option(
    "--gguf",
    metavar="FILE",
    help="A model file instead of --model: its header says what it is and how large; any part. Of an https address the "
    "header alone is read.",
)
@click.option("--hf", metavar="OWNER/REPO", help="A repository of Hugging Face: the header of a GGUF alone is read.")
@click.option("--hf-file", metavar="PATH", help="Which of its files. Default: that of --quant, else a common one.")
@click.option(
    "--custom-model", metavar="SIZE|JSON",
    help='A model in no catalog: its size ("32B-A3B": all parameters and those in use), or its shapes as JSON.',
)
@click.option("--config", metavar="FILE", help="The config.json of a model in no catalog.")
@click.option(
    "--gpu",
    multiple=True,
    metavar="NAME",
    help='A graphics card; repeat it for several kinds, write "2x RTX 3090" for two alike.',
)
@click.option(
    "--vram",
    multiple=True,
    type=float,
    metavar="GIB",
    help="Memory of each such card, where one name is sold in several sizes.",
)
@click.option(
    "--gpu-custom",
    multiple=True,
    metavar="FIGURES",
    help="A card by its figures: \"vram=48 bandwidth=1008 tflops=165 like='RTX 4090'\"; also backend=vulkan.",
)
@click.option(
    "--pcie",
    multiple=True,
    metavar="GENxLANES",
    help='Link of each such card: "4x8", "3x1", "Thunderbolt 4", "USB4", "OCuLink". Default: what card and CPU allow.',
)
@click.option("--nvlink", is_flag=True, help="NVLink joins the cards of a kind, for when they share layers.")
@click.option(
    "--power-limit", multiple=True, type=float, metavar="W", help="Power that each such card is limited to, in watts."
)
@click.option("--cpu", metavar="NAME", help="The processor. Without any --gpu the model runs on it alone.")
@click.option(
    "--cpu-custom",
    metavar="FIGURES",
    help='A processor that the catalog lacks: "cores=10 threads=20 memory=DDR3-1866 channels=4 instructions=avx".',
)
@click.option("--ram", metavar="TEXT", help='System memory: "DDR4-3600 2x16" (two modules of 16 GB), "64GB DDR5".')
@click.option(
    "--machine",
    metavar="NAME",
    help='A whole computer with one memory, or a laptop: "Apple M4 Max", "Strix Halo"; a --gpu beside it is one more.',
)
@click.option(
    "--unified-gpu-gb",
    type=float,
    metavar="GIB",
    help="How much of one memory the GPU may use, where you changed it (GTT, BIOS, iogpu.wired_limit_mb).",
)
@click.option(
    "--storage", metavar="NAME|GB/S", help='The disk the model lies on: a name, or its reading speed such as "3.5".'
)
@click.option(
    "--context",
    type=int,
    metavar="N",
    help="Tokens of context to make room for (llama-server -c N). The speeds are those of a nearly full context: "
    "prompt and answer are its last tokens. Default: an empty context with room for prompt and answer.",
)
@click.option(
    "--depth",
    type=int,
    metavar="N",
    help="Tokens already in the context, where the speeds are wanted at another fill than --context says.",
)
@click.option(
    "--decode-depth",
    type=int,
    metavar="N",
    help="Tokens in the context when writing begins, where its speed is wanted elsewhere than after the prompt.",
)
@click.option("--prompt", type=int, default=512, show_default=True, metavar="N", help="Tokens of the prompt to read.")
@click.option("--gen", type=int, default=128, show_default=True, metavar="N", help="Tokens of the answer to write.")
@click.option(
    "--users", type=int, default=1, show_default=True, metavar="N", help="How many are served at the same time."
)
@click.option(
    "--split-mode", metavar="MODE", help="How several cards share the model: layer (default), row, tensor or graph."
)
@click.option(
    "--speculative", metavar="KIND", help="Draft tokens ahead by mtp, draft_model, ngram, eagle3 or dflash."
)
@click.option("--draft-tokens", type=int, metavar="N", help="Tokens drafted for each step. Default: the best number.")
@click.option("--acceptance", type=float, metavar="SHARE", help="Share of the drafted tokens that is accepted, 0 to 1.")
@click.option("--draft-model", metavar="NAME", help="The small model that drafts. Default: one of the same family.")
@click.option("--writes", metavar="TASK", help="What is drafted, where the acceptance is not known: code, chat, prose.")
@click.option(
    "--n-gpu-layers", type=int, metavar="N", help="Layers on the GPU (99: all). Default: the fastest that fits."
)
@click.option(
    "--n-cpu-moe",
    type=int,
    metavar="N",
    help="Layers whose experts stay in RAM (99: all, 0: none). Default: as few as fit.",
)
@click.option(
    "--n-cpu-moe-last", type=int, metavar="N",
    help="Instead: layers, counted from the last, whose experts stay in RAM (-ot).",
)
@click.option(
    "--n-cpu-ffn", type=int, metavar="N", help="Layers of a dense model whose feed-forward weights stay in RAM (-ot)."
)
@click.option(
    "--kv-type",
    metavar="TYPE",
    help='Number format of the context: f16, q8_0, ... or "K/V" such as "q8_0/f16". Default: f16.',
)
@click.option("--flash-attn/--no-flash-attn", default=None, help="Flash attention. Default: as the engine chooses.")
@click.option(
    "--mmap/--no-mmap",
    default=None,
    help="Map the file into memory (it may then be larger than RAM). Default: as the engine chooses.",
)
@click.option("--vision", is_flag=True, help="Load the projector for images too (mmproj, F16).")
@click.option(
    "--mmproj", metavar="TYPE|FILE|SIZE", help='The same of another type or size: "Q8_0", a file, "860 MiB".'
)
@click.option("--threads", type=int, metavar="N", help="CPU threads. Default: one per physical core.")
@click.option("--ubatch", type=int, metavar="N", help="Prompt tokens per micro-batch. Default: 512.")
@click.option("--backend", metavar="NAME", help=f"{BACKENDS}. Default: the usual one of the hardware.")
@click.option(
    "--engine",
    metavar="NAME",
    default="llama.cpp",
    show_default=True,
    help="llama.cpp or ik_llama.cpp, a current build.",
)
@click.option("--build", metavar="NUMBER|DATE", help='An older build of it: "b4500", or of which month: "2025-02".')
@click.option(
    "--measured",
    multiple=True,
    metavar="RUN|@FILE",
    help='A run of yours on this hardware, such as "Qwen3.6-35B-A3B Q4_K_M 31", or a file of what a program printed; '
    "repeat it for several.",
)
@click.option(
    "--strategies", is_flag=True, help="Compare ways to place experts: whole layers, favourites, a cache that streams."
)
@profile_options
@click.option("--json", "as_json", is_flag=True, help="Print the prediction as JSON alone.")
@click.option(
    "--batch", metavar="FILE", help='Answer many: one scenario (JSON object) per line; "-" reads standard input.'
)
@click.option(
    "--output",
    metavar="FILE",
    help='Where the answers of --batch go, one line each, in order; "-" (default) prints them.',
)
def command(**options: Any) -> None:
    """Predict speed and placement; the help that users see is above."""
    if options["batch"] is not None:
        _batch(options)
    elif options["output"] is not None:
        raise InputError(
            "--output goes with --batch: redirect the answer to a file instead (advisor predict ... --json > FILE)"
        )
    else:
        _single(options)


def _batch(options: dict[str, Any]) -> None:
    from advisor.cli.lines import STREAM, answer_file
    from advisor.cli.own_profile import own_machines_of

    context = click.get_current_context()
    typed = [name for name in options if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE]
    others = [name for name in typed if name not in {"batch", "output", "as_json", "profile", "no_profile"}]
    if others:
        raise InputError(f"--batch takes its questions from the file alone: leave out --{others[0].replace('_', '-')}")
    answer_file(options["batch"], options["output"] or STREAM, own_machines_of(options).knowledge)


def _single(options: dict[str, Any]) -> None:
    from advisor.cli.own_profile import check_asked, own_machines_of
    from advisor.prediction.capacity import capacity_of
    from advisor.prediction.case import case_of
    from advisor.prediction.nearest import described, nearest
    from advisor.prediction.prediction import answers
    from catalog.tables import public_runs

    machines = own_machines_of(options)
    scenario, knowledge = asked(options, machines), machines.knowledge
    if options["measured"]:
        from advisor.cli.add_runs import measured_runs

        scenario = scenario.model_copy(update={"measured": measured_runs(options["measured"])})
    check_asked(options, scenario, knowledge)
    file = _file(scenario)
    case = case_of(scenario, file)
    prediction, capacity = answers([case], knowledge)[0], capacity_of(case)
    near = nearest(described(case), public_runs())
    many = splits = ways = None
    if scenario.workload.users > 1:
        from advisor.prediction.serving import served

        many = served(scenario, knowledge, file)
    if len(case.machine.gpus) > 1:
        from advisor.prediction.splitting import split_section, splits_of

        splits = splits_of(scenario, knowledge, file)
    if options["strategies"]:
        from advisor.prediction.strategies import section, ways_of

        ways = ways_of(case, prediction)
    if options["as_json"]:
        import json
        from dataclasses import asdict

        beside = [{name: getattr(run, name) for name in NEARBY} for run in near]
        more: dict[str, Any] = {"capacity": asdict(capacity), "measured_nearby": beside}
        more |= {"served": asdict(many)} if many else {}
        more |= {"split_modes": asdict(splits)} if splits else {}
        if options["strategies"]:
            more["strategies"] = asdict(ways) if ways else None
        click.echo(json.dumps(prediction.model_dump(mode="json") | more, indent=2))
    else:
        from advisor.prediction.report import report, served_section

        deep = scenario.workload.context_depth
        anew = _read_anew(scenario, file, knowledge).time_to_first_token_s if deep else None
        compared = [section(ways)] if options["strategies"] else []
        shared = [split_section(splits)] if splits else []
        more_below = [*([served_section(many)] if many else []), *shared, *compared, _nearby(near)]
        click.echo(report(prediction, case, capacity, anew, lambda text: click.style(text, bold=True), more_below))


def _nearby(runs: "Sequence[PublicRun]") -> "Section":
    """What ran where, how fast, and where it is published."""
    from advisor.answer import REGIMES
    from advisor.documents import Points, Section, Sourced, number

    points = []
    for run in runs:
        told = (("writes", run.decode_tok_s), ("reads", run.prefill_tok_s))
        speeds = ", ".join(f"{verb} {number(speed)} tok/s" for verb, speed in told if speed is not None)
        where = REGIMES[run.regime].words
        if run.regime == "expert_offload":
            where = f"experts of {run.n_cpu_moe} layers in RAM"
        depth = f" at {run.depth:,} tokens" if run.depth else ""
        text = f"{run.model} {run.quant} on {run.machine} ({run.backend}, {where}): {speeds}{depth}"
        points.append(Sourced(text, f"{run.source} ({run.as_of})"))
    return Section("Measured nearby", [Points(points)])


def _file(scenario: "Scenario") -> "ModelFile | None":
    """The model file of a question that names one."""
    from advisor.asked import GgufFile, HfModel

    if not isinstance(scenario.model, GgufFile | HfModel):
        return None
    from advisor.cli.lines import access
    from advisor.gguf.named import read_named

    option = "--gguf" if isinstance(scenario.model, GgufFile) else "--hf"
    try:
        return read_named(scenario.model, scenario.quant, access())
    except InputError as error:
        raise InputError(f"{option}: {error}") from None


def _read_anew(scenario: "Scenario", file: "ModelFile | None", knowledge: "Knowledge") -> "Prediction":
    """The same with an empty context and all of it in the prompt."""
    from advisor.prediction.case import case_of
    from advisor.prediction.prediction import answers

    work = scenario.workload
    whole = {"context_depth": 0, "prompt_tokens": work.context_depth + work.prompt_tokens}
    engine = scenario.engine.model_copy(update={"n_ctx": scenario.context_tokens()})
    asked = scenario.model_copy(update={"workload": work.model_copy(update=whole), "engine": engine})
    return answers([case_of(asked, file)], knowledge)[0]


def asked(options: dict[str, Any], machines: "OwnMachines") -> "Scenario":
    """The question: of the parts that are named, or else of this machine."""
    from advisor.cli.options import named_parts, scenario_from
    from advisor.cli.own_profile import remark, seen_here

    if named_parts(options):
        scenario = scenario_from(options)
        remark(machines.of(scenario.hardware) if machines.machines else None)
        return scenario
    from advisor.detection import detect

    found = detect()
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    return scenario_from(options, seen_here(found.hardware, machines), found.cores)
