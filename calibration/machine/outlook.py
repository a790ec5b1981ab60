"""What a calibrated machine does with well-known models, what limits it, and what an upgrade of it would change.

All of it is predicted: by the machine's own numbers, and with what is said beside each upgrade.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from advisor.answer import Prediction
from advisor.errors import InputError
from advisor.machines.from_parts import machine_of
from advisor.physics.coefficients import COEFFICIENTS
from advisor.physics.knowledge import Knowledge
from advisor.prediction.prediction import predict_many
from advisor.profiles.own_machine import hardware_of, knowledge_of
from advisor.question import Engine, GpuRequest, Hardware, Scenario
from catalog.names.cpus import resolve_cpu
from catalog.names.index import UnknownName
from catalog.parts import Cpu
from catalog.profiles import Profile
from catalog.tables import ram_kits

MODELS = ("Qwen3.6-35B-A3B", "gpt-oss-20b", "Llama-3.1-8B")
"""One model with many small experts, one with fewer, one without any."""
CONTEXT_TOKENS = 8192
CARDS = ("RTX 3060 12GB", "RTX 5060 Ti 16GB", "RTX 3090", "RTX 5090")
"""A card of each common size of memory: 12, 16, 24 and 32 GiB."""
FEWEST_KITS = 5
"""A memory speed counts as usual when the catalog has so many kits of it."""
DESKTOP_CHANNELS = 2
LEAST_CHANGE = 0.005
"""Upgrades that change the speed of no model by more are not shown."""
OF_CARD = ("{backend}", "{chip}")
"""Labels of the coefficients that another graphics card brings its own of."""
OTHER_CARD = "this card was not measured here: its side is as on other machines"
OTHER_RAM = "the share of the memory's peak that is reached stays as measured, up to what the cores can read"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A change of the machine, what it gives each model of `MODELS`, and what was assumed.

    `tok_s` and `gain_share` (of the decode speed) are None where the model does not fit; the gain also where it did not
    fit before.
    """

    what: str
    assumed: str
    tok_s: tuple[float | None, ...]
    gain_share: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Outlook:
    """The well-known models on the machine as it is, and upgrades. `gaps`: what could not be looked at, and why."""

    now: tuple[Prediction, ...]
    upgrades: tuple[Upgrade, ...]
    gaps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Change:
    what: str
    assumed: str
    hardware: Hardware
    other_card: bool = False


def outlook(profile: Profile, shipped: Knowledge) -> Outlook:
    """What the machine of a profile does, and would do. Raises `InputError` as `hardware_of` and `knowledge_of`."""
    hardware = hardware_of(profile)
    own, beside = knowledge_of(profile, shipped), knowledge_of(_without_card(profile), shipped)
    now = _predicted(hardware, own)
    before = [_speed(answer) for answer in now]
    changes, gaps = _changes(hardware)
    upgrades = []
    for change in changes:
        after = _predicted(change.hardware, beside if change.other_card else own)
        speeds = tuple(map(_speed, after))
        gains = tuple(new / old - 1 if new and old else None for new, old in zip(speeds, before, strict=True))
        if any(_matters(*pair) for pair in zip(speeds, gains, strict=True)):
            upgrades.append(Upgrade(change.what, change.assumed, speeds, gains))
    return Outlook(tuple(now), tuple(upgrades), gaps)


def _matters(speed: float | None, gain: float | None) -> bool:
    """Whether a model fits only now, or its speed changes."""
    return speed is not None if gain is None else abs(gain) >= LEAST_CHANGE


def _without_card(profile: Profile) -> Profile:
    """The profile without what it says of the graphics card."""
    cards = {item.name for item in COEFFICIENTS if any(template.startswith(OF_CARD) for template, _ in item.pools)}
    kept = tuple(shift for shift in profile.effects if shift.coefficient not in cards)
    return profile.model_copy(update={"effects": kept})


def _predicted(hardware: Hardware, knowledge: Knowledge) -> list[Prediction]:
    engine = Engine(n_ctx=CONTEXT_TOKENS)
    return predict_many([Scenario(model=model, hardware=hardware, engine=engine) for model in MODELS], knowledge)


