"""`advisor engine synth`: a model file with random weights."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from advisor.cli.waiting import drawing

if TYPE_CHECKING:
    from advisor.gguf.synthetic import Progress, Recipe

EXAMPLES = """Write a GGUF file of a model's architecture with random weights, whole or cut.

It runs as fast as the real model and says nothing: speed does not depend on the weights. Tensors, their types and sizes
are those of the real file, without a tokenizer.

\b
For example, the whole model (20 GB), and a cut of it that loads in a second:
  advisor engine synth --model Qwen3.6-35B-A3B --quant Q4_K_M --output qwen.gguf
  advisor engine synth --model Qwen3.6-35B-A3B --quant Q4_K_M --layers 8 --experts 64 \\
      --router-skew 1 --output small.gguf
"""
CLOSING = """Experts: which ones a token uses depends on the token, each layer for itself. With --router-skew X the
expert of rank r is drawn with a chance in proportion to 1 / r^X; 0 makes all equally popular. Tokens some hundreds
apart route alike: measure with random tokens, not with the text that the file writes."""


@click.command("synth", help=EXAMPLES, epilog=CLOSING)
@click.option("--model", required=True, metavar="NAME", help="Whose architecture; in any common spelling.")
@click.option("--quant", metavar="NAME", help="The mix of types. Default: as the model's name says, else Q4_K_M.")
@click.option("--layers", type=int, metavar="N", help="Only the first N layers.")
@click.option("--experts", type=int, metavar="N", help="Only N experts in each layer.")
@click.option("--vocab", type=int, metavar="N", help="Only N tokens.")
@click.option(
    "--router-skew",
    type=float,
    default=0.0,
    show_default=True,
    metavar="X",
    help="How unequally popular experts are: exponent of Zipf's law.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="The same seed makes the same file."
)
@click.option("--output", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The file to write.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON alone.")
def command(
    *, model: str, quant: str | None, layers: int | None, experts: int | None, vocab: int | None, router_skew: float,
    seed: int, output: Path, force: bool, as_json: bool,
) -> None:
    """Write the file and say what it is."""
    from time import perf_counter

    from advisor.gguf.synthetic import Cut, Recipe, write_model
    from catalog.names.llms import resolve_llm
    from catalog.names.quants import resolve_quant

    found = resolve_llm(model).row
    mix = resolve_quant(quant or found.quant_text or "Q4_K_M").row
    recipe = Recipe(found.llm, mix, Cut(layers, experts, vocab), router_skew, seed)
    start = perf_counter()
    with _progress(output.name) as progress:
        write_model(recipe, output, replace=force, progress=progress)
    _report(recipe, output, perf_counter() - start, as_json=as_json)


@contextmanager
def _progress(name: str) -> Iterator["Progress"]:
    """A bar on standard error, if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = ("[progress.description]{task.description}", BarColumn(), DownloadColumn())
    console = Console(file=drawing())
    with Progress(
        *columns, TransferSpeedColumn(), TimeRemainingColumn(), console=console, transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task(name, total=None)

        def told(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield told


def _report(recipe: "Recipe", output: Path, seconds: float, *, as_json: bool) -> None:
    import json

    llm, count = recipe.llm, sum(tensor.elements for tensor in recipe.tensors)
    if as_json:
        values = {
            "file": str(output), "size_bytes": recipe.size_bytes, "model": recipe.original.id, "name": recipe.name,
            "architecture": llm.architecture, "quant": recipe.quant.name, "layers": llm.n_layers,
            "experts": llm.n_experts, "experts_used": llm.n_experts_used, "vocabulary": llm.vocab_size,
            "parameters": count, "tensors": len(recipe.tensors), "router_skew": recipe.router_skew,
            "seed": recipe.seed, "seconds": round(seconds, 3),
        }
        click.echo(json.dumps(values, indent=2))
        return
    experts = f", {llm.n_experts} experts of which {llm.n_experts_used} are used" if llm.n_experts else ""
    click.echo(f"{output}: {recipe.name}, {recipe.quant.name}, {recipe.size_bytes / 1e9:.2f} GB in {seconds:.1f} s")
    click.echo(
        f"  architecture {llm.architecture}, {llm.n_layers} layers{experts}, {llm.vocab_size:,} tokens, "
        f"{count / 1e9:.2f} billion weights"
    )
    if llm.n_experts:
        from advisor.gguf.synthetic import busiest_share

        skew = recipe.router_skew
        share = busiest_share(llm.n_experts, llm.n_experts_used, skew)
        click.echo(f"  router skew {skew:g}: the busiest tenth of the experts has {share:.0%} of the uses")
