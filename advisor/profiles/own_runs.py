"""Profiles of runs alone: what the owner of a machine measured on it, with no engine of this program's and no fit."""

import json
from collections.abc import Iterable, Sequence
from datetime import date

from pydantic import ValidationError

from advisor.errors import InputError
from advisor.machines.fingerprint import default_name, fingerprint_of, same_machine
from advisor.question import MOST_RUNS, Hardware, OwnRun, complaint
from catalog.profiles import OWN_RUNS, Profile, digest_of

SUFFIX = "-runs"
"""Of the names of such profiles, beside those of calibrations of the same machine."""


def own_runs_of(profile: Profile) -> tuple[OwnRun, ...]:
    """The runs that a profile holds as its owner told them. Raises `InputError` for one that cannot be read."""
    try:
        return tuple(OwnRun.model_validate(run) for run in profile.measured)
    except ValidationError as error:
        said = complaint(error, OwnRun)
        raise InputError(f"a run of profile {profile.name!r} cannot be read ({said}): add it anew") from None


def profile_of_runs(hardware: Hardware, runs: Sequence[OwnRun], today: date, name: str | None = None) -> Profile:
    """A profile of these runs, each once.

    Raises `InputError` for more than `MOST_RUNS`, or a name that cannot be.
    """
    told = list(dict.fromkeys(run.model_dump_json(exclude_defaults=True) for run in runs))
    if len(told) > MOST_RUNS:
        raise InputError(
            f"{len(told)} runs are more than the {MOST_RUNS} that a profile holds: leave out those like others, or "
            "store them under another --name"
        )
    try:
        return Profile(
            name=name or f"{default_name(hardware)}{SUFFIX}", fingerprint=fingerprint_of(hardware),
            hardware=hardware.model_dump(mode="json", exclude_defaults=True), engine=OWN_RUNS, measured_on=today,
            efficiencies_digest=digest_of({}),
            measured=tuple(json.loads(run) for run in told),
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InputError(f"the profile cannot be stored: {'.'.join(map(str, first['loc']))} {first['msg']}") from None


def stored_runs(profiles: Iterable[Profile | InputError], hardware: Hardware, name: str | None) -> Profile | None:
    """The profile of runs of that machine, or of that name, to which more are added.

    Raises `InputError` where the name is another machine's or a calibration's.
    """
    for profile in profiles:
        if isinstance(profile, InputError):
            continue
        try:
            same = same_machine(Hardware.model_validate(profile.hardware), hardware)
        except ValueError:
            same = False
        if name is None and same and profile.measured:
            return profile
        if profile.name == name:
            if same and profile.measured:
                return profile
            raise InputError(f"--name {name}: a calibration or another machine's profile has that name: give another")
    return None
