"""`advisor models`: which models this or a described machine runs."""

from typing import Any

import click

from advisor.cli.predict import command as predict
from advisor.cli.showing import one_format, show
from advisor.cli.waiting import waiting
from advisor.errors import InputError

TEXT = """
Which models a computer runs: of each the best quantisation that fits and is fast enough for the task, how fast it
writes and reads, how good it is, and how long a context it has room for. The best for the task come first.

With no hardware at all the answer is for this machine.

\b
Examples:
  advisor models
  advisor models --gpu "RTX 3060 12GB" --ram "DDR4-3600 2x16" --task coding
  advisor models --machine "Mac mini M4 16GB" --task chat --context 16384 --markdown
"""
NEEDS_NO_MODEL = frozenset(
    {"model", "quant", "gguf", "hf", "hf_file", "config", "custom_model", "mmproj", "batch", "output", "as_json"}
    | {"depth", "n_gpu_layers", "n_cpu_moe"}
)
"""Options of `advisor predict` that speak of one model or its placement."""
LENGTHS = {"prompt": "prompt_tokens", "gen": "gen_tokens"}
"""Options that are the task's where they are not given, and how the workload calls them."""
SHOWN = 30


def _asked(**options: Any) -> None:
    """Print the list; the help that users see is above."""
    how = one_format(options)
    if options["limit"] < 0:
        raise InputError(f"--limit must be at least 0, not {options['limit']}")
    from advisor.choosing.runnable import NOTE, ModelsOnMachine, as_table, lengths_of, models_on, told
    from advisor.choosing.tasks import TASKS
    from advisor.cli.own_profile import own_machines_of
    from advisor.cli.predict import asked
    from advisor.documents import Document, Paragraph, Section
    from catalog.tables import llms

    task, limit = options["task"], options["limit"]
    any_model = next(iter(llms())).name
    empty = dict.fromkeys(option.name for option in predict.params) | {"model": any_model}
    given = {field: options[name] for name, field in LENGTHS.items() if options[name] is not None}
    lengths = lengths_of(TASKS[task], options["context"] or None, given)
    options |= {name: lengths[field] for name, field in LENGTHS.items()}
    machines = own_machines_of(options)
    scenario = asked(empty | options, machines)
    with waiting("Trying every model"):
        rows = models_on(scenario, task, machines.knowledge, limit or None)
    if how == "as_json":
        found = ModelsOnMachine(task=task, hardware=scenario.hardware, models=tuple(told(row) for row in rows))
        click.echo(found.model_dump_json(indent=2))
        return
    table = as_table(rows)
    machine = rows[0].answer.machine if rows else "this machine"
    said = [Paragraph(NOTE, faint=True)] if rows else [Paragraph("No model of the catalog runs: it takes more memory.")]
    page = Document(f"Models for {task} on {machine}", [Section("", [table] if rows else []), Section("", said)])
    show(page, table, how, PAGE_COLUMNS)


PAGE_COLUMNS = 150
"""Width where standard output is no terminal and COLUMNS is not set."""

command = click.Command(
    "models",
    help=TEXT,
    callback=_asked,
    params=[
        click.Option(
            ["--task"],
            type=click.Choice(["chat", "coding", "agent", "documents", "vision"]),
            default="chat",
            show_default=True,
            help="What it is for.",
        ),
        *(option for option in predict.params if option.name not in NEEDS_NO_MODEL | LENGTHS.keys()),
        click.Option(["--prompt"], type=int, metavar="N", help="Tokens of the prompt.  [default: what the task reads]"),
        click.Option(["--gen"], type=int, metavar="N", help="Tokens of the answer.  [default: what the task writes]"),
        click.Option(["--limit"], type=int, default=SHOWN, show_default=True, metavar="N", help="How many; 0: all."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON alone."),
        click.Option(["--csv", "as_csv"], is_flag=True, help="Print one line of CSV per model."),
        click.Option(["--markdown", "as_markdown"], is_flag=True, help="Print a Markdown table."),
    ],
    context_settings={"max_content_width": 100},
)
