"""Calibration profiles on the page of a machine: one that a visitor uploads, or one that is stored on this computer."""

from dataclasses import dataclass

from advisor.errors import InputError
from advisor.machines.from_parts import machine_of
from advisor.machines.machine import Machine
from advisor.physics.knowledge import Knowledge
from advisor.profiles.own_machine import OwnMachine, OwnMachines, own_machine
from advisor.question import Hardware
from catalog.names.cpus import resolve_cpu
from catalog.names.index import UnknownName
from catalog.profiles import BadProfile, Profile, read_profile


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """A profile laid over the facts, for the machine of the view, whose gaps it fills."""

    profile: Profile
    hardware: Hardware
    knowledge: Knowledge


def profile_from(content: bytes) -> Profile:
    """The profile in a file. Raises `InputError` for a damaged one."""
    try:
        return read_profile(content)
    except BadProfile as error:
        raise InputError(f"this file is no calibration profile that can be used: {error}") from error


def uploaded(profile: Profile, hardware: Hardware, shipped: Knowledge) -> Calibrated:
    """A profile that a visitor gives. Raises `InputError` for one of another machine, or of other efficiencies."""
    machine = own_machine(profile, shipped, any_size=True)
    told = machine.as_seen(hardware)
    if told is None:
        theirs, ours = machine_of(machine.hardware), machine_of(hardware)
        raise InputError(
            f"this profile was measured on another machine ({_said(theirs)}), not on {_said(ours)}: "
            "choose the profile's parts, or upload the profile of this machine"
        )
    if not machine.current:
        raise InputError("this profile was fitted on other efficiencies than those shipped here: calibrate anew")
    return Calibrated(profile, told, machine.knowledge)


def stored(machines: OwnMachines, hardware: Hardware, here: Hardware) -> tuple[Hardware, OwnMachine | None]:
    """The machine of the view with what its stored profile knows of it, and that profile's machine.

    `here` is what this computer is: where the view shows its parts, the words of a processor that the catalog lacks,
    which no field can hold, are taken from it.
    """
    if (hardware.cpu, hardware.machine) == (_listed(here.cpu), here.machine) and _cards(hardware) == _cards(here):
        hardware = here.model_copy(update={"ram": hardware.ram})
    return machines.as_seen(hardware)


def _listed(cpu: str | None) -> str | None:
    """The catalog's name of a processor, None where it has none."""
    try:
        return resolve_cpu(cpu).row.name if cpu else None
    except UnknownName:
        return None


def _cards(hardware: Hardware) -> list[tuple[str, int]]:
    return [(gpu.name, gpu.count) for gpu in hardware.gpus]


def _said(machine: Machine) -> str:
    speed = "" if machine.unified else f" with {machine.ram.type} of {machine.ram.bandwidth_gb_s:.0f} GB/s"
    return f"{machine.name.replace(' | ', ', ')}{speed}"
