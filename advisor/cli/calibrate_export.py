"""`advisor calibrate export`: a profile for others."""

import click

HELP = """Write a profile for others: as JSON, or with --evidence its runs as rows of the public evidence (CSV).

What tells whose machine it is stays here: names of users and computers, addresses, paths and serial numbers are taken
out, model files go by the names of their models, and the profile by its chips. Without NAME it is that of this machine.
"""


@click.command("export", help=HELP)
@click.argument("name", required=False)
@click.option("--output", metavar="FILE", default="-", help='Where to write it; "-" (default) prints it.')
@click.option("--evidence", is_flag=True, help="The runs alone, as rows of calibration/evidence.")
def command(name: str | None, output: str, *, evidence: bool) -> None:
    """Write; the help that users see is above."""
    from advisor.cli.lines import written
    from advisor.cli.profile_choice import chosen
    from calibration.machine.sharing import anonymised, to_csv

    profile = anonymised(chosen(name), _private_words())
    text = to_csv(profile) if evidence else profile.model_dump_json(indent=1, exclude_defaults=True) + "\n"
    with written(output) as file:
        file.write(text.encode())


def _private_words() -> list[str]:
    """The names of the user and of this computer."""
    import getpass
    import socket
    from contextlib import suppress

    words = {*socket.gethostname().split(".")[:1], socket.gethostname()}
    with suppress(OSError, KeyError, ImportError):  # a user without a name
        words.add(getpass.getuser())
    return sorted(words - {"", "localhost"})
