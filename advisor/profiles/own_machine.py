"""A machine's own numbers: which stored calibration profile a question is answered with, and what to say of others.

A profile is used for the machine that it was measured on and for no other, and only while the efficiencies that it was
fitted on are those shipped here.
"""

import json
import math
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import cast

from pydantic import ValidationError

from advisor.errors import InputError
from advisor.machines.fingerprint import filled, fingerprint_of, same_machine
from advisor.machines.from_parts import machine_of
from advisor.physics.coefficients import COEFFICIENTS, Efficiencies, own_label
from advisor.physics.knowledge import Knowledge
from advisor.physics.task import FAMILIES
from advisor.profiles.own_runs import own_runs_of
from advisor.profiles.store import StoredProfile
from advisor.question import Hardware, Scenario, complaint
from catalog.profiles import Outline, Profile, digest_of

_KNOWN = {item.name: item for item in COEFFICIENTS}


def knowledge_of(profile: Profile, knowledge: Knowledge) -> Knowledge:
    """The knowledge with this machine's shifts added and its spreads in place of those of all machines.

    Raises `InputError` for a shift of a coefficient or quant family that the physics does not have.
    """
    known = knowledge.efficiencies.effects
    shifted: dict[tuple[str, str], float] = {}
    for shift in profile.effects:
        item, said = _KNOWN.get(shift.coefficient), f"profile {profile.name!r} shifts {shift.coefficient!r}"
        if item is None:
            raise InputError(f"{said}, which is no coefficient: calibrate anew")
        if shift.label and not (item.per_family and shift.label in FAMILIES):
            raise InputError(f"{said} for {shift.label!r}, which has no numbers of its own: calibrate anew")
        key = (shift.coefficient, own_label(shift.label) if shift.label else "")
        start = 0.0 if shift.label else math.log(item.start)
        shifted[key] = shifted.get(key, known.get(key, start)) + shift.log_value
    # The shipped table is shared: of many profiles in memory each takes what is its own.
    effects: Mapping[tuple[str, str], float] = ChainMap(shifted, cast(dict[tuple[str, str], float], known))
    spreads = knowledge.spreads | {(row.speed, row.regime): row for row in profile.spreads}
    measured = frozenset(shift.coefficient for shift in profile.effects if shift.informed and not shift.label)
    runs = own_runs_of(profile)
    return replace(
        knowledge, efficiencies=Efficiencies(effects, knowledge.efficiencies.informed, measured), spreads=spreads,
        calibration=f"profile:{profile.name}", runs=runs, own_runs=len(runs) or len(profile.runs), own=(), warnings=(),
    )


def is_current(profile: Outline, knowledge: Knowledge) -> bool:
    """Whether the profile was fitted on these efficiencies: its shifts say nothing on others, its runs do."""
    return _of_runs_alone(profile) or profile.efficiencies_digest == _digest(knowledge.efficiencies)


def _of_runs_alone(profile: Outline) -> bool:
    """Whether it holds what its owner told and no shifts; one of which an outline tells all there is has shifts."""
    return isinstance(profile, Profile) and bool(profile.measured) and not profile.effects


@lru_cache(4)
def _digest(efficiencies: Efficiencies) -> str:
    """Worked out once, not for each of thousands of profiles."""
    return digest_of(efficiencies.effects)


@dataclass(frozen=True, eq=False)
class OwnMachine:
    """A machine that was calibrated.

    `outline`: its profile, or as much of it as was read; `read` gives all of it, or raises `InputError`. `any_size`:
    whatever memory the machine has now, as where the user names the profile.
    """

    outline: Outline
    hardware: Hardware
    shipped: Knowledge
    read: Callable[[], Profile]
    any_size: bool = False

    @cached_property
    def profile(self) -> Profile:
        """Its profile, read to the end once it is needed. Raises `InputError` where that cannot be."""
        return self.read()

    @cached_property
    def fault(self) -> str | None:
        """Why the profile cannot be used; None for one that can be."""
        try:
            _ = self.knowledge if self.current else self.profile
        except InputError as error:
            return str(error)
        return None

    @property
    def looked_at(self) -> bool:
        """Whether `fault` was asked for."""
        return "fault" in self.__dict__

    @cached_property
    def knowledge(self) -> Knowledge:
        """The shipped knowledge with the profile over it. Raises `InputError` for shifts that the physics has not."""
        return knowledge_of(self.profile, self.shipped)

    @property
    def current(self) -> bool:
        """Whether the profile was fitted on the efficiencies shipped here."""
        return is_current(self.outline, self.shipped)

    def covers(self, scenario: Scenario) -> bool:
        """Whether a question is of this machine and of the engine that was measured; runs tell their engines each."""
        return self._measured_with(scenario.engine.name) and self.is_of(scenario.hardware)

    def fault_for(self, scenario: Scenario) -> str | None:
        """Why it does not cover a question that is of this machine; None of another. To be asked after `covers`."""
        if not (self.looked_at and self.fault and self._measured_with(scenario.engine.name)):
            return None
        return self.fault if self._describes(scenario.hardware) else None

    def _measured_with(self, engine: str) -> bool:
        own = self.outline.engine.name.lower().startswith("ik_")
        return _of_runs_alone(self.outline) or own == (engine == "ik_llama.cpp")

    @cached_property
    def fingerprint(self) -> str:
        """Of its parts as the catalog knows them now: of thousands of profiles each is compared by this alone."""
        return fingerprint_of(self.hardware)

    def is_of(self, hardware: Hardware) -> bool:
        """Whether the profile is of that machine, and can be used."""
        return self._describes(hardware) and self.fault is None

    def _describes(self, hardware: Hardware) -> bool:
        same = fingerprint_of(hardware) == self.fingerprint
        return same and (self.any_size or same_machine(hardware, self.hardware))

    def as_seen(self, found: Hardware) -> Hardware | None:
        """What the system tells of a machine, completed by what the profile knows of it; None for another machine."""
        told = filled(found, self.hardware)
        if self.is_of(told):
            return told
        seen_as = self.outline.seen_as
        if seen_as is not None and seen_as == fingerprint_of(found) and self.fault is None:
            # The calibration was told parts that the system does not name.
            size = {"gb": found.ram.gb or self.hardware.ram.gb}
            return self.hardware.model_copy(update={"ram": self.hardware.ram.model_copy(update=size)})
        return None


