"""`advisor engine bench` and `advisor engine experts`: what a model file does here, measured."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from advisor.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import ValidationError

    from advisor.engine.benchmark import Benchmark, Speed
    from advisor.engine.experts import DecodeRun, ExpertReport, Residency, Rival
    from advisor.engine.settings import EngineSettings

OPTIONS = {"n_ctx": "--context", "n_ubatch": "--ubatch", "kv_type_k": "--kv-type", "kv_type_v": "--kv-type"}


def settings_of(options: "Mapping[str, Any]", n_ctx: int) -> "EngineSettings":
    """The settings that options name; what they leave out is as in `EngineSettings`. Raises `InputError`."""
    from pydantic import ValidationError

    from advisor.detection import detect
    from advisor.engine.settings import EngineSettings

    k_type, _, v_type = (options.get("kv_type") or "f16").lower().partition("/")
    named = ("n_gpu_layers", "n_cpu_moe", "flash_attn", "load_mode", "rpc")
    values = {name: options[name] for name in named if options.get(name) is not None}
    values |= {"n_ctx": n_ctx, "kv_type_k": k_type, "kv_type_v": v_type or k_type}
    values |= {"threads": options.get("threads") or detect().cores or 1}
    if options.get("ubatch"):
        values["n_ubatch"] = options["ubatch"]
        values["n_batch"] = max(options["ubatch"], 2048)
    if options.get("repack") is not None:
        values["extra_buffers"] = options["repack"]
    try:
        return EngineSettings.model_validate(values)
    except ValidationError as error:
        raise InputError(_sentence(error)) from None


def _sentence(error: "ValidationError") -> str:
    first = error.errors(include_url=False)[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    option = OPTIONS.get(field, f"--{field.replace('_', '-')}" if field else "")
    reason = first["msg"].removeprefix("Value error, ")
    return f"{option} {first['input']!r}: {reason[0].lower()}{reason[1:]}" if option else reason


BENCH = """Measure how fast a model file runs on this machine: reading a prompt and writing, with their spread.

Prompt and text are random tokens, as with llama-bench; the first tokens after the load are shown as warm-up and do not
count. Other work on the machine slows it down: where the spread is wide, measure again.

\b
For example:
  advisor engine bench model.gguf
  advisor engine bench model.gguf --n-gpu-layers 99 --n-cpu-moe 20 --depth 4096 --json