def _speed(answer: Prediction) -> float | None:
    """The decode speed of a model that is held in memory."""
    return answer.decode_tok_s.p50 if answer.decode_tok_s and answer.placement.storage_gb <= 0 else None


def _changes(hardware: Hardware) -> tuple[list[_Change], tuple[str, ...]]:
    """Single changes of the parts, and sentences on those that cannot be told."""
    if hardware.machine:
        return [], ("a whole machine is not upgraded part by part",)
    ram, gaps = hardware.ram, []
    unsaid = [
        word for word, value in (("type", ram.type), ("speed", ram.mt_s), ("channels", ram.channels)) if not value
    ]
    if unsaid:
        gaps.append(
            f"the RAM's {' and '.join(unsaid)} are not told by the system, so upgrades of it cannot be judged: "
            'give them when calibrating, as in --ram "DDR5-6000 2x16"'
        )
    changes = [*_channels(hardware), *_faster(hardware), *_larger(hardware), *_cards(hardware)]
    return [change for change in changes if _possible(change.hardware)], tuple(gaps)


def _possible(hardware: Hardware) -> bool:
    try:
        machine_of(hardware)
    except InputError:
        return False
    return True


def _cpu(hardware: Hardware) -> Cpu | None:
    try:
        return resolve_cpu(hardware.cpu).row if hardware.cpu else None
    except UnknownName:
        return None


def _with_ram(hardware: Hardware, **fields: object) -> Hardware:
    return hardware.model_copy(update={"ram": hardware.ram.model_copy(update=fields)})


def _channels(hardware: Hardware) -> Iterator[_Change]:
    """Twice the memory channels, where the processor has as many."""
    row, there = _cpu(hardware), hardware.ram.channels
    if there and hardware.ram.type and 2 * there <= (row.memory_channels if row else DESKTOP_CHANNELS):
        what = "a second RAM channel" if there == 1 else f"{2 * there} RAM channels instead of {there}"
        size = 2 * hardware.ram.gb if hardware.ram.gb else None
        yield _Change(what, OTHER_RAM, _with_ram(hardware, channels=2 * there, gb=size))


def _faster(hardware: Hardware) -> Iterator[_Change]:
    """The fastest usual memory of the type that there is."""
    row, ram = _cpu(hardware), hardware.ram
    if not (ram.type and ram.mt_s) or (row and (row.registered_memory or row.segment not in {"desktop", "hedt"})):
        return
    kits = Counter(
        kit.mt_s for kit in ram_kits() if (kit.ram_type, kit.form_factor, kit.registered) == (ram.type, "DIMM", False)
    )
    fastest = max((mt_s for mt_s, count in kits.items() if count >= FEWEST_KITS), default=0)
    if fastest > ram.mt_s:
        yield _Change(
            f"{ram.type}-{fastest} instead of {ram.type}-{ram.mt_s}", OTHER_RAM, _with_ram(hardware, mt_s=fastest)
        )


def _larger(hardware: Hardware) -> Iterator[_Change]:
    row, there = _cpu(hardware), hardware.ram.gb
    if there and (row is None or 2 * there <= row.max_memory_gib):
        yield _Change(
            f"{2 * there:.0f} GiB of RAM instead of {there:.0f}", "of the same speed", _with_ram(hardware, gb=2 * there)
        )


def _cards(hardware: Hardware) -> Iterator[_Change]:
    """One more of the same card, and faster cards in place of those there are."""
    there: Sequence[GpuRequest] = hardware.gpus
    if len(there) == 1:
        more = there[0].model_copy(update={"count": there[0].count + 1})
        yield _Change(
            f"another {there[0].name}", "in a slot like the first", hardware.model_copy(update={"gpus": (more,)})
        )
    fastest = max((gpu.bandwidth_gb_s for gpu in machine_of(hardware).gpus), default=0.0)
    for name in CARDS:
        new = hardware.model_copy(update={"gpus": (GpuRequest(name=name),)})
        if machine_of(new).gpus[0].bandwidth_gb_s > fastest:
            instead = f" instead of {there[0].name}" if there else ""
            yield _Change(f"{name}{instead}", OTHER_CARD, new, other_card=True)
