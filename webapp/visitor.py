"""What a visitor brings: prices of their own, and calibration profiles of their machine.

Prices hold for the visit: they stand before the catalog's quotes, and let unpriced parts be bought. In a link each is
"kind:name=USD", for example "gpu:RTX 3060 12GB=190". A profile is uploaded, or stored on the computer that serves.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from typing import Any, Literal, get_args

from advisor.buying.compatibility import is_card
from advisor.buying.pricing import Key, PriceBook, Quote, own_price
from advisor.buying.stock import Stock
from advisor.errors import InputError
from advisor.machines.from_parts import machine_of
from advisor.physics.knowledge import Knowledge
from advisor.profiles.own_machine import OwnMachine, OwnMachines, own_machine
from advisor.question import Hardware
from catalog import tables
from catalog.names.cpus import resolve_cpu
from catalog.names.gpus import resolve_gpu
from catalog.names.index import UnknownName
from catalog.names.machines import resolve_machine
from catalog.parts import Gpu, Laptop, UnifiedMachine
from catalog.prices import PartKind
from catalog.profiles import BadProfile, Profile, read_profile
from catalog.rows import Row

SOURCE = "set by you"
SHELVES: Mapping[str, tuple[str, Callable[[], Sequence[Row]]]] = {
    "gpu": ("gpus", tables.gpus), "cpu": ("cpus", tables.cpus), "board": ("boards", tables.boards),
    "ram": ("ram_kits", tables.ram_kits), "ssd": ("ssds", tables.ssds), "psu": ("psus", tables.psus),
    "case": ("cases", tables.cases), "cooler": ("coolers", tables.coolers),
}
"""Where each kind of part that is sold in one size stands in a stock, and the catalog's table of it."""
MACHINES = ("unified", "laptop")


def read_prices(texts: Sequence[str]) -> dict[tuple[str, str], float]:
    """Prices in USD by kind and name. Raises `InputError` for a text that is none."""
    found: dict[tuple[str, str], float] = {}
    for text in texts:
        named, _, amount = text.rpartition("=")
        kind, _, name = named.partition(":")
        if kind not in (*SHELVES, *MACHINES) or name not in names_of(kind):
            raise InputError(f"your price {text!r} names no part of the catalog: choose the part from the list")
        try:
            usd = float(amount)
        except ValueError:
            usd = 0.0
        if not 0 < usd <= 1e6:
            raise InputError(f"your price for {name} must be more than $0 and at most $1,000,000, not {amount!r}")
        found[kind, name] = usd
    return found


def written(prices: Mapping[tuple[str, str], float]) -> tuple[str, ...]:
    """Prices as texts of a link.

    >>> written({("gpu", "RTX 3060 12GB"): 190.0})
    ('gpu:RTX 3060 12GB=190',)
    """
    return tuple(f"{kind}:{name}={usd:.12g}" for (kind, name), usd in prices.items())


def told(text: str) -> str:
    """A price as people read it.

    >>> told("gpu:RTX 3060 12GB=190")
    'RTX 3060 12GB: $190'
    """
    named, _, amount = text.rpartition("=")
    return f"{named.partition(':')[2]}: ${amount}"


@cache
def names_of(kind: str) -> tuple[str, ...]:
    """What is sold of a kind; a whole machine by its memory size too, "Name, 64 GB"."""
    return tuple(_machines(kind)) if kind in MACHINES else tuple(row.name for row in SHELVES[kind][1]())


def _machines(kind: str) -> dict[str, tuple[UnifiedMachine | Laptop, float]]:
    """Whole machines and their memory in GiB by what they are sold as."""
    rows: Iterable[tuple[UnifiedMachine | Laptop, float]]
    if kind == "laptop":
        rows = [(row, gib) for row in tables.laptops() for gib in row.ram_gib]
    else:
        rows = [(row, gib) for row in tables.unified_machines() for gib in row.memory_gib]
    return {f"{row.name}, {gib:g} GB": (row, gib) for row, gib in rows}


