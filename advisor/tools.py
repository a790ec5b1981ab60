"""The answers as tools of other programs: plain functions from typed questions to typed answers small enough to read.

`advisor mcp` offers them to language-model programs. Where no hardware is named it is this computer's, and what was
calibrated on it counts, as on the command line. Names that are unknown raise `UnknownName`, other input `InputError`.
"""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from advisor.answer import Prediction, Range
from advisor.asked import GgufFile, HfModel
from advisor.buying.advice import advise
from advisor.buying.costs import (
    RunningCosts,
    api_prices_of,
    cost_words,
    draws_w,
    power_of,
    running_costs,
    saving_words,
)
from advisor.buying.recommendation import Pick, RankedBuild
from advisor.buying.upgrades import Aim, Bought, UpgradeWish, upgrades_wished
from advisor.buying.wish import Wish
from advisor.choosing.runnable import models_on
from advisor.choosing.tasks import TASKS, TaskName
from advisor.detection import detect
from advisor.errors import InputError
from advisor.gguf.named import read_named
from advisor.gguf.web import Access
from advisor.market.market import Choice, Market, market_at, today
from advisor.market.money import Exchange
from advisor.market.part_price import PartPrice, part_price
from advisor.physics.knowledge import load
from advisor.prediction.case import case_of
from advisor.prediction.prediction import answers
from advisor.prediction.quant_matrix import quant_matrix
from advisor.profiles.own_machine import OwnMachines, own_machines
from advisor.profiles.store import CALIBRATIONS, ProfileStore, data_folder
from advisor.question import Engine, Hardware, Scenario, Workload, complaint
from advisor.sizes.quality import default_quant
from catalog import tables
from catalog.names.llms import resolve_llm
from catalog.names.parts import resolve_part
from catalog.prices import ApiPrice

MOST_BUILDS: Final = 10
MOST_MODELS: Final = 20
INSTRUCTIONS: Final = """Which computer to buy for a local language model, and how fast llama.cpp runs a model on one.
Speeds are tokens per second: p50 is expected, 9 in 10 real runs fall between p05 and p95; say the range, not p50 alone.
Prices are US dollars before tax with an 80 % interval. Names are read tolerantly; an unknown one is refused with the
nearest. Not predicted: vLLM, ExLlama, MLX, KTransformers, training, fine-tuning."""

ModelName = Annotated[str, Field(min_length=1, max_length=300, description='Any common spelling: "Qwen3.6-35B-A3B".')]
QuantName = Annotated[str | None, Field(max_length=60, description='llama.cpp\'s name: "Q4_K_M". Null: the usual one.')]
Machine = Annotated[
    Hardware | None,
    Field(description='Parts such as {"gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X", "ram": {"type": '
                      '"DDR4", "mt_s": 3600, "channels": 2, "gb": 32}}, or {"machine": "M4 Max 64GB"}. Null: this '
                      "computer."),
]
Tokens = Annotated[int, Field(ge=256, le=100_000_000, description="Tokens of context to make room for.")]


