"""`advisor calibrate show`, `list`, `remove`, `export` and `import`: the profiles that are stored on this computer."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from advisor.errors import InputError

if TYPE_CHECKING:
    from advisor.profiles.own_machine import OwnMachine
    from advisor.profiles.store import ProfileStore
    from advisor.question import Hardware
    from catalog.profiles import Profile

HERE, OLD = "this machine's", "this machine's, old"
FOREIGN, FOREIGN_OLD = "another machine's", "another machine's, old"
USES = {
    HERE: "It is this machine's: predictions for it use this profile.",
    OLD: "It is this machine's but not used: it was fitted on other efficiencies than those shipped; calibrate anew.",
    FOREIGN_OLD: "It is another machine's and not used: it was fitted on other efficiencies than those shipped here.",
    FOREIGN: "It is another machine's: it is used where a question names the parts of that machine.",
}


def store() -> "ProfileStore":
    """The profiles stored here."""
    from advisor.profiles.store import ProfileStore, data_folder

    return ProfileStore(data_folder())


def this_hardware() -> "Hardware":
    """This machine, as the system tells it."""
    from advisor.detection import detect

    return detect().hardware


def own(profile: "Profile") -> "OwnMachine":
    """The machine of a profile over the shipped efficiencies. Raises `InputError` for one that cannot be used."""
    from advisor.physics.knowledge import load
    from advisor.profiles.own_machine import own_machine

    return own_machine(profile, load())


def standing(machine: "OwnMachine", here: "Hardware") -> str:
    """Whose a profile is: one of the keys of `USES`."""
    if machine.as_seen(here) is None:
        return FOREIGN if machine.current else FOREIGN_OLD
    return HERE if machine.current else OLD


def chosen(name: str | None) -> "Profile":
    """The profile of that name; without one that of this machine, else the only one there is. Raises `InputError`."""
    from advisor.physics.knowledge import load
    from advisor.profiles.own_machine import own_machines

    profiles = store()
    if name is not None:
        return profiles.named(name)
    _, machine = own_machines(profiles.outlines(), load()).as_seen(this_hardware())
    if machine:
        return machine.profile
    names = profiles.names()
    if len(names) == 1:
        return profiles.named(names[0])
    if names:
        raise InputError(f"no stored profile is this machine's: name one of {', '.join(names)}")
    raise InputError("no calibration profile is stored here: `advisor calibrate` makes one of this machine")


@click.command("show")
@click.argument("name", required=False)
@click.option("--html", metavar="FILE", help="Write the report as a page with charts, in one file.")
@click.option("--plot", metavar="FILE", help="Draw its charts: .png, .svg or .html (needs the extra 'plots').")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON alone.")
def show(name: str | None, html: str | None, plot: str | None, *, as_json: bool) -> None:
    """Show what a calibration found: errors on runs not seen, bandwidths, fitted numbers, limits, upgrades.

    Without NAME the profile of this machine.
    """
    tell(chosen(name), html, plot, as_json=as_json)


def tell(profile: "Profile", html: str | None, plot: str | None, *, as_json: bool) -> None:
    """Print the report of a profile as text or as JSON; `html` names a file for the page and `plot` one for its charts,
    which are written first. What it says of models is left out where it is not fitted on the shipped efficiencies.
    """
    from advisor.physics.knowledge import load
    from calibration.machine.findings import findings
    from calibration.machine.report import as_data, document, lines

    try:
        machine = own(profile)
    except InputError as error:
        found = findings(profile, load(), f"It cannot be used: {error}", predicts=False)
    else:
        found = findings(profile, load(), USES[standing(machine, this_hardware())], predicts=machine.current)
    if plot:
        from advisor.charts import draw
        from advisor.documents import charts_of

        shown = document(found)
        draw(charts_of(shown), plot, shown.title)
    if html:
        from advisor.cli.lines import written
        from advisor.documents import as_html

        with written(html, "--html") as file:
            file.write(as_html(document(found)).encode())
        if html != "-" and not as_json:
            click.echo(f"the page is {html}", err=True)
    if as_json:
        import json

        click.echo(json.dumps(as_data(found), indent=2))
    elif html != "-":
        click.echo("\n".join(lines(found)))


COLUMNS = ("profile", "machine", "measured", "engine", "runs", "writing", "reading", "whose")
"""What `list` tells of each profile; writing and reading: median errors, as shares of 1 in JSON."""


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON alone.")
def listed(*, as_json: bool) -> None:
    """List the stored profiles with their median error on runs that the fit did not see, and whose each is."""
    profiles = list(store().each())
    here = this_hardware() if profiles else None
    damaged = [str(item) for item in profiles if isinstance(item, InputError)]
    rows = [_row(item, here) for item in profiles if here and not isinstance(item, InputError)]
    if as_json:
        import json

        click.echo(json.dumps({"profiles": rows, "damaged": damaged}, indent=2))
        return
    if not profiles:
        click.echo("none is stored here: `advisor calibrate` makes one of this machine")
    if rows:
        from advisor.documents import Table, aligned, columns

        click.echo("\n".join(aligned(Table(columns(*COLUMNS), [_words(row) for row in rows]), indent="")))
    for sentence in damaged:
        click.echo(f"note: {sentence}", err=True)


def _row(profile: "Profile", here: "Hardware") -> dict[str, Any]:
    from calibration.machine.findings import errors_by_kind
    from calibration.machine.report import engine_name, machine_name

    try:
        whose, machine = standing(own(profile), here), machine_name(profile)
    except InputError as error:
        whose, machine = f"unusable: {error}", "not known"
    medians = {kind: errors.median for kind, errors in errors_by_kind(profile).items()}
    return {
        "profile": profile.name, "machine": machine, "measured": profile.measured_on.isoformat(),
        "engine": engine_name(profile), "runs": len(profile.runs) + len(profile.measured),
        "writing": medians.get("decode"), "reading": medians.get("prefill"), "whose": whose,
    }


def _words(row: dict[str, Any]) -> list[str]:
    """A row of the table: errors in percent."""
    values = (row[name] for name in COLUMNS)
    return ["-" if value is None else f"{value:.1%}" if isinstance(value, float) else str(value) for value in values]


@click.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Delete the stored profile NAME."""
    store().remove(name)
    click.echo(f"profile {name} is removed", err=True)


