"""`advisor calibrate show`: what a calibration found."""

from typing import TYPE_CHECKING

import click

from advisor.errors import InputError

if TYPE_CHECKING:
    from calibration.machine.findings import Findings
    from catalog.profiles import Profile


@click.command("show")
@click.argument("name", required=False)
@click.option("--html", metavar="FILE", help="Write the report as a page with charts, in one file.")
@click.option("--plot", metavar="FILE", help="Draw its charts: .png, .svg or .html (needs the extra 'plots').")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON alone.")
def command(name: str | None, html: str | None, plot: str | None, *, as_json: bool) -> None:
    """Show what a calibration found: errors on runs not seen, bandwidths, fitted numbers, limits, upgrades.

    Without NAME the profile of this machine.
    """
    from advisor.cli.profile_choice import chosen

    show(chosen(name), html, plot, as_json=as_json)


def show(
    profile: "Profile", html: str | None = None, plot: str | None = None, *, as_json: bool = False
) -> None:  # fmt: skip
    """Print the report of a profile as text or as JSON; `html` names a file for the page and `plot` one for its charts,
    which are written first.
    """
    found = _findings(profile)
    if plot:
        from calibration.pictures import draw_report

        draw_report(found, plot)
    if html:
        from advisor.cli.lines import written
        from calibration.machine.page import page

        with written(html, "--html") as file:
            file.write(page(found).encode())
        if html != "-" and not as_json:
            click.echo(f"the page is {html}", err=True)
    if as_json:
        import json

        from calibration.machine.report import as_data

        click.echo(json.dumps(as_data(found), indent=2))
    elif html != "-":
        from calibration.machine.report import lines

        click.echo("\n".join(lines(found)))


def _findings(profile: "Profile") -> "Findings":
    """What the profile holds; what it says of models is left out where it is not fitted on the shipped efficiencies."""
    from advisor.cli.profile_choice import USES, standing, this_hardware
    from advisor.physics.knowledge import load
    from advisor.profiles.own_machine import own_machine
    from calibration.machine.findings import findings

    try:
        machine = own_machine(profile, load())
    except InputError as error:
        return findings(profile, load(), f"It cannot be used: {error}", predicts=False)
    use = USES[standing(machine, this_hardware())]
    return findings(profile, load(), use, predicts=machine.current)
