"""`advisor quants`: what each quantisation of a model takes, loses and gives on one machine."""

from typing import Any

import click

from advisor.cli.predict import command as predict
from advisor.cli.showing import one_format, show

TEXT = """
Compare the quantisations of a model on a computer: bits per weight, size, the least memories that it runs in, speed,
and the quality that is lost as somebody measured it.

With no hardware at all the answer is for this machine.

\b
Examples:
  advisor quants --model Qwen3.6-35B-A3B --gpu "RTX 3060 12GB" --ram "DDR4-3600 2x16"
  advisor quants --model Llama-3.3-70B --machine "M4 Max 64GB" --context 32768 --markdown
  advisor quants --custom-model 32B-A3B --gpu "RTX 4090" --csv
"""
NOTE = (
    "Memories in GiB: the least that it runs in, VRAM with the rest in RAM. KL divergence and perplexity are "
    "comparable within one source only."
)
LEFT_OUT = frozenset({"quant", "gguf", "hf", "hf_file", "batch", "output", "as_json"})
"""Options of `advisor predict` that speak of one quantisation or of one file."""


def _asked(**options: Any) -> None:
    """Print the matrix; the help that users see is above."""
    how = one_format(options)
    from advisor.cli.own_profile import check_asked, own_machines_of
    from advisor.cli.predict import asked
    from advisor.documents import Document, Paragraph, Section
    from advisor.prediction.quant_matrix import as_table, quant_matrix

    options |= {"quant": None, "gguf": None, "hf": None, "hf_file": None}
    machines = own_machines_of(options)
    scenario = asked(options, machines)
    check_asked(options, scenario, machines.knowledge)
    rows = quant_matrix(scenario, machines.knowledge)
    if how == "as_json":
        import json

        found = {"scenario": scenario.model_dump(mode="json"), "quants": [_told(row) for row in rows]}
        click.echo(json.dumps(found, indent=2))
        return
    table = as_table(rows)
    answer = rows[0].answer
    title = f"Quantisations of {answer.model} on {answer.machine}"
    page = Document(title, [Section("", [table]), Section("", [Paragraph(NOTE, faint=True)])])
    show(page, table, how, PAGE_COLUMNS)


PAGE_COLUMNS = 150
"""Width where standard output is no terminal and COLUMNS is not set."""


def _told(row: Any) -> dict[str, Any]:
    """A row for programs."""
    answer, lost = row.answer, row.loss
    return {
        "quant": row.quant.name, "bits_per_weight": row.quant.bits_per_weight, "file_bytes": round(row.file_bytes),
        "vram_floor_gb": row.room.vram_floor_gib, "vram_for_everything_gb": row.room.vram_for_everything_gib,
        "ram_floor_gb": row.room.ram_floor_gib, "fits": answer.fits,
        "decode_tok_s": answer.decode_tok_s and answer.decode_tok_s.model_dump(),
        "prefill_tok_s": answer.prefill_tok_s and answer.prefill_tok_s.model_dump(),
        "placement": answer.placement.model_dump(),
        "loss": lost and {"kld": lost.kld, "perplexity_share": lost.perplexity_share, "measured_on": row.measured_on,
                          "source": lost.source},
    }


command = click.Command(
    "quants",
    help=TEXT,
    callback=_asked,
    params=[
        *(option for option in predict.params if option.name not in LEFT_OUT),
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON alone."),
        click.Option(["--csv", "as_csv"], is_flag=True, help="Print one line of CSV per quantisation."),
        click.Option(["--markdown", "as_markdown"], is_flag=True, help="Print a Markdown table."),
    ],
    context_settings={"max_content_width": 100},
)