EXPORT = """Write a profile for others: as JSON, or with --evidence its runs as rows of the public evidence (CSV).

What tells whose machine it is stays here: names of users and computers, addresses, paths and serial numbers are taken
out, model files go by the names of their models, and the profile by its chips. Without NAME it is that of this machine.
"""


@click.command("export", help=EXPORT)
@click.argument("name", required=False)
@click.option("--output", metavar="FILE", default="-", help='Where to write it; "-" (default) prints it.')
@click.option("--evidence", is_flag=True, help="The runs alone, as rows of calibration/evidence.")
def export(name: str | None, output: str, *, evidence: bool) -> None:
    """Write; the help that users see is above."""
    import getpass
    import socket
    from contextlib import suppress

    from advisor.cli.lines import written
    from calibration.machine.profile import anonymised, to_csv

    private = {*socket.gethostname().split(".")[:1], socket.gethostname()}
    with suppress(OSError, KeyError, ImportError):  # a user without a name
        private.add(getpass.getuser())
    profile = anonymised(chosen(name), sorted(private - {"", "localhost"}))
    text = to_csv(profile) if evidence else profile.model_dump_json(indent=1, exclude_defaults=True) + "\n"
    with written(output) as file:
        file.write(text.encode())


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace a stored profile of the same name.")
def imported(file: Path, *, force: bool) -> None:
    """Store the profile in FILE, after checking it. It is used where a question is of its machine."""
    from advisor.profiles.store import profile_in

    profile, profiles = profile_in(file), store()
    said = USES[standing(own(profile), this_hardware())]
    if profile.name in profiles.names() and not force:
        raise InputError(
            f"a profile {profile.name!r} is stored already: --force replaces it, `advisor calibrate remove` deletes it"
        )
    profiles.save(profile)
    click.echo(f"profile {profile.name} is stored. {said}", err=True)
