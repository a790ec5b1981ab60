"""`advisor engine bench`: how fast a model file runs here, measured."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.engine.benchmark import Benchmark, Speed

HELP = """Measure how fast a model file runs on this machine: reading a prompt and writing, with their spread.

Prompt and text are random tokens, as with llama-bench; the first tokens after the load are shown as warm-up and do not
count. Other work on the machine slows it down: where the spread is wide, measure again.

\b
For example:
  advisor engine bench model.gguf
  advisor engine bench model.gguf --n-gpu-layers 99 --n-cpu-moe 20 --depth 4096 --json
"""


@click.command("bench", help=HELP)
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
def command(file: Path, *, as_json: bool, **options: Any) -> None:
    """Measure and show; the help that users see is above."""
    from advisor.cli.engine_options import settings_of
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
        click.echo("\n".join(_lines(found)))


def _lines(found: "Benchmark") -> "Iterator[str]":
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
