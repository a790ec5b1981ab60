"""`advisor calibrate import`: an exported profile stored here."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from advisor.errors import InputError

if TYPE_CHECKING:
    from catalog.profiles import Profile


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace a stored profile of the same name.")
def command(file: Path, *, force: bool) -> None:
    """Store the profile in FILE, after checking it. It is used where a question is of its machine."""
    from advisor.cli.profile_choice import store
    from advisor.profiles.store import profile_in

    profile, profiles = profile_in(file), store()
    said = _standing(profile)
    if profile.name in profiles.names() and not force:
        raise InputError(
            f"a profile {profile.name!r} is stored already: --force replaces it, `advisor calibrate remove` deletes it"
        )
    profiles.save(profile)
    click.echo(f"profile {profile.name} is stored. {said}", err=True)


def _standing(profile: "Profile") -> str:
    """Whose it is, in a sentence. Raises `InputError` for one that cannot be used."""
    from advisor.cli.profile_choice import USES, standing, this_hardware
    from advisor.physics.knowledge import load
    from advisor.profiles.own_machine import own_machine

    return USES[standing(own_machine(profile, load()), this_hardware())]
