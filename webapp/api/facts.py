"""The catalog over HTTP: tables, models, quantisations and prices. Each body is made once and has an ETag."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic_core import to_json
from starlette.responses import Response

from advisor.buying.pricing import best_quote
from advisor.sizes.footprint import footprint
from advisor.sizes.quality import default_quant
from catalog import tables
from catalog.names.cpus import resolve_cpu
from catalog.names.gpus import resolve_gpu
from catalog.names.index import Resolved, UnknownName, nearest
from catalog.names.machines import resolve_machine
from catalog.names.quants import resolve_quant
from catalog.prices import PartKind, Price
from catalog.rows import Row
from catalog.units import GIB
from webapp.api.answers import (
    CountingPrice,
    CountingQuote,
    KnownModel,
    ModelList,
    PriceList,
    ProblemKind,
    ProblemKinds,
    QuantList,
)
from webapp.api.documents import CATALOG, MODELS, PRICES, PROBLEM_KIND, PROBLEM_LIST, QUANTS
from webapp.api.entities import Entity
from webapp.api.problems import KINDS, Refused

TABLES: Final[Mapping[str, Callable[[], Iterable[Row]]]] = {
    "gpus": tables.gpus, "cpus": tables.cpus, "boards": tables.boards, "ram_kits": tables.ram_kits,
    "ssds": tables.ssds, "psus": tables.psus, "cases": tables.cases, "coolers": tables.coolers,
    "unified_machines": tables.unified_machines, "laptops": tables.laptops, "llms": tables.llms,
    "quants": tables.quants, "tensor_types": lambda: tables.tensor_types().values(),
}  # fmt: skip
PRICED: Final[Mapping[PartKind, str]] = {
    "gpu": "gpus", "cpu": "cpus", "ram": "ram_kits", "board": "boards", "ssd": "ssds", "psu": "psus",
    "case": "cases", "cooler": "coolers", "unified": "unified_machines", "laptop": "laptops",
}  # fmt: skip
router = APIRouter()


@router.get("/v1/catalog/{kind}", **CATALOG)
async def catalog(request: Request, kind: str) -> Response:
    """All rows of a table of the catalog, each with its source and the day it was read."""
    if kind not in TABLES:
        raise Refused("not_found", f"there is no table {kind[:60]!r}: there are {', '.join(TABLES)}", tuple(TABLES))
    return table(kind).answer(request)


@cache
def table(kind: str) -> Entity:
    """All rows of a table."""
    rows = [row.model_dump(mode="json") for row in TABLES[kind]()]
    return Entity(to_json({"kind": kind, "count": len(rows), "rows": rows}))


@router.get("/v1/models", **MODELS)
async def models(request: Request) -> Response:
    """The language models that predictions can be asked for."""
    return model_list().answer(request)


@cache
def model_list() -> Entity:
    """All models."""
    found = tuple(_model(name.id) for name in tables.llms())
    return Entity(ModelList(count=len(found), models=found).model_dump_json().encode())


def _model(llm_id: str) -> KnownModel:
    llm = next(row for row in tables.llms() if row.id == llm_id)
    quant = resolve_quant(default_quant(llm)).row
    size = footprint(llm, quant)
    return KnownModel(
        **llm.model_dump(include={"id", "name", "hf_id", "aliases", "architecture", "max_context", "source", "as_of"}),
        parameters=size.parameters, parameters_active=size.parameters_active, usual_quant=quant.name,
        usual_file_gib=size.file_bytes / GIB,
    )  # fmt: skip


@router.get("/v1/quants", **QUANTS)
async def quants(request: Request) -> Response:
    """The quantisations that are known, as files are named after them."""
    return quant_list().answer(request)


@cache
def quant_list() -> Entity:
    """All quantisations."""
    found = tables.quants()
    return Entity(QuantList(count=len(found), quants=found).model_dump_json().encode())


@router.get("/v1/prices/{part:path}", **PRICES)
async def prices(request: Request, part: str) -> Response:
    """Dated price quotes of a part, named as in the catalog or in another common spelling."""
    if len(part) > 300 or not part.strip():
        raise Refused("not_found", "name a part with 1 to 300 characters")
    return price_list(*_named(part.strip())).answer(request)


def _named(text: str) -> tuple[PartKind, str]:
    exact = _parts().get(text.lower())
    if exact:
        return exact
    wholes: tuple[tuple[PartKind, Callable[[str], Resolved[Any]]], ...] = (
        ("gpu", resolve_gpu), ("cpu", resolve_cpu), ("unified", resolve_machine),
    )  # fmt: skip
    for kind, resolve in wholes:
        try:
            name = resolve(text).row.name
        except UnknownName:
            continue
        return _parts().get(name.lower(), (kind, name))
    known = nearest(text, [name for _, name in _parts().values()])
    raise Refused("not_found", f"no part is named {text[:100]!r}; nearest: {', '.join(known)}", known)


@cache
def _parts() -> dict[str, tuple[PartKind, str]]:
    return {row.name.lower(): (kind, row.name) for kind, table in PRICED.items() for row in TABLES[table]()}


@cache
def price_list(kind: PartKind, part: str) -> Entity:
    """The quotes of a part."""
    quotes = tuple(row for row in tables.prices() if (row.part_kind, row.part) == (kind, part))
    sizes = sorted({row.memory_gib for row in quotes}, key=lambda size: size or 0)
    counting = tuple(_counting(size, [row for row in quotes if row.memory_gib == size]) for size in sizes)
    return Entity(PriceList(kind=kind, part=part, quotes=quotes, counting=counting).model_dump_json().encode())


def _counting(size: float | None, quotes: list[Price]) -> CountingPrice:
    return CountingPrice(memory_gib=size, new=_quote(quotes, "new"), used=_quote(quotes, "used"))


def _quote(quotes: list[Price], condition: str) -> CountingQuote | None:
    found = best_quote([row for row in quotes if row.condition == condition], "any")
    if found is None:
        return None
    return CountingQuote(
        price_usd=found.price_usd, as_of=found.as_of, source=found.source, condition=found.condition,
        judgement=found.judgement,
    )  # fmt: skip


@router.get("/v1/problems", **PROBLEM_LIST)
async def problem_kinds(request: Request) -> Response:
    """Every kind of problem that answers may tell."""
    found = tuple(_kind(code) for code in KINDS)
    return Entity(ProblemKinds(problems=found).model_dump_json().encode()).answer(request)


@router.get("/v1/problems/{code}", **PROBLEM_KIND)
async def problem_kind(request: Request, code: str) -> Response:
    """One kind of problem: what the `type` of a problem document points to."""
    if code not in KINDS:
        raise Refused("not_found", f"there is no kind of problem {code[:60]!r}", nearest(code[:60], list(KINDS)))
    return Entity(_kind(code).model_dump_json().encode()).answer(request)


def _kind(code: str) -> ProblemKind:
    return ProblemKind(code=code, **KINDS[code]._asdict())
