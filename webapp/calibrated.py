"""A calibration profile that a visitor uploads: read, held against the machine of the view, and laid over the facts."""

from advisor.errors import InputError
from advisor.hardware import machine_of
from advisor.knowledge import Knowledge
from advisor.machine import Machine
from advisor.profile import is_current, knowledge_of
from advisor.scenario import Hardware
from catalog.profiles import BadProfile, Profile, read_profile


def profile_from(content: bytes) -> Profile:
    """The profile in a file. Raises `InputError` for a damaged one."""
    try:
        return read_profile(content)
    except BadProfile as error:
        raise InputError(f"this file is no calibration profile that can be used: {error}") from error


def hardware_of(profile: Profile) -> Hardware:
    """The machine that a profile was measured on. Raises `InputError` where it describes none."""
    try:
        return Hardware.model_validate(profile.hardware)
    except ValueError as error:
        raise InputError("the profile's hardware cannot be read: calibrate anew") from error


def knowledge_with(profile: Profile, hardware: Hardware, knowledge: Knowledge) -> Knowledge:
    """The knowledge for a machine. Raises `InputError` for a profile of another machine, or of other efficiencies."""
    theirs, ours = machine_of(hardware_of(profile)), machine_of(hardware)
    if not _same(theirs, ours):
        raise InputError(
            f"this profile was measured on another machine ({_said(theirs)}), not on {_said(ours)}: "
            "choose the profile's parts, or upload the profile of this machine"
        )
    if not is_current(profile, knowledge):
        raise InputError("this profile was fitted on other efficiencies than those shipped here: calibrate anew")
    return knowledge_of(profile, knowledge)


def _same(theirs: Machine, ours: Machine) -> bool:
    """The same chips, and where both tell it, memory of the same speed."""
    told = not {"ram_speed", "ram_channels"} & (theirs.unknown | ours.unknown)
    return theirs.name == ours.name and (not told or _ram(theirs) == _ram(ours))


def _ram(machine: Machine) -> int:
    return round(machine.ram.bandwidth_gb_s)


def _said(machine: Machine) -> str:
    speed = "" if machine.unified else f" with {machine.ram.type} of {machine.ram.bandwidth_gb_s:.0f} GB/s"
    return f"{machine.name.replace(' | ', ', ')}{speed}"
