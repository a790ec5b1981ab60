"""A plan for this machine: its parts detected, its devices and buffers told by llama.cpp, the choice made by `plan`."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from advisor.detection import Detected
from advisor.detection.storage import lodging_of
from advisor.engine.devices import Device
from advisor.engine.filling import PARTS, as_laid_out, fuller, most_filled, share_on_device
from advisor.engine.layout import Layout, Sizes, layout_of
from advisor.engine.library import how_to_install
from advisor.engine.plan import Candidate, Given, Plan, choose, listed, reasons_for, settings_for, with_engine
from advisor.engine.preparation import check_room, check_threads, dry_run, free_memory, offloadable, processors
from advisor.engine.remote import RPC
from advisor.engine.settings import EngineSettings
from advisor.errors import InputError
from advisor.gguf.model_file import ModelFile, read_model_file
from advisor.gguf.synthetic import Recipe
from advisor.machines.from_parts import machine_of
from advisor.machines.machine import GpuDevice, Machine
from advisor.physics.knowledge import Knowledge
from advisor.physics.placement import SYSTEM_RAM_BYTES
from advisor.physics.task import DIVIDING
from advisor.prediction.case import Case, asked_of, cases_of
from advisor.prediction.drafting import WORDS
from advisor.prediction.splitting import DEFAULT, splits_of
from advisor.question import Scenario, Speculative
from catalog.llms import Llm
from catalog.profiles import DeviceFacts
from catalog.quants import Quant

DRAFTS = ("mtp", "draft_model")
WORTH_DRAFTING = 1.05
"""Below it the text decides whether drafts pay: their acceptance differs by more."""
SPLIT_BACKENDS = frozenset({"CUDA", "ROCm", "SYCL"})
"""Devices whose buffers llama.cpp can split by rows. Source: as `advisor.prediction.splitting.ROW_BACKENDS`."""

TRIES = 8
"""Steps of layers or experts taken off a device whose measured buffers turn out larger than the formula's."""
SMALL_CONTEXT = 512
MEASURED_SHARE = 0.8
"""A link's rate as it was measured counts as this share of its peak, so that all but 0.5 % of it is reached (see
`advisor.physics.stages.reached`, which bends near 1).
"""


@dataclass(frozen=True, slots=True, eq=False)
class Here:
    """This machine now: its parts with the memory that is free, and what llama.cpp can offload to."""

    machine: Machine
    devices: tuple[Device, ...]
    cores: int
    speeds_known: bool
    notes: tuple[str, ...]


def look_around(
    path: Path, found: Detected, scenario: Scenario, rpc: tuple[str, ...], facts: Sequence[DeviceFacts] = ()
) -> Here:
    """What there is to plan with; `path` is any model file, which llama.cpp needs to start. Raises as `Session`.

    `facts` are what a calibration measured of devices that the catalog lacks.
    """
    devices = dry_run(path, EngineSettings(n_ctx=SMALL_CONTEXT, rpc=rpc)).devices
    machine = machine_of(scenario.hardware, scenario.engine.backend)
    offload = offloadable(devices)
    remote = any(item.backend == RPC for item in devices)
    gpus, known, notes = cards_of(machine, offload, remote, facts)
    free = free_memory(devices)["CPU"]
    ram = machine.ram if machine.unified else replace(machine.ram, capacity_bytes=free + SYSTEM_RAM_BYTES)
    backend = "rpc" if remote or (gpus and not known) else machine.backend if gpus else "cpu"
    cores = found.cores or machine.cpu.cores
    return Here(replace(machine, gpus=gpus, ram=ram, backend=backend), devices, cores, known, notes)


def cards_of(
    machine: Machine, offload: Mapping[str, float], remote: bool, facts: Sequence[DeviceFacts] = ()
) -> tuple[tuple[GpuDevice, ...], bool, tuple[str, ...]]:
    """A card for each device of `offload`, the free bytes of llama.cpp's devices; whether its speed is known.

    Of a device of unknown speed only the memory counts, and its link where it was measured: what is placed on it
    depends on nothing else, and a calibration's shifts count from these rates.
    """
    cards = machine.gpus
    if not offload:
        if not cards:
            return (), True, ()
        names = ", ".join(dict.fromkeys(card.name for card in cards))
        return (), True, (f"llama.cpp here cannot use {names}: it was built without; {how_to_install(anew=True)}",)
    if not remote and len(cards) == len(offload):
        pairs = zip(cards, offload.values(), strict=True)
        return tuple(replace(card, vram_bytes=free) for card, free in pairs), True, ()
    links = {item.name: item.link_gb_s / MEASURED_SHARE for item in facts}
    measured = tuple(
        GpuDevice(
            name=name, maker="unknown", architecture="unknown", form="desktop", vram_bytes=free,
            bandwidth_gb_s=machine.ram.bandwidth_gb_s, fp16_tflops=1.0, link_gb_s=links.get(name, 1.0),
        )
        for name, free in offload.items()
    )
    if links.keys() >= offload.keys():
        return measured, True, ()
    note = "no speed is predicted: what the remote device is made of is not known" if remote else (
        f"no speed is predicted: llama.cpp has {len(offload)} devices and the catalog knows {len(cards)} of them"
    )
    return measured, False, (note,)


