"""What a view shows, as the query parameters of its address: typed, checked, and only what differs from the default."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from advisor.buying.builds import BuildKind
from advisor.buying.upgrades import Aim
from advisor.buying.wish import ALL_KINDS, CONTEXT_TOKENS
from advisor.choosing.tasks import TaskName

Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)]
Parts = Annotated[str, StringConstraints(strip_whitespace=True, max_length=600)]
Names = Annotated[tuple[Name, ...], Field(max_length=40)]
Tokens = Annotated[int, Field(ge=256, le=10_000_000)]
Amount = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Condition = Literal["new", "used", "any"]
People = Annotated[int, Field(ge=1, le=64)]
MODEL = "Qwen3.6-35B-A3B"
"""Where a view needs a model and none is named."""
MOST_COMPARED = 4
SETTINGS = ("currency", "kwh", "country", "units")
"""Fields of every view that a visitor sets once for all of them."""


class State(BaseModel):
    """The state of one view. Fields are query parameters; a list is a repeated parameter."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
    path: ClassVar[str] = ""
    """Path of the view below the server's address."""

    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    """In which amounts are shown and budgets are asked."""
    kwh: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] | None = None
    """What a kilowatt-hour costs, in the currency."""
    country: Annotated[str, Field(pattern="^([A-Z]{2})?$")] = ""
    """Whose electricity counts where no price of a kilowatt-hour is said; empty: the US."""
    units: Literal["tokens", "words"] = "tokens"
    """How speeds are told."""


class MachineFields(State):
    """A machine by its parts or as a whole."""

    gpu: Name = ""
    gpus: Annotated[int, Field(ge=1, le=8)] = 1
    cpu: Name = ""
    ram: Name = ""
    whole: Name = ""
    """A unified-memory machine or laptop, instead of parts."""
    disk: Name = ""


class BuyState(State):
    """Buy: the wish."""

    task: TaskName = "chat"
    model: Name = ""
    """Empty: chosen for the task."""
    quant: Name = ""
    context: Literal[0] | Tokens = 0
    """0: what the task needs."""
    budget: Amount | None = None
    speed: Annotated[float, Field(ge=0, le=1e5, allow_inf_nan=False)] | None = None
    """Least writing speed; None: what the task needs."""
    condition: Condition = "any"
    users: People = 1
    tinkerer: bool = False
    """With server cards that need a fan, an adapter or old drivers."""
    kinds: tuple[BuildKind, ...] = ALL_KINDS
    own: Names = ()
    price: Names = ()
    """Prices of the visitor's own, as `own_prices` reads them."""


class BuildState(State):
    """A build: "graphics card | processor | memory" or "machine: name | memory", and what is asked of it."""

    path: ClassVar[str] = "build"
    build: Parts = ""
    model: Name = MODEL
    quant: Name = ""
    task: TaskName | Literal[""] = ""
    """What it is asked for; empty: one nearly full context."""
    context: Tokens = CONTEXT_TOKENS
    condition: Condition = "any"
    users: People = 1
    """So many write at once."""
    price: Names = ()
    hours: Annotated[float, Field(ge=0, le=24, allow_inf_nan=False)] = 2.0
    """Hours a day under load, for what it costs to run."""
    goal: Aim = "faster"
    """What an upgrade of it should change."""


class MachineState(MachineFields):
    """My computer: its parts and what is asked of it."""

    path: ClassVar[str] = "machine"
    task: TaskName = "chat"
    context: Literal[0] | Tokens = 0
    """0: what the task needs."""
    model: Name = ""
    """The model that is looked at closely; empty: the best for the task."""
    quant: Name = ""
    condition: Condition = "any"
    tinkerer: bool = False
    goal: Aim = "faster"
    """What the next purchase should change."""


class ModelsState(MachineFields):
    """Models: the task, the model that is opened, and the machine that its speeds are of."""

    path: ClassVar[str] = "models"
    task: TaskName = "chat"
    model: Name = ""
    quant: Name = ""
    gpu: Name = "RTX 3060 12GB"
    cpu: Name = "Ryzen 7 5800X"
    ram: Name = "DDR4-3600 2x32"
    context: Tokens = CONTEXT_TOKENS
    speed: Literal["decode", "prefill"] = "decode"
    """Which speed the sweeps show."""


class CompareState(State):
    """Compare: up to four builds, each as `BuildState` names one."""

    path: ClassVar[str] = "compare"
    task: TaskName | Literal[""] = "chat"
    """What they are asked for; empty: one nearly full context of a certain model."""
    model: Name = ""
    """Empty: the best that all of them run well."""
    quant: Name = ""
    context: Literal[0] | Tokens = 0
    """0: what the task needs."""
    condition: Condition = "any"
    build: Annotated[tuple[Parts, ...], Field(max_length=MOST_COMPARED)] = ()
    price: Names = ()


class TrustState(State):
    """Why trust it: the filters on the measured runs, and the card whose runs are shown."""

    path: ClassVar[str] = "trust"
    speed: Literal["decode", "prefill"] = "decode"
    card: Name = ""
    regime: Names = ()
    model: Names = ()
    verdict: Names = ()


class LostState(State):
    """An address that is no page."""

    path: ClassVar[str] = "lost"
    address: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)] = ""
    """What was asked for, with its query."""


VIEWS: Mapping[str, type[State]] = MappingProxyType({
    kind.path: kind for kind in (BuyState, BuildState, MachineState, ModelsState, CompareState, TrustState, LostState)
})
"""The state of each page by its path."""
MOVED: Mapping[str, str] = MappingProxyType({"explore": "models", "evidence": "trust"})
"""Paths that pages had before, so that old links still lead somewhere."""
S = TypeVar("S", bound=State)


def read(kind: type[S], parameters: Mapping[str, Sequence[str]]) -> tuple[S, list[str]]:
    """The state that a link describes, and a sentence for each parameter that cannot be read and is passed over."""
    values: dict[str, Any] = {}
    complaints: list[str] = []
    for name, given in parameters.items():
        field = kind.model_fields.get(name)
        if field is None:
            complaints.append(f"The link names {name!r}, which this page does not know: it is passed over.")
            continue
        several = isinstance(field.get_default(), tuple)
        value: Any = tuple(item for item in given if item) if several else (given[-1] if given else "")
        try:
            values[name] = getattr(kind.model_validate({name: value}), name)
        except ValidationError:
            complaints.append(f"The link's {name} {given[-1]!r} cannot be used here: the usual value is taken.")
    return kind.model_validate(values), complaints


def write(state: State) -> dict[str, list[str]]:
    """The parameters that restore a state: those that differ from the default."""
    found: dict[str, list[str]] = {}
    for name, field in type(state).model_fields.items():
        value = getattr(state, name)
        if value != field.get_default():
            found[name] = [_text(item) for item in value] if isinstance(value, tuple) else [_text(value)]
    return {name: texts or [""] for name, texts in found.items()}


def _text(value: object) -> str:
    if value is None or value is False:
        return ""
    return f"{value:.12g}" if isinstance(value, float) else str(value)
