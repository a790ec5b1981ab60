"""`advisor calibrate`: measure this machine, fit, store the profile, report. Its commands are for stored profiles."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from advisor.cli.app import Entry, Tree
from advisor.cli.waiting import drawing
from advisor.errors import InputError
from advisor.extras import require

if TYPE_CHECKING:
    from calibration.machine.calibrating import Asked, Effort
    from calibration.machine.campaign import Told

STORED: Final = "advisor.cli.stored"
COMMANDS: Final[Mapping[str, Entry]] = {
    "show": Entry(STORED, "Show what a calibration found, in the terminal or as a page.", "show"),
    "list": Entry(STORED, "List the profiles that are stored here.", "listed"),
    "add": Entry("advisor.cli.add_runs", "Add runs that you measured, from what a program printed."),
    "remove": Entry(STORED, "Delete a stored profile.", "remove"),
    "export": Entry(STORED, "Write a profile for others, without what tells whose it is.", "export"),
    "import": Entry(STORED, "Store a profile that was exported.", "imported"),
}
HELP: Final = """Measure this machine, so that predictions become its own.

Probes give bandwidths, runs of the engine give efficiencies; a fit of both becomes a profile, which `advisor predict`,
`plan`, `run`, `recommend` and the app's page "My machine" then use for this machine and for no other.

\b
For example:
  advisor calibrate --quick
  advisor calibrate --model model.gguf --ram "DDR5-6000 2x16"
  advisor calibrate show --html calibration.html
"""


def _alone(**options: Any) -> None:
    if options["quick"] and options["thorough"]:
        raise InputError("--quick and --thorough exclude each other: give one")
    run(options)


command = Tree(
    "calibrate",
    COMMANDS,
    alone=_alone,
    help=HELP,
    context_settings={"max_content_width": 100},
    params=[
        click.Option(["--quick"], is_flag=True, help="At most 3 minutes: fewer models and repeats."),
        click.Option(["--thorough"], is_flag=True, help="As long as it takes: more of everything."),
        click.Option(
            ["--model"], multiple=True, metavar="FILE", type=click.Path(path_type=Path),
            help="A model file of yours to measure too; repeat it for several.",
        ),
        click.Option(
            ["--rpc"], multiple=True, metavar="HOST:PORT", help="A server of a remote device; repeat it for several."
        ),
        click.Option(["--name"], metavar="NAME", help="What to call the profile. Default: its chips' names."),
        click.Option(["--gpu"], multiple=True, metavar="NAME", help="A graphics card, where the system names none."),
        click.Option(["--vram"], multiple=True, type=float, metavar="GIB", help="Its memory."),
        click.Option(["--pcie"], multiple=True, metavar="GENxLANES", help='Its link, such as "4x8".'),
        click.Option(["--cpu"], metavar="NAME", help="The processor, where the system names it otherwise."),
        click.Option(["--ram"], metavar="TEXT", help='What the system does not tell of its RAM: "DDR5-6000 2x32".'),
        click.Option(["--machine"], metavar="NAME", help="A whole laptop or unified-memory machine instead of parts."),
        click.Option(["--storage"], metavar="NAME|GB/S", help="The disk, where the system names it otherwise."),
        click.Option(["--html"], metavar="FILE", help="Write the report as a page too."),
        click.Option(["--plot"], metavar="FILE", help="Draw its charts: .png, .svg or .html (extra 'plots')."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print what was found as JSON alone."),
    ],
)


def run(options: Mapping[str, Any]) -> None:
    """Calibrate as the options say. Raises `InputError` for what the user can mend, `EngineFailed` for the engine."""
    from advisor.cli.stored import store, tell
    from advisor.engine.library import require_engine

    require("calibrate", "engine", "calibrate")
    require_engine()
    from calibration.machine.calibrating import calibrate

    asked = _asked(options)
    with _progress() as told:
        profile = calibrate(asked, told, datetime.now(UTC).date(), store().save)
    for note in profile.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"stored as {profile.name}: predictions for this machine are its own from now on", err=True)
    tell(profile, options["html"], options["plot"], as_json=options["as_json"])


def _asked(options: Mapping[str, Any]) -> "Asked":
    from dataclasses import replace

    from advisor.cli.detect import given
    from advisor.detection import completed, detect, excess
    from advisor.machines.fingerprint import default_name
    from advisor.physics.knowledge import load
    from advisor.profiles.store import data_folder
    from calibration.machine.calibrating import Asked

    _check_name(options["name"])
    given(options, None)  # what is misspelt is refused before anything is looked at
    found = detect()
    named = given(options, found.hardware.cpu_name)
    for note in filter(None, (*found.notes, excess(found.hardware, named))):
        click.echo(f"note: {note}", err=True)
    told = replace(found, hardware=completed(found.hardware, named))
    effort: Effort = "quick" if options["quick"] else "thorough" if options["thorough"] else "usual"
    return Asked(
        data_folder(), found, told, load(), effort, options["name"] or default_name(told.hardware),
        tuple(options["model"]), tuple(options["rpc"]),
    )


def _check_name(name: str | None) -> None:
    from pydantic import TypeAdapter, ValidationError

    from advisor.errors import InputError
    from catalog.profiles import Name

    try:
        TypeAdapter[str | None](Name | None).validate_python(name)
    except ValidationError:
        raise InputError(
            f"--name {name!r} is not possible: give letters and digits, and among them spaces and . _ + -"
        ) from None


@contextmanager
def _progress() -> Iterator["Told"]:
    """A bar with what runs and the time left on standard error; lines where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from calibration.machine.campaign import Step

    console = Console(file=drawing())
    columns = (BarColumn(), TextColumn("{task.percentage:3.0f} %  {task.fields[left]:>9}  {task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=1.0, left="")

        def told(step: Step) -> None:
            left = (
                f"{max(step.left_s, 0) / 60:.0f} min left" if step.left_s >= 60 else f"{max(step.left_s, 0):.0f} s left"
            )
            bar.update(task, completed=min(step.done, 1.0), description=step.what, left=left)
            if not sys.stderr.isatty():
                click.echo(f"{step.done:4.0%}  {left:>12}  {step.what}", err=True)

        yield told
