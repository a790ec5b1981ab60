"""The catalog over HTTP: tables, models, quantisations, prices, and the accuracy. Each body is made once."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import cache, partial
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from pydantic_core import to_json
from starlette.responses import Response

from advisor.choosing.quality import choice_of, has_projector
from advisor.choosing.runnable import index_of
from advisor.choosing.tasks import TASKS, TaskName
from advisor.files import write_whole
from advisor.market.market import Choice, Market, today
from advisor.market.part_price import PartPrice, part_price
from advisor.sizes.footprint import footprint
from advisor.sizes.quality import default_quant
from catalog import tables
from catalog.llms import Llm
from catalog.names.index import UnknownName, nearest
from catalog.names.parts import NamedPart, resolve_part
from catalog.names.quants import resolve_quant
from catalog.prices import Observation
from catalog.rows import Row
from catalog.units import GIB
from webapp.api.answers import (
    TAGGED,
    Accuracy,
    CatalogTable,
    Computing,
    Entity,
    KnownModel,
    ModelList,
    ProblemKind,
    ProblemKinds,
    QuantList,
    Tag,
)
from webapp.api.problems import KINDS, Refused, problems
from webapp.api.service import market_with, service_of
from webapp.api.telemetry import tell

TABLES: Final[Mapping[str, Callable[[], Iterable[Row]]]] = {
    "gpus": tables.gpus, "cpus": tables.cpus, "boards": tables.boards, "ram_kits": tables.ram_kits,
    "ssds": tables.ssds, "psus": tables.psus, "cases": tables.cases, "coolers": tables.coolers,
    "unified_machines": tables.unified_machines, "laptops": tables.laptops, "llms": tables.llms,
    "quants": tables.quants, "tensor_types": lambda: tables.tensor_types().values(),
}
router = APIRouter()


@router.get(
    "/v1/catalog/{kind}", tags=["catalog"], response_model=CatalogTable, response_description="All rows of a table",
    responses=TAGGED | problems("not_found"),
)
async def catalog(kind: str, tag: Tag = "") -> Response:
    """All rows of a table of the catalog, each with its source and the day it was read."""
    if kind not in TABLES:
        raise Refused("not_found", f"there is no table {kind[:60]!r}: there are {', '.join(TABLES)}", tuple(TABLES))
    return table(kind).answer(tag)


@cache
def table(kind: str) -> Entity:
    """All rows of a table."""
    rows = [row.model_dump(mode="json") for row in TABLES[kind]()]
    return Entity(to_json({"kind": kind, "count": len(rows), "rows": rows}))


@router.get(
    "/v1/models", tags=["catalog"], response_model=ModelList, response_description="The language models that are known",
    responses=TAGGED | problems("invalid_parameter"),
)
async def models(tag: Tag = "", task: TaskName | None = None) -> Response:
    """The language models that predictions can be asked for. `task`: those that can be given it, the best first, each
    with how good it is at it.
    """
    return model_list(task).answer(tag)


@cache
def model_list(task: TaskName | None = None) -> Entity:
    """All models, or those for a task: that see where it takes eyes, those of which nothing is known last."""
    sees = task is not None and TASKS[task].sees
    found = [_model(llm, task) for llm in tables.llms() if not sees or has_projector(llm.id)]
    if task is not None:
        found.sort(key=lambda model: -model.index.p50 if model.index else 0.0)
    return Entity(ModelList(count=len(found), models=tuple(found)).model_dump_json().encode())


def _model(llm: Llm, task: TaskName | None) -> KnownModel:
    quant = resolve_quant(default_quant(llm)).row
    size = footprint(llm, quant)
    choice = choice_of(llm, quant.name, TASKS[task]) if task else None
    return KnownModel(
        **llm.model_dump(include={"id", "name", "hf_id", "aliases", "architecture", "max_context", "source", "as_of"}),
        parameters=size.parameters, parameters_active=size.parameters_active, usual_quant=quant.name,
        usual_file_gib=size.file_bytes / GIB, index=index_of(choice),
    )


@router.get(
    "/v1/quants", tags=["catalog"], response_model=QuantList, response_description="The quantisations that are known",
    responses=TAGGED | problems(),
)
async def quants(tag: Tag = "") -> Response:
    """The quantisations that are known, as files are named after them."""
    return quant_list().answer(tag)


@cache
def quant_list() -> Entity:
    """All quantisations."""
    found = tables.quants()
    return Entity(QuantList(count=len(found), quants=found).model_dump_json().encode())


@router.get(
    "/v1/prices/{part:path}", tags=["catalog"], response_model=PartPrice,
    response_description="What a part costs: the estimate and what was seen",
    responses=TAGGED | problems("not_found", "invalid_parameter", "too_slow", "store_unavailable"),
)
async def prices(
    request: Request, part: str, tag: Tag = "", condition: Choice = "any", as_of: date | None = None
) -> Response:
    """What a part costs, named as in the catalog or in another common spelling, with or without its memory size; and
    what was seen of its price. `as_of`: by what was known that day.
    """
    if len(part) > 300 or not part.strip():
        raise Refused("not_found", "name a part with 1 to 300 characters")
    service, day = service_of(request), as_of or today()
    own = await service.own_prices()
    work = partial(_price, part.strip(), condition, day, own)
    found = await service.briefly(request, (part.strip(), condition, day, len(own)), work)
    return found.answer(tag)


def _price(part: str, condition: Choice, as_of: date, own: tuple[Observation, ...]) -> Entity:
    try:
        named = resolve_part(part)
    except UnknownName as error:
        raise Refused("not_found", f"no part is named {part[:100]!r}; nearest: {', '.join(error.nearest)}",
                      error.nearest) from None
    return price_of_part(market_with(own), named, condition, as_of)


def price_of_part(market: Market, part: NamedPart, condition: Choice = "any", as_of: date | None = None) -> Entity:
    """What is known of a part's price, by default today."""
    return Entity(part_price(market, part, condition, as_of or today()).model_dump_json().encode())


