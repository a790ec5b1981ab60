"""`advisor calibrate add`, and the runs of `predict --measured`: what the owner of a machine measured on it."""

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from advisor.cli.detect import QUESTION
from advisor.errors import InputError
from advisor.files import beginning

if TYPE_CHECKING:
    from advisor.answer import Warning
    from advisor.pasted.runs import Pasted
    from advisor.question import Hardware, OwnRun

HELP = """Add runs that you measured, so that predictions for their machine go by them.

FILE (or - for standard input) holds what a program printed: llama-bench in any of its formats, llama-batched-bench,
timings and logs of llama-server and llama-cli, sweep-bench, `ollama run --verbose`, LM Studio, koboldcpp, LocalScore,
`advisor engine bench`, rows of evidence, or a line of words such as "31 tok/s, Qwen3.6-35B-A3B Q4_K_M, ncmoe 20". One
run may be told by options instead. Without hardware options the runs are this machine's.

\b
For example:
  llama-bench -m model.gguf | advisor calibrate add -
  advisor calibrate add bench.json --gpu "RTX 3060 12GB" --cpu "Ryzen 7 5800X" --ram "DDR4-3600 2x16"
  advisor calibrate add --model Qwen3.6-35B-A3B --quant Q4_K_M --n-cpu-moe 20 --decode 31
"""
IMPOSSIBLE, CONTRADICTING = "impossible_run", "contradicting_run"
_ENGINE = ("n_gpu_layers", "n_cpu_moe", "threads", "ubatch", "kv_type", "backend")


@click.command("add", help=HELP)
@click.argument("file", required=False)
@click.option("--model", metavar="NAME", help="The model, where FILE does not tell it.")
@click.option("--quant", metavar="NAME", help="Its quantisation, where neither FILE nor the model's name tells it.")
@click.option("--decode", type=float, metavar="TOK/S", help="How fast it wrote, where there is no FILE.")
@click.option("--prefill", type=float, metavar="TOK/S", help="How fast it read a prompt.")
@click.option("--depth", type=int, default=0, metavar="N", help="Tokens in the context before. Default: 0.")
@click.option("--prompt", type=int, default=512, metavar="N", help="Tokens of the prompt. Default: 512.")
@click.option("--gen", type=int, default=128, metavar="N", help="Tokens written. Default: 128.")
@click.option("--n-gpu-layers", type=int, metavar="N", help="Layers on the GPU.")
@click.option("--n-cpu-moe", type=int, metavar="N", help="Layers whose experts lay in RAM.")
@click.option("--threads", type=int, metavar="N", help="CPU threads.")
@click.option("--ubatch", type=int, metavar="N", help="Prompt tokens per micro-batch.")
@click.option("--kv-type", metavar="TYPE", help="Number format of the context.")
@click.option("--backend", metavar="NAME", help="cuda, rocm, vulkan, metal, sycl, cpu or opencl.")
@click.option("--gpu", multiple=True, metavar="NAME", help="A graphics card of the machine, where it is not this one.")
@click.option("--vram", multiple=True, type=float, metavar="GIB", help="Its memory.")
@click.option("--pcie", multiple=True, metavar="GENxLANES", help='Its link, such as "4x8".')
@click.option("--cpu", metavar="NAME", help="The processor.")
@click.option("--ram", metavar="TEXT", help='System memory, such as "DDR5-6000 2x32".')
@click.option("--machine", metavar="NAME", help="A whole laptop or unified-memory machine instead of parts.")
@click.option("--storage", metavar="NAME|GB/S", help="The disk that the models lie on.")
@click.option("--name", metavar="NAME", help="What to call the profile. Default: its chips' names.")
@click.option("--force", is_flag=True, help="Add runs too that are faster than the memory can be read.")
@click.option("--json", "as_json", is_flag=True, help="Print what was added as JSON alone.")
def command(**options: Any) -> None:
    """Add; the help that users see is above."""
    from datetime import UTC, datetime

    from advisor.cli.stored import store
    from advisor.profiles.own_runs import own_runs_of, profile_of_runs, stored_runs

    read = _read(options)
    for item in read.unread:
        click.echo(f"not read: {item}", err=True)
    for run in read.runs:
        for note in run.notes:
            click.echo(f"note: line {run.line}: {note}", err=True)
    if not read.runs:
        raise InputError("no run was read, so nothing is added: see the reasons above, or tell it by options (--help)")
    hardware = hardware_asked(options)
    profiles = store()
    before = stored_runs(profiles.each(), hardware, options["name"])
    runs = (*(own_runs_of(before) if before else ()), *read.own_runs)
    warnings = judged(hardware, runs)
    _refuse_impossible(warnings, force=options["force"])
    if before:
        hardware = type(hardware).model_validate(before.hardware)
    profile = profile_of_runs(hardware, runs, datetime.now(UTC).date(), before.name if before else options["name"])
    _report(profile.name, hardware, read, warnings, as_json=options["as_json"])
    profiles.save(profile)
    count = len(profile.measured)
    runs_said = "the one run" if count == 1 else f"{count} runs"
    click.echo(f"stored as {profile.name}: predictions for this machine go by {runs_said} from now on", err=True)


def hardware_asked(options: Mapping[str, Any]) -> "Hardware":
    """The machine that hardware options name, else this one. Raises `InputError`."""
    from advisor.cli.options import named_parts, scenario_from
    from advisor.cli.own_profile import own_machines_of, seen_here
    from advisor.machines.from_parts import machine_of

    asked = defaultdict(lambda: None, {**QUESTION, **{name: options[name] for name in _HARDWARE}})
    if named_parts(asked):
        hardware = scenario_from(asked).hardware
    else:
        from advisor.detection import detect

        found = detect()
        for note in found.notes:
            click.echo(f"note: {note}", err=True)
        hardware = scenario_from(asked, seen_here(found.hardware, own_machines_of({}))).hardware
    machine_of(hardware)
    return hardware


