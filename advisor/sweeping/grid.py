"""The grid that a sweep covers: every model, quantisation, context and number of users on every machine.

A row's number is its place in the grid: questions one after the other, for each of them all machines in one order. So
any block of rows can be worked out by itself, anywhere, and the number of rows is known before any is.
"""

import json
import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from advisor.errors import InputError, reason
from advisor.machines.from_parts import machine_of
from advisor.machines.machine import Machine
from advisor.physics.fleet import Fleet, Whole
from advisor.prediction.case import Case, case_of
from advisor.question import Engine, GpuRequest, Hardware, RamRequest, Scenario, Workload, complaint

Name = Annotated[str, Field(min_length=1, max_length=300)]
Names = Annotated[tuple[Name, ...], Field(max_length=10_000)]
MOST_ROWS = 10**11
NO_CARD = "none"


class SweptHardware(BaseModel):
    """Machines: every combination of cards, links, processors, memory speeds and sizes, and machines sold whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpus: Names = (NO_CARD,)
    """Cards, such as "RTX 3090" or "2x RTX 3090"; "none" for the processor alone."""
    pcie: Names = ("",)
    """Links such as "4x16"; "" as card and processor have it."""
    cpus: Names = ()
    ram_mt_s: tuple[Annotated[float, Field(gt=0, le=20_000)], ...] = ()
    """Empty: the common speed of the processor's memory."""
    ram_gb: tuple[Annotated[float, Field(gt=0, le=1e5)], ...] = (64.0,)
    machines: Names = ()


class SweepSpec(BaseModel):
    """What a sweep covers, as its TOML file says it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: Annotated[tuple[Name, ...], Field(min_length=1, max_length=10_000)]
    quants: Annotated[tuple[Name, ...], Field(min_length=1, max_length=200)]
    contexts: Annotated[tuple[Annotated[int, Field(ge=0, le=10**8)], ...], Field(min_length=1)] = (0,)
    """Tokens of context before the prompt."""
    users: Annotated[tuple[Annotated[int, Field(ge=1, le=1024)], ...], Field(min_length=1)] = (1,)
    kv_types: Annotated[tuple[Name, ...], Field(min_length=1)] = ("f16",)
    prompt_tokens: Annotated[int, Field(ge=1, le=10**7)] = 512
    gen_tokens: Annotated[int, Field(ge=1, le=10**7)] = 128
    hardware: SweptHardware = SweptHardware()
    chunk_rows: Annotated[int, Field(ge=1000, le=10**7)] = 200_000
    """Rows of one file at most."""

    @model_validator(mode="after")
    def _something(self) -> "SweepSpec":
        if not self.hardware.cpus and not self.hardware.machines:
            raise ValueError("hardware names no machine: give cpus, with gpus beside them or not, or machines")
        return self

    @property
    def digest(self) -> str:
        """What tells this specification from others."""
        return sha256(self.model_dump_json().encode()).hexdigest()


def read_spec(path: Path) -> SweepSpec:
    """The specification in a TOML file. Raises `InputError`."""
    try:
        return SweepSpec.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {reason(error)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{str(path)!r} is not TOML: {error}") from None
    except ValidationError as error:
        raise InputError(f"{str(path)!r}: {complaint(error, SweepSpec)}") from None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of one question: machines `start` to `stop` of its kind of machines."""

    number: int
    question: int
    whole: bool
    """Whether these are the machines sold whole."""
    start: int
    stop: int

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"part-{self.number:06d}.parquet"


