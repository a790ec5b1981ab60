"""A group of commands, each imported only when it runs."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import click


class Entry(NamedTuple):
    """Where a command lives and what it is for: the help stands here so that listing the commands imports none."""

    module: str
    help: str


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
        command: click.Command = import_module(self.entries[cmd_name].module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table alone."""
        rows = [(name, self.entries[name].help) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)
