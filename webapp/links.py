"""What a view shows, as the query parameters of its address: typed, checked, and only what differs from the default."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from advisor.buying.builds import BuildKind
from advisor.buying.wish import ALL_KINDS, CONTEXT_TOKENS, READING_TOK_S, Wish

Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)]
Names = Annotated[tuple[Name, ...], Field(max_length=40)]
Tokens = Annotated[int, Field(ge=256, le=10_000_000)]
Usd = Annotated[float, Field(gt=0, le=1e7, allow_inf_nan=False)]
Condition = Literal["new", "used", "any"]
MODEL = "Qwen3.6-35B-A3B"
"""Model of a first visit: the article that people come from is about it."""
MOST_COMPARED = 4


class State(BaseModel):
    """The state of one view. Fields are query parameters; a list is a repeated parameter."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
    path: ClassVar[str] = ""
    """Path of the view below the server's address."""


class FindState(State):
    """Find a build: the wish, the filters on what was found, and the build that is open."""

    model: Name = MODEL
    quant: Name = ""
    context: Tokens = CONTEXT_TOKENS
    budget: Usd | None = None
    speed: Annotated[float, Field(ge=0, le=1e5, allow_inf_nan=False)] = READING_TOK_S
    condition: Condition = "new"
    kinds: tuple[BuildKind, ...] = ALL_KINDS
    own: Names = ()
    price: Names = ()
    """Prices of the visitor's own, as `own_prices` reads them."""
    makers: tuple[Literal["nvidia", "amd", "intel", "apple", "none"], ...] = ()
    best_only: bool = False
    """Only builds that no other beats in price and speed at once."""
    open: Name = ""
    """Name of the open build; none: the first."""
    article: Name = ""
    """Id of an article's build that is shown instead of the first."""

    def wish(self) -> Wish:
        """What is asked of the ranking: every card and machine once."""
        return Wish(
            model=self.model, quant=self.quant or None, context=self.context, budget_usd=self.budget,
            min_tok_s=self.speed, condition=self.condition, kinds=self.kinds or ALL_KINDS, own=self.own, limit=100,
        )


class MachineState(State):
    """My machine: its parts and what is asked of it."""

    path: ClassVar[str] = "machine"
    gpu: Name = ""
    gpus: Annotated[int, Field(ge=1, le=8)] = 1
    cpu: Name = ""
    ram: Name = ""
    whole: Name = ""
    """A unified-memory machine or laptop, instead of parts."""
    disk: Name = ""
    context: Tokens = CONTEXT_TOKENS
    model: Name = MODEL
    """Model of the upgrade ladder."""
    condition: Condition = "any"


class ExploreState(State):
    """Explore a model: what it is run on, and with which quantisation the sweeps are made."""

    path: ClassVar[str] = "explore"
    model: Name = MODEL
    quant: Name = ""
    gpu: Name = "RTX 3060 12GB"
    cpu: Name = "Ryzen 7 5800X"
    ram: Name = "DDR4-3600 2x32"
    whole: Name = ""
    context: Tokens = CONTEXT_TOKENS
    speed: Literal["decode", "prefill"] = "decode"
    """Which speed the sweeps show."""


class CompareState(State):
    """Compare: up to four builds, each "graphics card | processor | memory" or "machine: name | memory"."""

    path: ClassVar[str] = "compare"
    model: Name = MODEL
    quant: Name = ""
    context: Tokens = CONTEXT_TOKENS
    condition: Condition = "any"
    build: Annotated[tuple[Name, ...], Field(max_length=MOST_COMPARED)] = ()


class EvidenceState(State):
    """Evidence: the filters on the measured runs."""

    path: ClassVar[str] = "evidence"
    speed: Literal["decode", "prefill"] = "decode"
    regime: Names = ()
    backend: Names = ()
    model: Names = ()
    verdict: Names = ()
    runs: bool = False
    """Whether every measured run is shown: takes a while once."""


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
