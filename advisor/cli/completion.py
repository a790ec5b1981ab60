"""`advisor completion`: what a shell reads to complete commands and options of this program."""

import click

TEXT = """
Print what a shell reads to complete the commands and options of this program.

\b
  bash   echo 'source <(advisor completion bash)' >> ~/.bashrc
  zsh    echo 'source <(advisor completion zsh)' >> ~/.zshrc
  fish   advisor completion fish > ~/.config/fish/completions/advisor.fish
"""
VARIABLE = "_ADVISOR_COMPLETE"
"""By which a shell asks the program; click's own name for it."""


@click.command("completion", help=TEXT)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script; the help that users see is above."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # click has these three
    program = click.get_current_context().find_root().command
    click.echo(kind(program, {}, "advisor", VARIABLE).source())