"""


@click.command("bench", help=BENCH)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--n-gpu-layers", type=click.IntRange(0), default=0, show_default=True, help="Layers on devices (99: all)."
)
@click.option(
    "--n-cpu-moe", type=click.IntRange(0), default=0, show_default=True, help="Layers whose experts stay in RAM."
)
@click.option("--threads", type=click.IntRange(1), help="CPU threads. Default: one per physical core.")
@click.option("--depth", type=click.IntRange(0), default=0, show_default=True, help="Tokens already in the context.")
@click.option("--prompt", type=click.IntRange(0), default=512, show_default=True, help="Tokens to read; 0: none.")
@click.option("--gen", type=click.IntRange(0), default=128, show_default=True, help="Tokens to write; 0: none.")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="Runs of each.")
@click.option(
    "--warm-up", type=click.IntRange(0), default=16, show_default=True, help="Tokens written before the runs."
)
@click.option("--ubatch", type=click.IntRange(1), default=512, show_default=True, help="Prompt tokens per micro-batch.")
@click.option(
    "--kv-type", default="f16", show_default=True, metavar="TYPE", help='Number format of the context, or "K/V".'
)
@click.option("--flash-attn/--no-flash-attn", default=None, help="Flash attention. Default: as llama.cpp chooses.")
@click.option(
    "--load-mode",
    type=click.Choice(["mmap", "mlock", "mmap+mlock", "none", "direct-io"]),
    default="mmap",
    show_default=True,
    help="How weights get into RAM.",
)
@click.option("--repack/--no-repack", default=True, help="Rearrange weights in RAM for the CPU's kernels. Default: do.")
@click.option("--rpc", multiple=True, metavar="HOST:PORT", help="A server of a remote device; repeat it for several.")
@click.option("--json", "as_json", is_flag=True, help="Print all that was measured as JSON alone.")
def bench(file: Path, *, as_json: bool, **options: Any) -> None:
    """Measure and show; the help that users see is above."""
    from advisor.engine.benchmark import benchmark
    from advisor.engine.preparation import prepare
    from advisor.engine.session.messages import Measure

    need = options["depth"] + max(options["prompt"], options["gen"], options["warm_up"], 1)
    names = ("depth", "prompt", "gen", "repeats", "warm_up")
    prepared = prepare(file, settings_of(options, n_ctx=need))
    found = benchmark(prepared, Measure(**{name: options[name] for name in names}))
    if as_json:
        click.echo(found.model_dump_json(indent=2, exclude={"devices": {"__all__": {"pci_id", "nvml"}}}))
    else:
        click.echo("\n".join(_bench_lines(found)))


def _bench_lines(found: "Benchmark") -> "Iterator[str]":
    from catalog.units import GIB

    yield click.style(f"{found.model} {found.quant} ({found.file}, {found.file_bytes / GIB:.2f} GiB)", bold=True)
    yield f"  load      {found.load_s:.1f} s"
    if found.warm_up_s:
        first, last = 1 / found.warm_up_s[0], 1 / found.warm_up_s[-1]
        yield f"  warm-up   {first:.1f} tok/s for the first token, {last:.1f} for token {len(found.warm_up_s)}"
    for label, speed in (("reading", found.prefill_tok_s), ("writing", found.decode_tok_s)):
        if speed:
            yield _speed(label, speed)
    own = found.anonymous_bytes / GIB
    yield f"  memory    {found.rss_bytes / GIB:.2f} GiB resident, {own:.2f} of it no part of the file"
    for card, watts in found.power_w.items():
        yield f"  power     {watts:.0f} W {card}"
    for buffer in found.buffers:
        yield f"  buffer    {buffer.device:<10} {buffer.kind:<8} {buffer.size_bytes / GIB:8.3f} GiB  {buffer.name}"


def _speed(label: str, speed: "Speed") -> str:
    depth = f" after {speed.depth:,}" if speed.depth else ""
    faults = f", {speed.major_faults} pages read from disk" if speed.major_faults else ""
    wide = "; the spread is wide: measure again when nothing else runs" if speed.spread > 0.2 else ""
    runs = len(speed.runs)
    between = f"{speed.lowest:,.1f}-{speed.highest:,.1f} in {runs} runs of" if runs > 1 else "one run of"
    work = f"{between} {speed.tokens} tokens{depth}"
    return f"  {label:<9} {speed.median:,.1f} tok/s ({work}){faults}{wide}"


EXPERTS = """Show which share of the work the busiest experts of each layer have, and how soon tokens use them again.

Tokens are random ones, which tell what a synthetic file does. Of a real model give --text with what you use it for.
--keep holds the pages of the hottest experts in memory, so many GiB of them, and measures what that gains or loses
against leaving it to the system, in pairs of runs; for files larger than the memory. --hold goes on keeping them for
other programs that map the file, such as llama-server.

\b
For example:
  advisor engine experts model.gguf --text letters.txt
  advisor engine experts model.gguf --keep 8
  advisor engine experts model.gguf --text letters.txt --keep 8 --hold