def with_prices(stock: Stock, prices: Mapping[tuple[str, str], float], today: date) -> Stock:
    """The stock with a visitor's prices, and with the parts in it that have one; owned parts stay free."""
    if not prices:
        return stock
    quotes: dict[Key, Quote] = dict(stock.prices.quotes)
    condition: Literal["new", "used"] = "used" if stock.prices.choice == "used" else "new"
    for (kind, name), usd in prices.items():
        of: PartKind = next(known for known in get_args(PartKind) if known == kind)
        machine = _machines(kind)[name] if kind in MACHINES else None
        key: Key = (of, machine[0].name, machine[1]) if machine else (of, name, None)
        quotes[key] = own_price(usd, today, SOURCE, condition)

    parts: dict[str, Any] = {}
    for kind, (shelf, table) in SHELVES.items():
        new = {name for of, name in prices if of == kind} - {row.name for row in getattr(stock, shelf)}
        rows = [row for row in table() if row.name in new and (not isinstance(row, Gpu) or is_card(row))]
        parts[shelf] = (*getattr(stock, shelf), *rows)
    sold = [item for kind in MACHINES for name, item in _machines(kind).items() if (kind, name) in prices]
    unpriced = {kind: tuple(n for n in names if (kind, n) not in prices) for kind, names in stock.unpriced.items()}
    return replace(
        stock, **parts, machines=tuple(dict.fromkeys((*stock.machines, *sold))),
        prices=PriceBook(quotes, stock.prices.owned, stock.prices.choice),
        unpriced={kind: names for kind, names in unpriced.items() if names},
    )


@dataclass(frozen=True, slots=True, eq=False)
class OwnCalibration:
    """A profile laid over the facts, for the machine of the view, whose gaps it fills."""

    profile: Profile
    hardware: Hardware
    knowledge: Knowledge


def uploaded(content: bytes, hardware: Hardware, shipped: Knowledge) -> OwnCalibration:
    """The profile in a file that a visitor gives.

    Raises `InputError` for a damaged one, and for one of another machine or of other efficiencies.
    """
    try:
        profile = read_profile(content)
    except BadProfile as error:
        raise InputError(f"this file is no calibration profile that can be used: {error}") from error
    machine = own_machine(profile, shipped, any_size=True)
    filled = machine.as_seen(hardware)
    if filled is None:
        names = []
        for each in (machine_of(machine.hardware), machine_of(hardware)):
            speed = "" if each.unified else f" with {each.ram.type} of {each.ram.bandwidth_gb_s:.0f} GB/s"
            names.append(f"{each.name.replace(' | ', ', ')}{speed}")
        raise InputError(
            f"this profile was measured on another machine ({names[0]}), not on {names[1]}: "
            "choose the profile's parts, or upload the profile of this machine"
        )
    if not machine.current:
        raise InputError("this profile was fitted on other efficiencies than those shipped here: calibrate anew")
    return OwnCalibration(profile, filled, machine.knowledge)


def stored(machines: OwnMachines, hardware: Hardware, here: Hardware) -> tuple[Hardware, OwnMachine | None]:
    """The machine of the view with what its stored profile knows of it, and that profile's machine.

    `here` is what this computer is: where the view shows its parts, the words of a processor that the catalog lacks,
    which no field can hold, are taken from it.
    """
    cards, cards_here = ([(gpu.name, gpu.count) for gpu in each.gpus] for each in (hardware, here))
    cpu_here = cpu_named(here.cpu or "") or None
    if (hardware.cpu, hardware.machine, cards) == (cpu_here, here.machine, cards_here):
        hardware = here.model_copy(update={"ram": hardware.ram})
    return machines.as_seen(hardware)


@cache
def cpu_named(text: str) -> str:
    """The catalog's name of a processor as a system tells it; "" where it tells none or the catalog lacks it."""
    try:
        return resolve_cpu(text).row.name if text else ""
    except UnknownName:
        return ""


_ASIDE = re.compile(
    r"\(0x[0-9a-f]+\)|direct3d.*|opengl.*|vulkan.*|/pcie.*|\bd3d11\b|angle \(|angle metal renderer:|[()]", re.IGNORECASE
)
_NO_CARD = re.compile(r"swiftshader|llvmpipe|software|basic render|mesa offscreen|virtual", re.IGNORECASE)


def seen_in(renderer: str) -> dict[str, str]:
    """The fields of a computer that a browser's name of its graphics tells; empty where it tells none that is known.

    >>> seen_in("ANGLE (NVIDIA, NVIDIA GeForce RTX 4060 Laptop GPU (0x000028E0) Direct3D11 vs_5_0 ps_5_0, D3D11)")
    {'gpu': 'RTX 4060 Laptop GPU'}
    >>> seen_in("Google SwiftShader"), seen_in("Apple GPU")
    ({}, {})
    """
    if _NO_CARD.search(renderer):
        return {}
    for text in sorted((_ASIDE.sub(" ", part).strip() for part in renderer.split(",")), key=len, reverse=True):
        if len(text) < 5 or text.lower() in ("apple gpu", "google inc."):
            continue
        try:
            if text.startswith("Apple M"):
                return {"whole": resolve_machine(text, None).row.name}
            gpu = resolve_gpu(text).row
        except UnknownName:
            continue
        return {"gpu": gpu.name} if gpu.form != "integrated" else {}
    return {}
