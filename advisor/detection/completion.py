"""What the user tells of this computer put over what the system told."""

from advisor.question import Hardware, RamRequest, StorageRequest


def completed(found: Hardware, given: Hardware) -> Hardware:
    """The hardware with each part that is given; of memory and storage each property.

    A whole machine that is given stands for all parts but the sizes found.
    """
    ram = RamRequest(**(found.ram.model_dump() | given.ram.model_dump(exclude_none=True)))
    storage = given.storage if given.storage != StorageRequest() else found.storage
    if given.machine:
        return Hardware(machine=given.machine, ram=RamRequest(gb=ram.gb), storage=storage)
    parts = given.gpus or given.cpu
    return Hardware(
        gpus=given.gpus or found.gpus,
        cpu=given.cpu or found.cpu,
        ram=ram,
        storage=storage,
        machine=None if parts else found.machine,
    )


def excess(found: Hardware, given: Hardware) -> str | None:
    """A remark where more memory is given than this system may use."""
    if given.ram.gb and found.ram.gb and given.ram.gb > found.ram.gb * _ROUNDED:
        return (
            f"--ram names {given.ram.gb:.0f} GiB, of which this system may use {found.ram.gb:.1f} GiB: "
            "what does not fit into these cannot run here"
        )
    return None


_ROUNDED = 1.1
"""A computer keeps some of its memory to itself: 31.3 of 32 GiB are told."""
