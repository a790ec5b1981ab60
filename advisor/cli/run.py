"""`advisor run`: text from a model file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from advisor.errors import InputError

if TYPE_CHECKING:
    from advisor.engine.session.messages import Generation
    from advisor.engine.settings import Drafting

HELP = """Write text with a model file, as it comes; what it took goes to standard error.

The prompt is wrapped as the model's chat template says, if the file has one. You may say where layers lie; the rest is
as `advisor plan` has it. Ctrl-C stops at once: what was written stays, the exit code is 130.

\b
For example:
  advisor run model.gguf --prompt "Why is the sky blue?"
  advisor run model.gguf --prompt - --max-tokens 500 --temperature 0.7 < question.txt
  advisor run large.gguf --prompt "Why is the sky blue?" --draft-model small.gguf
"""


@click.command("run", help=HELP)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--prompt", required=True, metavar="TEXT", help='What to answer or continue; "-" reads standard input.')
@click.option("--max-tokens", type=click.IntRange(1), default=256, show_default=True, help="Tokens to write at most.")
@click.option(
    "--temperature",
    type=click.FloatRange(0, 10),
    default=0.0,
    show_default=True,
    help="0 takes the likeliest token each time; higher is freer.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="The same seed, the same text."
)
@click.option("--no-chat", is_flag=True, help="Continue the prompt as it is, without the chat template.")
@click.option("--context", type=click.IntRange(1), help="Tokens of context. Default: prompt and answer, at least 4096.")
@click.option("--n-gpu-layers", type=click.IntRange(0), help="Layers on devices (99: all).")
@click.option("--n-cpu-moe", type=click.IntRange(0), help="Layers whose experts stay in RAM.")
@click.option(
    "--split-mode", type=click.Choice(["layer", "row", "tensor"]), help="How several devices share the model."
)
@click.option("--threads", type=click.IntRange(1), help="CPU threads. Default: one per physical core.")
@click.option("--rpc", multiple=True, metavar="HOST:PORT", help="A server of a remote device; repeat it for several.")
@click.option(
    "--speculative", type=click.Choice(["mtp", "draft_model"]),
    help="Draft tokens ahead by the model's own layer or by --draft-model: the text is the same.",
)
@click.option("--draft-tokens", type=click.IntRange(1, 16), help="Tokens drafted for each step. Default: 3.")
@click.option("--draft-model", metavar="FILE", type=click.Path(path_type=Path), help="The small model that drafts.")
def command(file: Path, *, prompt: str, **options: Any) -> None:
    """Write; the help that users see is above."""
    from advisor.cli.plan import plan_of
    from advisor.engine.preparation import prepare
    from advisor.engine.session import Session
    from advisor.engine.session.messages import Generate, Generation
    from advisor.gguf import read_header

    text = sys.stdin.read() if prompt == "-" else prompt
    if not text:
        raise InputError("--prompt is empty: give some text to answer or continue")
    read_header(file)
    # A token is a byte at the least: so much context holds any prompt of this length
    context = options["context"] or max(4096, min(32_768, len(text.encode()) + options["max_tokens"]))
    asked = Generate(
        prompt=text, max_tokens=options["max_tokens"], temperature=options["temperature"], seed=options["seed"],
        chat=not options["no_chat"],
    )
    drafting = _drafting(options)
    plan = plan_of(str(file), {**options, "context": context})
    if drafting:  # it takes room of its own
        opened = prepare(file, plan.settings.model_copy(update={"drafting": drafting})).open()
    else:
        opened = Session(file, plan.settings, layout=plan.layout)
    with opened as session:
        for message in session.generate(asked):
            if isinstance(message, Generation):
                click.echo()
                click.echo(_stats(message), err=True)
            else:
                click.echo(message.text, nl=False)
                sys.stdout.flush()


def _drafting(options: dict[str, Any]) -> "Drafting | None":
    """What is to draft. Raises `InputError` for options that do not go together."""
    from advisor.engine.settings import Drafting
    from advisor.gguf import read_header

    small, number = options["draft_model"], options["draft_tokens"]
    kind = options["speculative"] or ("draft_model" if small else None)
    if kind is None:
        if number:
            raise InputError("--draft-tokens says more of drafting: give --speculative mtp, or --draft-model FILE")
        return None
    if (small is None) == (kind == "draft_model"):
        raise InputError("--speculative draft_model needs --draft-model FILE, and mtp takes none")
    if small is not None:
        read_header(small)
    told = {"kind": kind, "file": str(small) if small else None, "max_tokens": number}
    return Drafting.model_validate({name: value for name, value in told.items() if value is not None})


def _stats(done: "Generation") -> str:
    why = {"end": "the model ended", "length": "--max-tokens reached", "context": "the context is full"}[done.stopped]
    reading = f"read {done.prompt_tokens} tokens at {done.prompt_tokens / done.prompt_s:,.0f} tok/s"
    writing = (
        f"wrote {done.gen_tokens} at {done.gen_tokens / done.gen_s:,.1f} tok/s" if done.gen_tokens else "wrote none"
    )
    if done.drafted:
        writing += f", {done.accepted} of {done.drafted} drafted tokens were right"
    faults = f", {done.major_faults} pages read from disk" if done.major_faults else ""
    return f"{reading}, {writing} ({why}); {done.rss_bytes / 2**30:.2f} GiB resident{faults}"
