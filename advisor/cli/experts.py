"""`advisor engine experts`: how unequally a model file uses its experts, and what keeping the hot ones gains."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from advisor.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.engine.experts import DecodeRun, ExpertReport, Residency, Rival

HELP = """Show which share of the work the busiest experts of each layer have, and how soon tokens use them again.

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


@click.command("experts", help=HELP)
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
def command(file: Path, *, as_json: bool, **options: Any) -> None:
    """Trace, compare and show; the help that users see is above."""
    from advisor.cli.engine_options import settings_of
    from advisor.engine.experts import ExpertQuestion, examine
    from catalog.units import GIB

    if options["hold"] and not options["keep"]:
        raise InputError("--hold needs --keep GIB: say how much to keep")
    # Repacked weights are no pages of the file: llama.cpp would read the kept ones once and never again
    settings = settings_of({"threads": options["threads"], "repack": False}, n_ctx=options["tokens"])
    asked = ExpertQuestion(
        tokens=options["tokens"], text=_read(options["text"]), pairs=options["pairs"], measure=not options["hold"],
        keep_bytes=options["keep"] * GIB if options["keep"] else None,
    )  # fmt: skip
    found = examine(file, settings, asked)
    click.echo(found.report.model_dump_json(indent=2) if as_json else "\n".join(_lines(found.report)))
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


def _lines(found: "ExpertReport") -> "Iterator[str]":
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
