"""`advisor calibrate remove`: a stored profile deleted."""

import click


@click.command("remove")
@click.argument("name")
def command(name: str) -> None:
    """Delete the stored profile NAME."""
    from advisor.cli.profile_choice import store

    store().remove(name)
    click.echo(f"profile {name} is removed", err=True)