def plan_here(
    path: Path, here: Here, asked: Scenario, file: ModelFile | None, knowledge: Knowledge, rpc: tuple[str, ...] = ()
) -> Plan:
    """The plan for the model whose file, or a stand-in of it, lies at `path`; `file` where its own sizes are to count.

    Raises `InputError` where nothing fits.
    """
    given = Given(here.machine, knowledge, file, here.cores, here.speeds_known)
    trial = _Trial(path, Sizes.of_file(file or read_model_file(path)), here, rpc)
    if not here.speeds_known:
        asked = with_engine(asked, threads=asked.engine.threads or here.cores)
    check_split(asked, here.devices)
    best, reasons = choose(asked, given, as_asked=not here.speeds_known)
    several = here.speeds_known and len(here.machine.gpus) > 1
    splits = splits_of(best.case.scenario, knowledge, file, here.machine) if several else None
    if splits and splits.best.mode != DEFAULT and asked.engine.split_mode is None:
        asked = with_engine(asked, split_mode=splits.best.mode)
        trial = replace(trial, tensor_split=tuple(map(float, splits.best.tensor_split)))
        [best] = given.candidates([with_engine(best.case.scenario, split_mode=splits.best.mode)])
    for _ in range(TRIES):
        settings, layout, why = trial.of(best.case)
        easier = easier_than(best, layout, trial.free)
        if easier is None:
            break
        apart = next((name for name in ("n_cpu_ffn", "n_cpu_moe_last") if getattr(best.case.scenario.engine, name)), "")
        less = with_engine(asked, **{"n_gpu_layers": easier[0], apart or "n_cpu_moe": easier[1]})
        best, _ = choose(less, given, as_asked=not here.speeds_known)
    else:
        settings, layout, why = trial.of(best.case)
    better = filled(best, layout, given, trial, asked)
    if better:
        best, settings, layout, part = better
        reasons = reasons_for(asked, listed(asked, given), best, here.cores) if here.speeds_known else ()
    told = about_experts(best.case, part if better else "")
    check_threads(settings, processors())
    check_room(layout, trial.free, settings)
    told += (*reasons, *about_drafts(best, given)) if here.speeds_known else ()
    told += (f"{splits.best.flags}: {splits.reason}",) if splits else ()
    disk = lodging_of(path).advice if file and file.llm.n_experts and best.case.placement.storage_bytes > 0 else ()
    notes = (*here.notes, *told, *why, *disk)
    return Plan(given.warned(best), settings, layout, trial.free, here.speeds_known, notes)


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """Cases laid out with llama.cpp's own figures."""

    path: Path
    sizes: Sizes
    here: Here
    rpc: tuple[str, ...]
    tensor_split: tuple[float, ...] = ()
    """Shares of the devices, where they are not as the placement has them."""

    @property
    def offload(self) -> dict[str, float]:
        """Free bytes of the devices that layers go to."""
        return offloadable(self.here.devices)

    @property
    def free(self) -> dict[str, float]:
        """Free bytes of all devices."""
        return free_memory(self.here.devices)

    def settings(self, case: Case, part: str = "") -> tuple[EngineSettings, tuple[str, ...]]:
        """Settings for a case, and why."""
        cores, free = self.here.cores, self.free["CPU"]
        settings, why = settings_for(case, self.sizes, len(self.offload), cores, free, self.rpc, part)
        return settings.model_copy(update={"tensor_split": self.tensor_split or settings.tensor_split}), why

    def of(self, case: Case, part: str = "") -> tuple[EngineSettings, Layout, tuple[str, ...]]:
        """Settings for a case, where they put everything, and why. Raises as `check_room` and `Session`."""
        settings, why = self.settings(case, part)
        # before the dry run, which takes long for contexts of many millions of tokens
        check_room(layout_of(self.sizes, settings, self.offload, {}), self.free, settings)
        dry = dry_run(self.path, settings, self.sizes)
        return settings, layout_of(self.sizes, settings, self.offload, dry.compute, dry.refused), why


