"""`advisor detect`: this machine's parts."""

import click


@click.command("detect")
@click.option("--json", "as_json", is_flag=True, help="Print the parts as JSON alone: the `hardware` of a scenario.")
def command(*, as_json: bool) -> None:
    """Show this machine's parts, as `advisor predict` takes them when none are named.

    What the system does not tell is left open: few systems tell the RAM's type and speed to everyone.
    """
    from advisor.detection import detect

    found = detect()
    if as_json:
        click.echo(found.hardware.model_dump_json(indent=2))
        for note in found.notes:
            click.echo(f"note: {note}", err=True)
        return
    from advisor.detection.wording import described

    for line in described(found):
        click.echo(line)
