"""Which stored profile a command of `advisor calibrate` means, and how each stands to this machine."""

from typing import TYPE_CHECKING

from advisor.errors import InputError

if TYPE_CHECKING:
    from advisor.profiles.own_machine import OwnMachine
    from advisor.profiles.store import ProfileStore
    from advisor.question import Hardware
    from catalog.profiles import Profile

HERE, OLD = "this machine's", "this machine's, old"
FOREIGN, FOREIGN_OLD = "another machine's", "another machine's, old"
USES = {
    HERE: "It is this machine's: predictions for it use this profile.",
    OLD: "It is this machine's but not used: it was fitted on other efficiencies than those shipped; calibrate anew.",
    FOREIGN_OLD: "It is another machine's and not used: it was fitted on other efficiencies than those shipped here.",
    FOREIGN: "It is another machine's: it is used where a question names the parts of that machine.",
}


def store() -> "ProfileStore":
    """The profiles stored here."""
    from advisor.profiles.store import ProfileStore, data_folder

    return ProfileStore(data_folder())


def this_hardware() -> "Hardware":
    """This machine, as the system tells it."""
    from advisor.detection import detect

    return detect().hardware


def standing(machine: "OwnMachine", here: "Hardware") -> str:
    """Whose a profile is: one of the keys of `USES`."""
    if machine.as_seen(here) is None:
        return FOREIGN if machine.current else FOREIGN_OLD
    return HERE if machine.current else OLD


def chosen(name: str | None) -> "Profile":
    """The profile of that name; without one that of this machine, else the only one there is. Raises `InputError`."""
    from advisor.physics.knowledge import load
    from advisor.profiles.own_machine import own_machines

    profiles = store()
    if name is not None:
        return profiles.named(name)
    _, machine = own_machines(profiles.each(), load()).as_seen(this_hardware())
    if machine:
        return machine.profile
    names = profiles.names()
    if len(names) == 1:
        return profiles.named(names[0])
    if names:
        raise InputError(f"no stored profile is this machine's: name one of {', '.join(names)}")
    raise InputError("no calibration profile is stored here: `advisor calibrate` makes one of this machine")