class _Answered(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OfferedPart(_Answered):
    """One part of a build."""

    kind: str
    name: str
    price_usd: float
    condition: str
    price_as_of: date | None


class OfferedBuild(_Answered):
    """A whole computer that can be bought, and what it does with the model."""

    model: str
    quant: str
    kind: str
    name: str
    price_usd: float
    low_usd: float
    high_usd: float
    decode_tok_s: Range | None
    prefill_tok_s: Range | None
    time_to_first_token_s: float | None
    usd_per_tok_s: float
    longest_context_tokens: int | None
    power_w: float
    parts: tuple[OfferedPart, ...]
    notes: tuple[str, ...]
    predict_command: str
    """Shows this build by itself."""


class NamedPick(_Answered):
    """A build that is best at one thing, why, and what speaks against it."""

    pick: str
    build: int
    """Its place in `builds`."""
    why: tuple[str, ...]
    against: tuple[str, ...]


class OfferedChange(_Answered):
    """What to change of a wish that nothing serves, and what would then do."""

    change: str
    build: OfferedBuild | None


class OfferedBuilds(_Answered):
    """Builds, best first, and the picks among them; both are empty where nothing serves, and then `ways_out` is not."""

    task: TaskName | None
    picks: tuple[NamedPick, ...]
    """Say these first."""
    builds: tuple[OfferedBuild, ...]
    """As many as asked, and those of the picks."""
    ways_out: tuple[OfferedChange, ...]
    models: tuple[str, ...]
    """How good the models of the picks are, in sentences."""
    running: tuple[str, ...]
    """What the first pick costs to run, in sentences."""
    near: tuple[str, ...]
    """What a little more or much less money buys."""
    tried: int
    left_out: tuple[str, ...]
    assumptions: tuple[str, ...]


class HelpfulPurchase(Bought):
    """A purchase with the speeds that it gives."""

    decode_tok_s: Range | None
    prefill_tok_s: Range | None


class HelpfulPurchases(_Answered):
    """The purchases that help, cheapest first, each a tenth better than the one before."""

    goal: Aim
    unit: str
    now: float
    """The goal's measure today; 0 where nothing serves."""
    now_model: str
    purchases: tuple[HelpfulPurchase, ...]
    best: int | None
    """Which of them a friend would buy."""
    said: tuple[str, ...]
    """What to know, and what to do where nothing helps."""


class RunnableModel(_Answered):
    """A model that a machine runs, with the quantisation to take."""

    model: str
    quant: str
    serves_task: bool
    """It is fast enough for the task and has room for its context."""
    quality: float | None
    """Artificial Analysis Intelligence Index, or an estimate of it; null where nobody measured it."""
    decode_tok_s: Range | None
    prefill_tok_s: Range | None
    vram_gb: float
    ram_gb: float
    longest_context_tokens: int | None


class RunnableModels(_Answered):
    """What a machine runs, the best for the task first."""

    task: TaskName
    hardware: Hardware
    models: tuple[RunnableModel, ...]


class QuantOnMachine(_Answered):
    """One quantisation of a model on a machine; memories in GiB."""

    quant: str
    bits_per_weight: float
    file_gb: float
    fits: bool
    decode_tok_s: Range | None
    prefill_tok_s: Range | None
    vram_gb: float
    ram_gb: float
    kl_divergence: float | None
    """From the unquantised model, as `loss_source` measured it; comparable within one source only."""
    loss_source: str | None


class QuantsOnMachine(_Answered):
    """The quantisations of a model, the widest first."""

    model: str
    hardware: Hardware
    quants: tuple[QuantOnMachine, ...]


class ApiComparison(_Answered):
    """A computer beside the providers that sell the same model by tokens; amounts in US dollars."""

    model: str
    quant: str
    task: TaskName
    decode_tok_s: Range | None
    prefill_tok_s: Range | None
    power_w: float
    """Of the computer's parts under load."""
    prices: tuple[ApiPrice, ...]
    """Of the model over an API, the lowest and the median of the providers; empty where none is known."""
    costs: RunningCosts | None
    """Null where the computer does not run the model."""
    said: tuple[str, ...]
    """The costs in sentences, and what is not known."""


class KnownNames(_Answered):
    """Names that can be asked for."""

    kind: str
    names: tuple[str, ...]


def recommend(
    model: Annotated[ModelName | None, Field(description="Null: chosen for the task.")] = None,
    task: Annotated[TaskName | None, Field(description="What it is for; without model and task: chat.")] = None,
    quant: QuantName = None,
    budget_usd: Annotated[float | None, Field(gt=0, le=1e7, description="Null: no limit.")] = None,
    context: Annotated[Tokens | None, Field(description="Null: what the task takes, else 8192.")] = None,
    min_tok_s: Annotated[
        float | None, Field(ge=0, le=1e5, description="Least writing speed; people read about 5. Null: the task's.")
    ] = None,
    condition: Literal["new", "used", "any"] = "new",
    own: Annotated[tuple[str, ...], Field(max_length=16, description="Parts one has, at $0.")] = (),
    users: Annotated[int, Field(ge=1, le=64, description="So many write at once; speeds are those of each.")] = 1,
    limit: Annotated[int, Field(ge=1, le=MOST_BUILDS)] = 3,
) -> OfferedBuilds:
    """Which computer to buy for a model or a task: picks with reasons among ranked whole builds, or ways out."""
    if quant is not None and model is None:
        raise InputError("quant is of a model: name it, or leave out quant")
    asked = {"model": model, "task": task, "quant": quant, "budget_usd": budget_usd, "context": context,
             "min_tok_s": min_tok_s, "condition": condition, "own": own, "users": users, "limit": limit}
    try:
        wish = Wish.model_validate({name: value for name, value in asked.items() if value is not None})
    except ValidationError as error:
        raise InputError(complaint(error, Wish)) from None
    found = advise(wish, _known().knowledge, _market())
    ways = (
        OfferedChange(change=way.change, build=_offered(way.build) if way.build else None) for way in found.ways_out
    )
    return OfferedBuilds(
        task=found.task, picks=tuple(_named(pick) for pick in found.picks),
        builds=tuple(_offered(build) for build in found.builds), ways_out=tuple(ways),
        models=tuple(item.why for item in found.models), running=found.running,
        near=tuple(item.text for item in found.near), tried=found.tried, left_out=found.left_out,
        assumptions=found.assumptions,
    )


def _named(pick: Pick) -> NamedPick:
    return NamedPick.model_validate(pick.model_dump(include=set(NamedPick.model_fields)))


def _offered(build: RankedBuild) -> OfferedBuild:
    told = build.prediction
    same = ("model", "quant", "kind", "name", "price_usd", "low_usd", "high_usd", "usd_per_tok_s",
            "longest_context_tokens", "power_w", "predict_command")
    return OfferedBuild(
        **{name: getattr(build, name) for name in same},
        decode_tok_s=told.decode_tok_s, prefill_tok_s=told.prefill_tok_s,
        time_to_first_token_s=told.time_to_first_token_s, notes=tuple(note.message for note in build.notes),
        parts=tuple(OfferedPart.model_validate({name: getattr(part, name) for name in OfferedPart.model_fields})
                    for part in build.parts),
    )


def upgrade(
    model: ModelName = "Qwen3.6-35B-A3B",
    quant: QuantName = None,
    hardware: Machine = None,
    goal: Annotated[Aim, Field(description="Speed, a larger model, a longer context, more people at once.")] = "faster",
    task: Annotated[TaskName, Field(description="What it is for.")] = "chat",
    budget_usd: Annotated[float | None, Field(gt=0, le=1e7, description="Null: no limit.")] = None,
    condition: Annotated[Literal["new", "used", "any"], Field(description="Of what is bought.")] = "any",
    context: Annotated[Tokens | None, Field(description="Null: 8192, and what the question takes.")] = None,
) -> HelpfulPurchases:
    """What to buy for a computer there is: purchases and pairs of them, ranked by what they change."""
    machines = _known()
    asked = _scenario(machines, hardware, model=model, quant=quant, engine=Engine(n_ctx=context))
    wish = UpgradeWish(goal=goal, task=task, budget_usd=budget_usd, condition=condition)
    found = upgrades_wished(asked, wish, _market(), machines.knowledge)
    purchases = tuple(
        HelpfulPurchase(
            **item.model_dump(include=set(Bought.model_fields)), decode_tok_s=item.prediction.decode_tok_s,
            prefill_tok_s=item.prediction.prefill_tok_s,
        ) for item in found.purchases
    )
    return HelpfulPurchases(
        **found.model_dump(include={"goal", "unit", "now", "now_model", "best", "said"}), purchases=purchases
    )


def predict(
    model: Annotated[
        ModelName | GgufFile | HfModel, Field(description='A name, {"gguf": "FILE"} or {"hf": "OWNER/REPO"}.')
    ],
    quant: QuantName = None,
    hardware: Machine = None,
    engine: Annotated[Engine | None, Field(description="Settings that are given; null: the planner's.")] = None,
    workload: Annotated[Workload | None, Field(description="Default: a prompt of 512 tokens, 128 written.")] = None,
) -> Prediction:
    """How fast llama.cpp runs a model on a computer, where its bytes lie, what limits it, and the flags to start it."""
    machines = _known()
    asked = _scenario(machines, hardware, model=model, quant=quant, engine=engine or Engine(),
                      workload=workload or Workload())
    named = asked.model
    access = Access(kept=data_folder() / "headers")
    file = read_named(named, asked.quant, access) if isinstance(named, GgufFile | HfModel) else None
    return answers([case_of(asked, file)], machines.knowledge)[0]


def models(
    task: Annotated[TaskName, Field(description="What it is for.")] = "chat",
    hardware: Machine = None,
    context: Annotated[int | None, Field(ge=256, le=100_000_000, description="Null: what the task takes.")] = None,
    limit: Annotated[int, Field(ge=1, le=MOST_MODELS)] = 10,
) -> RunnableModels:
    """Which models a computer runs well, with the quantisation to take, the best for the task first."""
    machines = _known()
    asked = _scenario(machines, hardware, model=next(iter(tables.llms())).name, engine=Engine(n_ctx=context))
    rows = []
    for row in models_on(asked, task, machines.knowledge, limit):
        told = row.answer
        rows.append(RunnableModel(
            model=row.llm.name, quant=told.quant, serves_task=row.serves,
            quality=row.quality if row.choice else None, decode_tok_s=told.decode_tok_s,
            prefill_tok_s=told.prefill_tok_s, vram_gb=told.placement.vram_gb, ram_gb=told.placement.ram_gb,
            longest_context_tokens=row.longest_context,
        ))
    return RunnableModels(task=task, hardware=asked.hardware, models=tuple(rows))


def quants(model: ModelName, hardware: Machine = None, context: Tokens = 8192) -> QuantsOnMachine:
    """What each quantisation of a model takes, loses and gives on one computer."""
    machines = _known()
    asked = _scenario(machines, hardware, model=model, engine=Engine(n_ctx=context))
    rows = []
    for row in quant_matrix(asked, machines.knowledge):
        told = row.answer
        rows.append(QuantOnMachine(
            quant=row.quant.name, bits_per_weight=row.quant.bits_per_weight, file_gb=row.file_bytes / 2**30,
            fits=told.fits, decode_tok_s=told.decode_tok_s, prefill_tok_s=told.prefill_tok_s,
            vram_gb=told.placement.vram_gb, ram_gb=told.placement.ram_gb,
            kl_divergence=row.loss.kld if row.loss else None, loss_source=row.loss.source if row.loss else None,
        ))
    return QuantsOnMachine(model=model, hardware=asked.hardware, quants=tuple(rows))


def compare_with_api(
    model: ModelName,
    quant: QuantName = None,
    hardware: Machine = None,
    task: Annotated[TaskName, Field(description="What it is for: how much is read and written.")] = "chat",
    price_usd: Annotated[
        float | None, Field(gt=0, le=1e7, description="What the computer costs. Null: it is there already.")
    ] = None,
    hours_per_day: Annotated[float, Field(gt=0, le=24, description="Hours of writing and reading a day.")] = 2.0,
    country: Annotated[str | None, Field(max_length=60, description="Whose electricity. Null: US.")] = None,
    kwh_usd: Annotated[float | None, Field(ge=0, le=10, description="Of electricity. Null: the country's.")] = None,
    power_w: Annotated[float | None, Field(gt=0, le=1e5, description="Under load. Null: by its parts.")] = None,
) -> ApiComparison:
    """What a model costs on a computer, by electricity and price, beside the same work over an API."""
    machines, work = _known(), TASKS[task]
    question = work.question(model, quant or default_quant(resolve_llm(model).row.llm))
    asked = _scenario(machines, hardware, **question.model_dump(exclude={"hardware"}))
    case = case_of(asked)
    told = answers([case], machines.knowledge)[0]
    watts = power_w or draws_w(asked.hardware)
    known, power = api_prices_of(case.llm.id), power_of(kwh_usd, country, hours_per_day)
    costs, said = None, ["" if known else f"no API's price of {case.llm.name} is known"]
    if told.decode_tok_s and told.prefill_tok_s:
        speeds = told.decode_tok_s, told.prefill_tok_s
        costs = running_costs(case.llm.id, work, watts, (price_usd or 0.0,) * 2, speeds, power)
        words = cost_words
        if price_usd is None:
            costs, words = costs.model_copy(update={"pays_back_months": None}), saving_words
        said = [*words(costs, Exchange(), power.where), *said]
    else:
        said += [note.message for note in told.warnings]
    return ApiComparison(
        model=told.model, quant=told.quant, task=task, decode_tok_s=told.decode_tok_s, power_w=watts, prices=known,
        prefill_tok_s=told.prefill_tok_s, costs=costs, said=tuple(filter(None, said)),
    )


def prices(
    part: Annotated[str, Field(min_length=1, max_length=300, description='"RTX 3090", "DDR5-6000 2x16".')],
    condition: Choice = "any",
    as_of: Annotated[date | None, Field(description="By what was known that day. Null: today.")] = None,
) -> PartPrice:
    """What a part costs: the estimate with its 80 % interval, and what was seen of it, with sources."""
    return part_price(_market(), resolve_part(part), condition, as_of or today())


def names(kind: Literal["models", "gpus", "cpus", "machines", "quants"]) -> KnownNames:
    """Every name of a kind that can be asked for."""
    tables_of: dict[str, Callable[[], Any]] = {
        "models": tables.llms, "gpus": tables.gpus, "cpus": tables.cpus, "quants": tables.quants,
        "machines": lambda: (*tables.unified_machines(), *tables.laptops()),
    }
    return KnownNames(kind=kind, names=tuple(dict.fromkeys(row.name for row in tables_of[kind]())))


class Tool(NamedTuple):
    """A tool, and whether what it says depends on more than this computer and the shipped tables."""

    call: Callable[..., BaseModel]
    asks_network: bool = False


TOOLS: Final = (
    Tool(recommend), Tool(upgrade), Tool(predict, asks_network=True), Tool(models), Tool(quants), Tool(prices),
    Tool(compare_with_api), Tool(names),
)
"""In the order in which they are listed."""


def _known() -> OwnMachines:
    """What is known of all machines and of those calibrated here."""
    if not (data_folder() / CALIBRATIONS).is_dir():
        return OwnMachines(load())
    return own_machines(ProfileStore(data_folder()).outlines(), load())


def _market() -> Market:
    return market_at(data_folder())


def _scenario(machines: OwnMachines, hardware: Hardware | None, **fields: Any) -> Scenario:
    """A question about hardware, or about this computer as its profile completes it."""
    asked = hardware or machines.as_seen(detect().hardware)[0]
    try:
        return Scenario.model_validate({**fields, "hardware": asked})
    except ValidationError as error:
        raise InputError(complaint(error, Scenario)) from None