@router.get(
    "/v1/problems", tags=["server"], response_model=ProblemKinds, response_description="Every kind of problem",
    responses=TAGGED | problems(),
)
async def problem_kinds(tag: Tag = "") -> Response:
    """Every kind of problem that answers may tell."""
    found = tuple(_kind(code) for code in KINDS)
    return Entity(ProblemKinds(problems=found).model_dump_json().encode()).answer(tag)


@router.get(
    "/v1/problems/{code}", tags=["server"], response_model=ProblemKind, response_description="One kind of problem",
    responses=TAGGED | problems("not_found"),
)
async def problem_kind(code: str, tag: Tag = "") -> Response:
    """One kind of problem: what the `type` of a problem document points to."""
    if code not in KINDS:
        raise Refused("not_found", f"there is no kind of problem {code[:60]!r}", nearest(code[:60], list(KINDS)))
    return Entity(_kind(code).model_dump_json().encode()).answer(tag)


def _kind(code: str) -> ProblemKind:
    return ProblemKind(code=code, **KINDS[code]._asdict())


# Predicted against measured speeds: what `advisor accuracy --json` computes from the evidence, computed once and kept.

WAIT_S = 2.0
"""An answer that takes longer is promised for later."""
ASK_AGAIN_S = 10
LONGEST_S = 600.0
WATCHED = """
import sys
from advisor.children import requests
from advisor.cli.app import run
from webapp.api.computing import give_way
requests()
give_way()
sys.exit(run(["accuracy", "--json"]))
"""
"""The command, which ends with the server: it watches its input, which closes then."""


class AccuracyFigures:
    """The figures of this version of the program, kept in a folder for all workers and for the next start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._task: asyncio.Task[Entity] | None = None

    async def get(self) -> Entity | None:
        """The figures, or None while they are being computed."""
        if self._task is None or (self._task.done() and _failed(self._task)):
            self._task = asyncio.create_task(self._found())
        done, _ = await asyncio.wait({self._task}, timeout=WAIT_S)
        return self._task.result() if done else None

    async def _found(self) -> Entity:
        path = self._folder / f"accuracy-{await asyncio.to_thread(_digest)}.json"
        if not path.is_file():
            content = await _computed()
            await asyncio.to_thread(write_whole, path, content)
        return Entity(await asyncio.to_thread(path.read_bytes))

    async def close(self) -> None:
        """Stop computing."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})


def _failed(task: asyncio.Task[Entity]) -> bool:
    return task.cancelled() or task.exception() is not None


async def _computed() -> bytes:
    """The command's output; in a process of its own, since minutes of arithmetic would hold up other answers.

    A thread waits for it: on Windows the event loop of one of several workers starts no processes.
    """
    process = subprocess.Popen((sys.executable, "-c", WATCHED), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        async with asyncio.timeout(LONGEST_S):
            content = await asyncio.to_thread(_output, process)
    finally:
        process.kill()
    if process.returncode:
        tell(logging.ERROR, "accuracy failed", exit_code=process.returncode)
        raise RuntimeError("the accuracy could not be computed")
    return content


def _output(process: "subprocess.Popen[bytes]") -> bytes:
    """All that a process says until its end."""
    with process:
        assert process.stdout is not None
        return process.stdout.read()


def _digest() -> str:
    """Of all that the figures depend on: the program's version, the evidence and the tables."""
    found = sha256(version("llm-hardware-advisor").encode())
    for package, folder in (("calibration", "evidence"), ("catalog", "data")):
        for path in sorted(Path(str(files(package))).joinpath(folder).glob("*.csv")):
            found.update(path.read_bytes())
    return found.hexdigest()[:24]


@router.get(
    "/v1/accuracy", tags=["accuracy"], response_model=Accuracy,
    response_description="Predicted against measured speeds, on machines never fitted",
    responses=TAGGED | problems() | {
        202: {
            "model": Computing, "headers": {"Retry-After": {"schema": {"type": "integer"}}},
            "description": "Being computed from the evidence (about half a minute); ask again",
        }
    },
)
async def accuracy(request: Request, tag: Tag = "") -> Response:
    """Predicted against measured speeds on machines that were never fitted; 202 while the figures are computed."""
    found = await service_of(request).accuracy.get()
    if found is None:
        headers = {"retry-after": str(ASK_AGAIN_S), "cache-control": "no-store"}
        return Response(Computing().model_dump_json(), 202, headers, "application/json")
    return found.answer(tag)