"""


@click.command("experts", help=EXPERTS)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--tokens", type=click.IntRange(2), default=256, show_default=True, help="Tokens to trace, and to write.")
@click.option(
    "--text", type=click.Path(path_type=Path), metavar="FILE", help="A text whose first tokens to trace (UTF-8)."
)
@click.option("--keep", type=click.FloatRange(0, min_open=True), metavar="GIB", help="Keep so much of the hottest.")
@click.option("--pairs", type=click.IntRange(1), default=3, show_default=True, help="Pairs of runs for --keep.")
@click.option("--hold", is_flag=True, help="Do not measure: keep them until Ctrl-C.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads. Default: one per physical core.")
@click.option("--json", "as_json", is_flag=True, help="Print all that was found as JSON alone.")
def experts(file: Path, *, as_json: bool, **options: Any) -> None:
    """Trace, compare and show; the help that users see is above."""
    from advisor.engine.experts import ExpertQuestion, examine
    from catalog.units import GIB

    if options["hold"] and not options["keep"]:
        raise InputError("--hold needs --keep GIB: say how much to keep")
    # Repacked weights are no pages of the file: llama.cpp would read the kept ones once and never again
    settings = settings_of({"threads": options["threads"], "repack": False}, n_ctx=options["tokens"])
    asked = ExpertQuestion(
        tokens=options["tokens"], text=_read(options["text"]), pairs=options["pairs"], measure=not options["hold"],
        keep_bytes=options["keep"] * GIB if options["keep"] else None,
    )
    found = examine(file, settings, asked)
    click.echo(found.report.model_dump_json(indent=2) if as_json else "\n".join(_expert_lines(found.report)))
    if options["hold"]:
        _hold(found.rival)


def _hold(rival: "Rival") -> None:
    from threading import Event

    from advisor.engine.residency import complaint, keep
    from catalog.units import GIB

    with keep(rival.header, rival.spans) as kept:
        words = complaint(kept)
        if words:
            click.echo(f"Warning: {words}", err=True)
        click.echo(f"{kept.locked_bytes / GIB:.2f} GiB are locked in memory; Ctrl-C lets them go", err=True)
        Event().wait()


def _read(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "it is no UTF-8 text").lower()
        raise InputError(f"--text {str(path)!r} cannot be read: {reason}") from None


def _expert_lines(found: "ExpertReport") -> "Iterator[str]":
    from catalog.units import GIB

    size = found.expert_bytes / GIB
    yield click.style(f"{found.model} ({found.file})", bold=True)
    yield (
        f"  {found.n_experts} experts in each of {len(found.layers)} layers, {found.n_used} used per token, "
        f"{size:.2f} GiB in all; {found.tokens} {'random tokens' if found.random_tokens else 'tokens of the text'}"
    )
    again = f"used again within {found.window} tokens"
    yield f"  layer  uses of hottest half  Zipf exponent  {again}  by chance if all are as likely"
    rows = [(x.hottest_half_share, x.zipf_exponent, x.reused_share, x.reused_by_chance) for x in found.layers]
    for label, row in zip((str(layer.layer) for layer in found.layers), rows, strict=True):
        yield _row(label, row)
    yield _row("mean", tuple(sum(column) / len(rows) for column in zip(*rows, strict=True)))
    if found.residency:
        yield from _residency(found.residency)


def _row(label: str, row: tuple[float, ...]) -> str:
    share, exponent, again, chance = row
    return f"  {label:<5}{share:>22.0%}{exponent:>15.2f}{again:>28.0%}{chance:>32.0%}"


def _residency(found: "Residency") -> "Iterator[str]":
    from advisor.engine.experts import LEAST_PAIRS
    from advisor.engine.residency import complaint
    from catalog.units import GIB

    yield f"  keep    {found.experts} experts, {found.wished_bytes / GIB:.2f} GiB: {found.route_share:.0%} of the uses"
    runs = found.comparison
    if runs is None:
        return
    if words := complaint(runs.keeping):
        yield f"  Warning: {words}"
    yield _trials("plain", [pair.plain for pair in runs.pairs])
    yield _trials("kept", [pair.kept for pair in runs.pairs])
    if all(pair.plain.disk_bytes_per_token == 0 for pair in runs.pairs):
        yield "  Nothing was read from disk: the system keeps all of the file by itself, and there is nothing to gain"
        return
    lowest, highest = (choose(pair.gain for pair in runs.pairs) for choose in (min, max))
    doubt = "too few pairs" if len(runs.pairs) < LEAST_PAIRS else "the pairs do not agree"
    verdict = "" if runs.certain else f": {doubt}, so this says neither is faster"
    yield f"  speed   {runs.gain:.2f} times that of plain ({lowest:.2f} to {highest:.2f}){verdict}"


def _trials(label: str, trials: "list[DecodeRun]") -> str:
    from advisor.engine.experts import medians

    found = dict(medians(trials))
    parts = [f"{found['tok_s']:.2f} tok/s"]
    if (faults := found["major_faults_per_token"]) is not None:
        parts.append(f"{faults:.1f} major page faults per token")
    if (read := found["disk_bytes_per_token"]) is not None:
        parts.append(f"{read / 1e6:.1f} MB per token from disk")
    if (hits := found["hit_share"]) is not None:
        parts.append(f"{hits:.0%} of the uses of experts in memory")
    return f"  {label:<8}{', '.join(parts)}"