_HARDWARE = ("gpu", "vram", "pcie", "cpu", "ram", "machine", "storage")


def measured_runs(texts: Sequence[str]) -> tuple["OwnRun", ...]:
    """The runs of `--measured`: words, or @ and a file's name. What is taken on trust goes to standard error.

    Raises `InputError` for what cannot be read, by line.
    """
    from advisor.pasted.reading import read_runs

    runs: list[OwnRun] = []
    for text in texts:
        read = read_runs(_content(text[1:])) if text.startswith("@") else read_runs(text, bare=True)
        if not read.runs:
            why = "; ".join(str(item) for item in read.unread[:3]) or "it is empty"
            raise InputError(f"--measured {text[:60]!r} states no run that can be read: {why}")
        for item in read.unread:
            click.echo(f"not read: --measured {item}", err=True)
        for run in read.runs:
            for note in run.notes:
                click.echo(f"note: --measured line {run.line}: {note}", err=True)
        runs += read.own_runs
    return tuple(runs)


def judged(hardware: "Hardware", runs: Sequence["OwnRun"]) -> tuple["Warning", ...]:
    """What is to be said of runs of one machine: those that cannot be, and those that contradict the others.

    Raises as `by_own_runs`.
    """
    from advisor.physics.knowledge import load
    from advisor.prediction.measured import by_own_runs
    from advisor.question import Scenario

    asked = Scenario(model=runs[0].model, quant=runs[0].quant, hardware=hardware, measured=tuple(runs))
    found = by_own_runs(asked, load()).warnings
    return tuple(item for item in found if item.code in {IMPOSSIBLE, CONTRADICTING})


def _read(options: Mapping[str, Any]) -> "Pasted":
    """The runs of the file, or the one that options tell."""
    from advisor.pasted.reading import read_runs

    told = [f"--{name}" for name in ("decode", "prefill") if options[name] is not None]
    if options["file"] is not None and told:
        raise InputError(f"{told[0]} tells a run by itself: leave it out, or leave out {options['file']}")
    if options["file"] is not None:
        return read_runs(_content(options["file"]), options["model"], options["quant"])
    if not told or not options["model"]:
        raise InputError("name a FILE (- for standard input), or tell a run by --model, --quant and --decode")
    import json

    work = {"context_depth": options["depth"], "prompt_tokens": options["prompt"], "gen_tokens": options["gen"],
            "decode_depth": options["depth"]}
    speeds = {"decode_tok_s": options["decode"], "prefill_tok_s": options["prefill"]}
    engine = {name: options[name] for name in _ENGINE if options[name] is not None}
    run = {"model": options["model"], "quant": options["quant"], "engine": engine, "workload": work, **speeds}
    return read_runs(json.dumps({name: value for name, value in run.items() if value is not None}))


def _content(name: str) -> bytes:
    """A file's content, or that of standard input."""
    from advisor.pasted.lines import MOST_BYTES

    return sys.stdin.buffer.read(MOST_BYTES + 1) if name == "-" else beginning(Path(name), MOST_BYTES + 1)


def _refuse_impossible(warnings: Sequence["Warning"], *, force: bool) -> None:
    for item in warnings:
        click.echo(f"warning: {item.message}", err=True)
    impossible = [item for item in warnings if item.code == IMPOSSIBLE]
    if impossible and not force:
        raise InputError(
            f"nothing is added: {impossible[0].message} Name the machine by options where it is another one, or add it "
            "all the same by --force"
        )


def _report(name: str, hardware: "Hardware", read: "Pasted", warnings: Sequence["Warning"], *, as_json: bool) -> None:
    """Each run beside what was predicted of it without any run of the machine."""
    from advisor.physics.knowledge import load
    from advisor.prediction.prediction import predict
    from advisor.question import Scenario

    rows = []
    for item in read.runs:
        run = item.run
        asked = Scenario(
            model=run.model, quant=run.quant, hardware=hardware, engine=run.engine, workload=run.workload
        )
        guess = predict(asked, load())
        rows.append({
            "line": item.line, "program": item.program, "run": run.model_dump(mode="json", exclude_defaults=True),
            "predicted_decode_tok_s": guess.decode_tok_s and guess.decode_tok_s.p50,
            "predicted_prefill_tok_s": guess.prefill_tok_s and guess.prefill_tok_s.p50, "notes": item.notes,
        })
    if as_json:
        import json

        unread = [{"first": item.first, "last": item.last, "why": item.why} for item in read.unread]
        said = [item.model_dump(mode="json") for item in warnings]
        click.echo(json.dumps({"profile": name, "runs": rows, "unread": unread, "warnings": said}, indent=2))
        return
    for row, item in zip(rows, read.runs, strict=True):
        run = item.run
        speeds = (("writes", run.decode_tok_s, "decode"), ("reads", run.prefill_tok_s, "prefill"))
        told = [
            f"{verb} {speed:.4g} tok/s (predicted without it: {row[f'predicted_{kind}_tok_s']:.4g})"
            for verb, speed, kind in speeds
            if speed is not None and row[f"predicted_{kind}_tok_s"] is not None
        ]
        click.echo(f"line {item.line}: {run.model} {run.quant} {' and '.join(told)}")
