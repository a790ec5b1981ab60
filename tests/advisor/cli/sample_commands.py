"""A command for the tests of the tree; it does what it is told."""

import click

from advisor.errors import InputError
from catalog.names.index import UnknownName


@click.command()
@click.argument("deed")
@click.option("--count", type=int, default=1)
def command(deed: str, count: int) -> None:
    if deed == "flood":
        for _ in range(100_000):
            click.echo("a line that nobody reads")
    elif deed != "work":
        raise FAULTS[deed]
    click.echo(f"worked {count}")


FAULTS: dict[str, BaseException] = {
    "refuse": InputError("--budget must be more than 0:\ngive dollars"),
    "misname": UnknownName("GPU", "RTX 9999", ("RTX 5090", "RTX 4090")),
    "break": ValueError("a defect"),
    "interrupt": KeyboardInterrupt(),
}
