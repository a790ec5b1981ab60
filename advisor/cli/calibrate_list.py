"""`advisor calibrate list`: the stored profiles."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from calibration.machine.findings import OwnErrors
    from catalog.profiles import Profile

COLUMNS = ("profile", "machine", "measured", "engine", "runs", "writing", "reading", "whose")


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON alone.")
def command(*, as_json: bool) -> None:
    """List the stored profiles with their median error on runs that the fit did not see, and whose each is."""
    from advisor.cli.profile_choice import store, this_hardware
    from advisor.errors import InputError

    profiles = list(store().each())
    here = this_hardware() if profiles else None
    damaged = [str(item) for item in profiles if isinstance(item, InputError)]
    rows = [_row(item, here) for item in profiles if not isinstance(item, InputError)]
    if as_json:
        import json

        click.echo(json.dumps({"profiles": rows, "damaged": damaged}, indent=2))
        return
    if not profiles:
        click.echo("none is stored here: `advisor calibrate` makes one of this machine")
    for line in _table(rows):
        click.echo(line)
    for sentence in damaged:
        click.echo(f"note: {sentence}", err=True)


def _row(profile: "Profile", here: Any) -> dict[str, Any]:
    from advisor.cli.profile_choice import standing
    from advisor.errors import InputError
    from advisor.physics.knowledge import load
    from advisor.profiles.own_machine import own_machine
    from calibration.machine.findings import errors_by_kind
    from calibration.machine.report import engine_name, machine_name

    try:
        whose, machine = standing(own_machine(profile, load()), here), machine_name(profile)
    except InputError as error:
        whose, machine = f"unusable: {error}", "not known"
    errors = errors_by_kind(profile)
    return {
        "profile": profile.name, "machine": machine, "measured": profile.measured_on.isoformat(),
        "engine": engine_name(profile), "runs": len(profile.runs), "writing": _median(errors.get("decode")),
        "reading": _median(errors.get("prefill")), "whose": whose,
    }  # fmt: skip


def _median(errors: "OwnErrors | None") -> float | None:
    return errors.median if errors else None


def _table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Aligned columns; errors in percent."""
    if not rows:
        return
    words = [list(COLUMNS), *([_word(row[name]) for name in COLUMNS] for row in rows)]
    widths = [max(len(line[place]) for line in words) for place in range(len(COLUMNS))]
    for line in words:
        yield "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()


def _word(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.1%}" if isinstance(value, float) else str(value)