def hardware_of(profile: Outline) -> Hardware:
    """The machine that a profile was measured on. Raises `InputError` where it describes none that can be read."""
    try:
        return _described(json.dumps(profile.hardware))
    except ValueError as error:  # unknown names and parts that do not go together among them
        said = complaint(error, Hardware) if isinstance(error, ValidationError) else error
        raise InputError(f"the hardware of profile {profile.name!r} cannot be read ({said}): calibrate anew") from None


@lru_cache(16)
def _described(text: str) -> Hardware:
    """The machine that JSON describes: many profiles may be of one."""
    hardware = Hardware.model_validate(json.loads(text))
    machine_of(hardware)
    return hardware


def own_machine(profile: Profile, shipped: Knowledge, *, any_size: bool = False) -> OwnMachine:
    """The machine of a profile. Raises `InputError` for one that describes no machine or shifts unknown numbers."""
    machine = OwnMachine(profile, hardware_of(profile), shipped, lambda: profile, any_size)
    if machine.fault is not None:
        raise InputError(machine.fault)
    return machine


@dataclass(frozen=True, slots=True, eq=False)
class OwnMachines:
    """All calibrated machines that are stored here, and what is wrong with other files.

    The newest profile stands first, those of runs alone after all that were fitted.
    """

    shipped: Knowledge
    machines: tuple[OwnMachine, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def damaged(self) -> tuple[str, ...]:
        """What is wrong with files that hold no machine, and with those of machines that were asked for."""
        return (*self.unread, *(item.fault for item in self.machines if item.looked_at and item.fault is not None))

    @property
    def knowledge(self) -> Knowledge:
        """The shipped knowledge, with the own one of each machine that has any."""
        return replace(self.shipped, own=tuple(item for item in self.machines if item.current))

    def of(self, hardware: Hardware) -> OwnMachine | None:
        """The calibrated machine that a description means: with a usable profile if there is one."""
        return next((item for item in self._usable_first if item.is_of(hardware)), None)

    def as_seen(self, found: Hardware) -> tuple[Hardware, OwnMachine | None]:
        """What a system tells of itself, completed, and its calibrated machine if it has one."""
        for item in self._usable_first:
            told = item.as_seen(found)
            if told is not None:
                return told, item
        return found, None

    @property
    def _usable_first(self) -> Sequence[OwnMachine]:
        return sorted(self.machines, key=lambda item: not item.current)


def own_machines(profiles: Iterable[StoredProfile | Profile | InputError], shipped: Knowledge) -> OwnMachines:
    """The machines of stored profiles; an `InputError` among them is a file that could not be read."""
    machines, unread = [], []
    for profile in profiles:
        try:
            if isinstance(profile, InputError):
                raise profile
            if isinstance(profile, StoredProfile):
                outline = profile.outline
                machines.append(OwnMachine(outline, hardware_of(outline), shipped, profile.read))
            else:
                machines.append(own_machine(profile, shipped))
        except InputError as error:
            unread.append(str(error))
    newest = sorted(
        machines, key=lambda item: (not _of_runs_alone(item.outline), item.outline.measured_on), reverse=True
    )
    return OwnMachines(shipped, tuple(newest), tuple(unread))


def remark_on(machine: OwnMachine, installed: str | None) -> str | None:
    """What to say where a machine's profile is old, or its engine is not the one that is `installed` (a version)."""
    name, engine = machine.outline.name, machine.outline.engine
    if not machine.current:
        return (
            f"profile {name!r} of this machine is not used: it was fitted on other efficiencies than those shipped "
            "here; `advisor calibrate` makes a new one"
        )
    if installed and engine.version and installed != engine.version:
        return (
            f"profile {name!r} was measured with {engine.name} {engine.version}, and {installed} is installed: "
            "`advisor calibrate` renews it"
        )
    return None