def filled(
    best: Candidate, layout: Layout, given: Given, trial: _Trial, asked: Scenario
) -> tuple[Candidate, EngineSettings, Layout, str] | None:
    """A plan with as much on the devices as llama.cpp's own figures leave room for, and the part of a layer that stays
    in RAM; None where the best is such a plan already.

    Buffers hardly change with a layer more: those of the plan are taken to find the fullest way, which is then asked of
    llama.cpp, and the next fullest where that is too full.
    """
    compute = {name: share.compute for name, share in layout.shares.items()}
    passed: list[tuple[Case, str, float]] = []
    for scenario, part in fuller(best, asked):
        [case] = cases_of([asked_of(scenario, given.file, given.machine)])
        guess = layout_of(trial.sizes, trial.settings(case, part)[0], trial.offload, compute)
        if not 0 < most_filled(guess, trial.free) <= 1:
            break
        share = share_on_device(trial.sizes, case.placement.experts_to, part) if part else 0.0
        hoped = given.of(as_laid_out(case, guess, trial.offload, share))
        if not given.speeds_known or hoped.request_s <= best.request_s:
            passed.append((case, part, share))
    for case, part, share in reversed(passed[-TRIES:]):
        settings, exact, _ = trial.of(case, part)
        if most_filled(exact, trial.free) <= 1:
            return given.of(as_laid_out(case, exact, trial.offload, share)), settings, exact, part
    return None


def about_experts(case: Case, part: str) -> tuple[str, ...]:
    """Which experts are in RAM where those are of the last layers, as a sentence."""
    lies = case.placement
    if not case.scenario.engine.n_cpu_moe_last or not lies.n_cpu_moe:
        return ()
    told = (
        f"experts of the last layers are in RAM (layers {lies.experts_to} to {lies.bounds[-1] - 1}): of a prompt those "
        "of the last layer are needed for one token alone"
    )
    return (f"{told}; of layer {lies.experts_to} {PARTS[part]} lie on the device" if part else told,)


def check_split(asked: Scenario, devices: Sequence[Device]) -> None:
    """Refuse a way to share layers that llama.cpp does not have for these devices."""
    mode, used = asked.engine.split_mode, offloadable(devices)
    if mode in DIVIDING and len(used) < 2:
        raise InputError(f"--split-mode {mode} is for several devices, and here is {len(used) or 'none'}: leave it out")
    without = [item for item in devices if item.name in used and item.backend not in SPLIT_BACKENDS]
    if mode == "row" and without:
        raise InputError(
            f"--split-mode row needs devices with split buffers ({', '.join(sorted(SPLIT_BACKENDS))}), and "
            f"{without[0].name} ({without[0].backend}) has none: take --split-mode layer"
        )


def about_drafts(best: Candidate, given: Given) -> Iterator[str]:
    """Whether drafts would pay here, by what and with which options of llama-server: the better of the model's own
    layers and a small model of its family, where there is either.
    """
    found = []
    for kind in DRAFTS:
        try:
            asked = with_engine(best.case.scenario, speculative=Speculative.model_validate({"kind": kind}))
            [drafted] = given.candidates([asked])
        except InputError:  # the model has no such draft
            continue
        if drafted.prediction.speculation and drafted.case.draft and drafted.case.runs:
            found.append((drafted.decode / best.decode, drafted))
    if not found:
        return
    gain, drafted = max(found, key=lambda pair: pair[0])
    draft = drafted.case.draft
    if draft and gain >= WORTH_DRAFTING:
        options = f"{draft.flags} --spec-draft-n-max {drafted.case.drafted}"
        yield f"drafts pay: with {WORDS[draft.kind]} ({options}) it would write {gain:.2f} times as fast as without"
        yield from draft.notes
    elif draft:
        yield f"drafts do not pay here: with {WORDS[draft.kind]} it would write {gain:.2f} times as fast as without"


def easier_than(best: Candidate, layout: Layout, free: dict[str, float]) -> tuple[int, int] | None:
    """Fewer layers or experts on the devices where they are over full, None where all fits or nothing can be moved."""
    over = [
        name for name, share in layout.shares.items() if name != "CPU" and share.total > free.get(name, share.total)
    ]
    place = best.case.placement
    if not over or not place.n_gpu_layers:
        return None
    n_layers = best.case.demand.footprint.n_layers
    if best.case.demand.footprint.has_apart and place.n_cpu_moe < n_layers:  # of the first or of the last layers
        return place.n_gpu_layers, place.n_cpu_moe + 1
    return place.n_gpu_layers - 1, place.n_cpu_moe


@contextmanager
def stand_in(llm: Llm, quant: Quant) -> Iterator[Path]:
    """A file with the header of a catalog model and no weights (a hole in the disk): enough for a dry run."""
    recipe = Recipe(llm, quant)
    with tempfile.TemporaryDirectory(prefix="advisor-") as folder:
        path = Path(folder) / f"{llm.id}-{quant.name}.gguf"
        path.write_bytes(recipe.header)
        os.truncate(path, recipe.size_bytes)
        yield path