@dataclass(frozen=True, eq=False)
class Grid:
    """A specification worked out: questions, machines, and the blocks that they fall into."""

    spec: SweepSpec

    @cached_property
    def questions(self) -> list[tuple[str, str, int, int, str]]:
        """Model, quant, context, users and type of KV cache of each question."""
        return list(product(*self._asked))

    @property
    def _asked(self) -> tuple[Sequence[Any], ...]:
        spec = self.spec
        return spec.models, spec.quants, spec.contexts, spec.users, spec.kv_types

    @property
    def axes(self) -> tuple[Sequence[Any], ...]:
        """What the machines put together of parts are made of, the last changing fastest."""
        spec = self.spec.hardware
        return spec.gpus, spec.pcie, spec.cpus, spec.ram_mt_s or (None,), spec.ram_gb

    @property
    def counts(self) -> tuple[int, int]:
        """Machines of parts, and machines sold whole."""
        return int(np.prod([len(axis) for axis in self.axes], dtype=object)), len(self.spec.hardware.machines)

    @property
    def rows(self) -> int:
        """Rows in all, counted without listing them."""
        return math.prod(map(len, self._asked)) * sum(self.counts)

    @cached_property
    def chunks(self) -> list[Chunk]:
        """All blocks of rows, in order. Raises `InputError` for more rows than a disk holds."""
        if self.rows > MOST_ROWS:
            raise InputError(f"the sweep has {self.rows:,} rows, more than {MOST_ROWS:,}: shorten its lists")
        found: list[Chunk] = []
        for question in range(len(self.questions)):
            for whole, count in zip((False, True), self.counts, strict=True):
                for start in range(0, count, self.spec.chunk_rows):
                    stop = min(start + self.spec.chunk_rows, count)
                    found.append(Chunk(len(found), question, whole, start, stop))
        return found

    def case(self, question: int) -> Case:
        """A question, on any machine. Raises `UnknownName` and `InputError`."""
        model, quant, context, users, kv_type = self.questions[question]
        spec = self.spec
        load = Workload(
            context_depth=context, prompt_tokens=spec.prompt_tokens, gen_tokens=spec.gen_tokens, users=users
        )
        hardware = Hardware(ram=RamRequest(type="DDR4"))
        engine = Engine(kv_type=kv_type)
        return case_of(Scenario(model=model, quant=quant, hardware=hardware, engine=engine, workload=load))

    def check(self) -> None:
        """See that every name is known, before any row is worked out. Raises `UnknownName` and `InputError`."""
        for question in range(len(self.questions)):
            self.case(question)
        self.machines  # noqa: B018 - resolves every name

    @cached_property
    def machines(self) -> tuple[tuple[Machine, ...], tuple[Machine, ...], tuple[Machine, ...]]:
        """Distinct cards with links, distinct processors with memory speeds, and machines sold whole."""
        gpus, links, cpus, speeds, _ = self.axes
        size = RamRequest(gb=64)
        graphics = [
            machine_of(Hardware(gpus=_cards(name, link), cpu=cpus[0], ram=size)) for name, link in product(gpus, links)
        ] if cpus else []
        processors = [
            machine_of(Hardware(cpu=cpu, ram=RamRequest(gb=64, mt_s=mt_s))) for cpu, mt_s in product(cpus, speeds)
        ]
        whole = [machine_of(Hardware(machine=name)) for name in self.spec.hardware.machines]
        return tuple(graphics), tuple(processors), tuple(whole)

    def places(self, chunk: Chunk) -> list[Whole]:
        """For each axis the place in it of each row of a chunk of machines made of parts."""
        lengths = [len(axis) for axis in self.axes]
        return [np.asarray(place) for place in np.unravel_index(np.arange(chunk.start, chunk.stop), lengths)]

    def fleet(self, chunk: Chunk) -> Fleet:
        """The machines of a chunk."""
        graphics, processors, whole = self.machines
        if chunk.whole:
            return Fleet.of(whole[chunk.start : chunk.stop])
        gpu, link, cpu, speed, size = self.places(chunk)
        processor = cpu * len(self.axes[3]) + speed
        names = (("ram", "bandwidth_gb_s"), ("storage", "random_gb_s"), ("storage", "most_gb_s"))
        ram, random, disk = (
            np.array([getattr(getattr(item, side), name) for item in processors], dtype=float) for side, name in names
        )
        return Fleet(
            graphics=graphics, graphics_at=gpu * len(self.axes[1]) + link, processors=processors,
            processor_at=processor, ram_bytes=np.array(self.axes[4]) * 2.0**30, size_at=size,
            ram_gb_s=ram[processor], random_gb_s=random[processor], disk_gb_s=disk[processor],
        )


@lru_cache(maxsize=2)
def grid_of(spec: str) -> Grid:
    """The grid of a specification as JSON: worked out once in each process."""
    return Grid(SweepSpec.model_validate(json.loads(spec)))


def _cards(text: str, link: str) -> tuple[GpuRequest, ...]:
    """Cards of one kind as a specification names them: "2x RTX 3090"."""
    if text.strip().lower() == NO_CARD:
        return ()
    if " + " in text:
        raise InputError(f"hardware.gpus {text!r} are of several kinds: a sweep takes one kind, as 2x RTX 3090")
    count, x, rest = text.strip().partition("x ")
    counted = bool(x) and count.strip().isdigit()
    fields: dict[str, Any] = {"name": rest if counted else text.strip(), "count": int(count) if counted else 1}
    if link:
        generation, by, lanes = link.partition("x")
        if not (by and generation.isdigit() and lanes.isdigit()):
            raise InputError(f"hardware.pcie {link!r} is no link: write generation and lanes, such as 4x16")
        fields |= {"pcie_gen": int(generation), "pcie_lanes": int(lanes)}
    return (GpuRequest.model_validate(fields),)
