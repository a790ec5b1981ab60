"""A machine's calibration profile laid over what was learned from all machines."""

import math

from advisor.coefficients import COEFFICIENTS, Efficiencies, own_label
from advisor.errors import InputError
from advisor.knowledge import Knowledge
from advisor.work import FAMILIES
from catalog.profiles import Profile, Shift, digest_of

_KNOWN = {item.name: item for item in COEFFICIENTS}


def knowledge_of(profile: Profile, knowledge: Knowledge) -> Knowledge:
    """The knowledge with this machine's shifts added and its spreads in place of those of all machines.

    Raises `InputError` for a shift of a coefficient or quant family that the physics does not have.
    """
    effects = dict(knowledge.efficiencies.effects)
    for shift in profile.effects:
        _check(shift, profile.name)
        key = (shift.coefficient, own_label(shift.label) if shift.label else "")
        start = 0.0 if shift.label else math.log(_KNOWN[shift.coefficient].start)
        effects[key] = effects.get(key, start) + shift.log_value
    spreads = knowledge.spreads | {(row.speed, row.regime): row for row in profile.spreads}
    measured = frozenset(shift.coefficient for shift in profile.effects if shift.informed and not shift.label)
    return Knowledge(
        Efficiencies(effects, knowledge.efficiencies.informed, measured), spreads, f"profile:{profile.name}"
    )


def is_current(profile: Profile, knowledge: Knowledge) -> bool:
    """Whether the profile was fitted on these efficiencies: its shifts say nothing on others."""
    return profile.efficiencies_digest == digest_of(knowledge.efficiencies.effects)


def _check(shift: Shift, name: str) -> None:
    item = _KNOWN.get(shift.coefficient)
    if item is None:
        raise InputError(f"profile {name!r} shifts {shift.coefficient!r}, which is no coefficient: calibrate anew")
    if shift.label and not (item.per_family and shift.label in FAMILIES):
        raise InputError(f"profile {name!r} shifts {shift.coefficient} for {shift.label!r}, which has none of its own")
