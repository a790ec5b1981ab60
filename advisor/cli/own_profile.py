"""What commands share that predict with a calibration profile of this machine where one is stored."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from advisor.errors import InputError

if TYPE_CHECKING:
    from advisor.physics.knowledge import Knowledge
    from advisor.profiles.own_machine import OwnMachine, OwnMachines
    from advisor.question import Hardware, Scenario

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def profile_options(command: Decorated) -> Decorated:
    """Add --profile and --no-profile."""
    without = click.option(
        "--no-profile", is_flag=True, help="Leave out calibration profiles: predict from what all machines tell."
    )
    named = click.option(
        "--profile",
        metavar="NAME",
        help="The calibration profile of the machine. Default: the newest of it that is stored here.",
    )
    return named(without(command))


def own_machines_of(options: Mapping[str, Any]) -> "OwnMachines":
    """The calibrated machines that the options leave to choose from. Raises `InputError` for an unknown --profile."""
    from advisor.physics.knowledge import load
    from advisor.profiles.own_machine import OwnMachines, own_machine, own_machines
    from advisor.profiles.store import CALIBRATIONS, data_folder

    name, without = options.get("profile"), options.get("no_profile")
    if name and without:
        raise InputError("--profile names a profile and --no-profile takes none: give one of them")
    if without or not (name or (data_folder() / CALIBRATIONS).is_dir()):
        return OwnMachines(load())
    from advisor.profiles.store import ProfileStore

    store = ProfileStore(data_folder())
    if name is None:
        return own_machines(store.outlines(), load())
    machine = own_machine(store.named(name), load(), any_size=True)
    if not machine.current:
        raise InputError(
            f"--profile {name}: it was fitted on other efficiencies than those shipped here: calibrate anew"
        )
    return OwnMachines(load(), (machine,))


def seen_here(found: "Hardware", machines: "OwnMachines") -> "Hardware":
    """This machine as a profile completes it; what is wrong with profiles goes to standard error."""
    told, machine = machines.as_seen(found)
    if machine is None or not machine.current:
        for sentence in machines.damaged:
            _note(sentence)
    remark(machine)
    return told


def remark(machine: "OwnMachine | None") -> None:
    """Say on standard error why a machine's profile is not used, or that its engine is another one."""
    if machine is None:
        return
    from advisor.engine.library import installed_version
    from advisor.profiles.own_machine import remark_on

    sentence = remark_on(machine, installed_version())
    if sentence:
        _note(sentence)


def check_asked(options: Mapping[str, Any], scenario: "Scenario", knowledge: "Knowledge") -> None:
    """Refuse --profile for a question that is of another machine."""
    name = options.get("profile")
    if name and knowledge.about(scenario) is knowledge:
        raise InputError(
            f"--profile {name} was measured on another machine or engine than this question is of: leave it out, or "
            "ask of its machine (advisor calibrate show tells its parts)"
        )


def _note(sentence: str) -> None:
    click.echo(f"note: {sentence}", err=True)
