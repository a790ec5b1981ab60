"""The tree of commands, each imported only when it runs, and how errors are told.

Exit codes: 0 done, 2 the user's input, 1 anything else, 130 interrupted.
"""

import codecs
import contextlib
import errno
import gc
import io
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, Final, NamedTuple, TextIO

import click

from advisor.cli import ending
from advisor.errors import EngineFailed, InputError, printable, reason
from advisor.extras import extra_of, lacking
from catalog.names.index import UnknownName

UNWRITABLE: Final = frozenset({errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EBADF, getattr(errno, "EDQUOT", errno.EIO)})
"""What goes wrong when printing."""
LONGEST_WORD: Final = 600
"""Addresses and paths are told whole; a longer word is somebody's attempt to fill the screen."""
COLOURS: Final = re.compile(r"(\x1b\[(?:(?:[0-4]|3[0-79]|38;5;[0-9]{1,3}|9[0-7])(?:;|(?=m)))*m)")
"""What we send to a terminal ourselves: weights and colours of letters, nothing that hides them.

Source: ECMA-48, SGR."""
DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


class Entry(NamedTuple):
    """Where a command lives and what it is for: the help stands here so that listing the commands imports none."""

    module: str
    help: str
    name: str = "command"
    """What the module calls it."""


class Tree(click.Group):
    """A group whose commands are imported when they run; without a command it shows its help, or does what `alone` does
    with the group's own options.
    """

    def __init__(
        self, name: str, entries: Mapping[str, Entry], alone: Callable[..., None] | None = None, **attributes: Any
    ) -> None:
        def without_command(**options: Any) -> None:
            context = click.get_current_context()
            if context.invoked_subcommand is None and alone:
                alone(**options)
            elif context.invoked_subcommand is None:
                click.echo(context.get_help())

        super().__init__(name, invoke_without_command=True, callback=without_command, **attributes)
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names of the commands that are there, in the order of the table."""
        return [name for name, entry in self.entries.items() if find_spec(entry.module)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """The command of that name, imported now."""
        known = self.list_commands(ctx)
        if cmd_name not in known:
            raise click.UsageError(f"No such command {cmd_name!r}: the commands are {', '.join(known)}.", ctx)
        entry = self.entries[cmd_name]
        command: click.Command = getattr(import_module(entry.module), entry.name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table alone."""
        rows = [(name, self.entries[name].help) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


COMMANDS: Final[Mapping[str, Entry]] = {
    "recommend": Entry("advisor.cli.recommend", "Rank whole builds for a model and a budget."),
    "predict": Entry("advisor.cli.predict", "Tell how fast a model runs on a machine you describe, or on many."),
    "upgrade": Entry("advisor.cli.upgrade", "Tell what to buy for a computer you have, by what it changes."),
    "models": Entry("advisor.cli.models", "List the models that a machine runs, the best for a task first."),
    "quants": Entry("advisor.cli.quants", "Compare the quantisations of a model on a machine."),
    "detect": Entry("advisor.cli.detect", "Show what this computer is made of."),
    "plan": Entry("advisor.cli.plan", "Show the best placement and settings of a model on this machine."),
    "run": Entry("advisor.cli.run", "Write text with a model file, placed by its plan."),
    "engine": Entry("advisor.cli.engine", "Show and offer the devices that models run on."),
    "calibrate": Entry("advisor.cli.calibrate", "Measure this machine, so that predictions become its own."),
    "prices": Entry("advisor.cli.prices", "Show, enter and import what parts cost."),
    "evidence": Entry("advisor.cli.evidence", "Check a table of measured runs against their predictions."),
    "accuracy": Entry("advisor.cli.accuracy", "Show predicted against measured speeds, on public runs."),
    "sweep": Entry("advisor.cli.sweep", "Predict every model on every machine of a grid, as Parquet files."),
    "serve": Entry("advisor.cli.serve", "Answer other programs: predictions and builds as JSON over HTTP."),
    "mcp": Entry("advisor.cli.mcp", "Serve the answers as tools to language-model programs (MCP)."),
    "app": Entry("advisor.cli.serve", "Serve the pages to a browser on this machine.", "pages"),
    "completion": Entry("advisor.cli.completion", "Print what a shell needs to complete commands and options."),
}

INTRODUCTION: Final = """Which hardware to buy for a local language model, and how fast it will run.

Names are read tolerantly: "RTX 3060", "NVIDIA GeForce RTX 3060 (12GB)" and "rtx3060-12gb" are one card. An unknown
name is answered with the nearest known ones. Every speed comes with the range in which 90 % of real runs should
fall, and with what had to be assumed.

\b
For example:
  advisor recommend --model Qwen3.6-35B-A3B --budget 1500
  advisor predict --model Qwen3.6-35B-A3B --quant Q4_K_M --gpu "RTX 3060 12GB" \\
      --cpu "Ryzen 7 5800X" --ram "DDR4-3600 2x16"
"""

CLOSING: Final = """'advisor COMMAND --help' tells the options of a command. Results go to standard output, messages to
standard error. Exit codes: 0 done, 2 the input needs a change (one sentence says which), 1 anything else. With
ADVISOR_DEBUG=1 an unexpected failure shows its traceback."""


def _program(entries: Mapping[str, Entry]) -> Tree:
    version = click.version_option(package_name="llm-hardware-advisor", prog_name="advisor")(click.Command("advisor"))
    return Tree(
        "advisor",
        entries,
        help=INTRODUCTION,
        epilog=CLOSING,
        params=version.params,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def run(arguments: Sequence[str], entries: Mapping[str, Entry] = COMMANDS) -> int:
    """Run one command line and give its exit code; an error is told in one line on standard error."""
    try:
        _refuse_blanks(arguments)
        code = _program(entries).main(list(arguments), prog_name="advisor", standalone_mode=False)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("ADVISOR_DEBUG") == "1" and _exit_code(error) == FAILED:
            raise
        return _tell(error)
    return code if isinstance(code, int) else DONE


def _refuse_blanks(arguments: Sequence[str]) -> None:
    """Raise `InputError` for a word that is empty: it says nothing, and must not be taken for one that was left out."""
    for before, word in pairwise(["", *arguments]):
        option = word.removesuffix("=") if re.fullmatch(r"--[\w-]+=\s*", word) else before
        if not word.strip() or option != before:
            named = option if option.startswith("-") else f"the word after {before!r}" if before else "the first word"
            raise InputError(f"{named} is empty: give a value, or leave it out")


def main() -> None:
    """Entry point of the console command."""
    gc.set_threshold(200_000)  # what imports and tables make lives on: going through it again is a tenth of a start
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # else every installed package is searched for some
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # our matrices are small: more threads only wait for each other
    _open_streams()
    if threading.current_thread() is threading.main_thread():
        ending.listen()
    sys.exit(run(sys.argv[1:]))


class _Terminal(io.TextIOWrapper):
    """A standard stream that is a terminal: what files and models of strangers say must not steer it."""

    def __init__(self, beneath: TextIO) -> None:
        # click would go round one that speaks ASCII, for want of letters
        encoding = "utf-8" if codecs.lookup(beneath.encoding).name == "ascii" else beneath.encoding
        super().__init__(beneath.buffer, encoding, beneath.errors, line_buffering=True, write_through=True)
        self.beneath = beneath
        """The same terminal for what draws there, such as a bar that grows."""

    def write(self, text: str) -> int:
        """Write it with its colours, and a sign in place of other control characters; how many characters it had."""
        parts = COLOURS.split(text.replace("\r\n", "\n"))
        super().write("".join(part if index % 2 else printable(part) for index, part in enumerate(parts)))
        return len(text)


class _Closed(io.TextIOBase):
    """Standard output that was closed before we began: whatever is printed fails, as it would on a full disk."""

    encoding = "utf-8"

    def write(self, _: str) -> int:
        """Fail."""
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def _open_streams() -> None:
    """Standard streams that were closed lead nowhere: else the next file that is opened would take their place."""
    closed = sys.stdout is None
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    sys.stdin = sys.stdin or os.fdopen(0, encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8")
    if closed:
        sys.stdout = _Closed()
    if sys.platform != "win32":  # there click and rich speak to the console by themselves
        streams = (sys.stdout, sys.stderr)
        sys.stdout, sys.stderr = (_Terminal(stream) if stream.isatty() else stream for stream in streams)


def _exit_code(error: BaseException) -> int:
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return INTERRUPTED
    if isinstance(error, ModuleNotFoundError) and extra_of(error.name or ""):
        return WRONG_INPUT
    return WRONG_INPUT if isinstance(error, (click.ClickException, InputError, UnknownName)) else FAILED


def _tell(error: BaseException) -> int:
    code = _exit_code(error)
    if isinstance(error, OSError):
        # The reader has left, or there is no room: the interpreter's last flush goes nowhere
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if code != INTERRUPTED and not isinstance(error, BrokenPipeError):
        with contextlib.suppress(OSError):  # nowhere to tell it: the exit code does
            words = (word if len(word) <= LONGEST_WORD else f"{word[:60]}..." for word in _sentence(error).split())
            print(f"advisor: {printable(' '.join(words))}", file=sys.stderr)
    return code


def _sentence(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and (extra := extra_of(error.name or "")):
        return str(lacking("this", extra))
    if isinstance(error, click.UsageError) and error.ctx:
        return f"{error.format_message()} ('{error.ctx.command_path} --help' tells more.)"
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, EngineFailed) or _exit_code(error) == WRONG_INPUT:
        return str(error)
    if isinstance(error, OSError) and error.errno in UNWRITABLE and error.filename is None:
        return f"standard output cannot be written ({reason(error)}): make room, or send it elsewhere"
    return f"this failed unexpectedly ({type(error).__name__}: {error}); ADVISOR_DEBUG=1 shows where"
