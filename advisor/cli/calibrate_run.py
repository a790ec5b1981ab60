"""What `advisor calibrate` does without a subcommand: measure this machine, fit, store the profile, report."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from calibration.machine.calibrating import Asked, Effort
    from calibration.machine.campaign import Told


def run(options: Mapping[str, Any]) -> None:
    """Calibrate as the options say. Raises `InputError` for what the user can mend, `EngineFailed` for the engine."""
    from advisor.cli.calibrate_show import show
    from advisor.cli.profile_choice import store
    from advisor.engine.library import require_engine
    from calibration.machine.calibrating import calibrate

    require_engine()
    asked = _asked(options)
    with _progress() as told:
        profile = calibrate(asked, told, datetime.now(UTC).date(), store().save)
    for note in profile.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"stored as {profile.name}: predictions for this machine are its own from now on", err=True)
    show(profile, options["html"], options["plot"], as_json=options["as_json"])


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
    named = given(options, found.hardware.cpu)
    for note in filter(None, (*found.notes, excess(found.hardware, named))):
        click.echo(f"note: {note}", err=True)
    told = replace(found, hardware=completed(found.hardware, named))
    effort: Effort = "quick" if options["quick"] else "thorough" if options["thorough"] else "usual"
    return Asked(
        data_folder(), found, told, load(), effort, options["name"] or default_name(told.hardware),
        tuple(options["model"]), tuple(options["rpc"]),
    )  # fmt: skip


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

    console = Console(stderr=True)
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
