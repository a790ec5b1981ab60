"""Types of the answers that are not predictions or rankings themselves, for the code and for OpenAPI alike."""

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from advisor.answer import Prediction
from advisor.buying.recommendation import RankedBuild
from catalog.prices import PartKind, Price
from catalog.quants import Quant


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ItemError(_Answer):
    """Why one of many scenarios has no prediction."""

    code: str
    message: str
    input: Any
    """The scenario as it was sent."""


class FailedItem(_Answer):
    """Stands in the place of the prediction."""

    error: ItemError


class Predictions(_Answer):
    """One prediction or error for each scenario, in the same order."""

    predictions: tuple[Prediction | FailedItem, ...]


class RecommendationPage(_Answer):
    """A page of a ranking, best builds first; the order is the same on every page."""

    scenario: dict[str, Any]
    builds: tuple[RankedBuild, ...]
    total: int
    """Builds on all pages."""
    offset: int
    next_offset: int | None
    """Where the next page begins; null on the last."""
    tried: int
    quant_choice: str
    quant_source: str
    left_out: tuple[str, ...]
    unpriced: dict[str, tuple[str, ...]]
    assumptions: tuple[str, ...]


class CatalogTable(_Answer):
    """All rows of one table; their columns are described in the catalog's README."""

    kind: str
    count: int
    rows: tuple[dict[str, Any], ...]


class KnownModel(_Answer):
    """A language model that predictions can be asked for."""

    id: str
    name: str
    hf_id: str
    aliases: tuple[str, ...]
    architecture: str
    parameters: float
    parameters_active: float
    """Weights that each token is multiplied with."""
    max_context: int
    usual_quant: str
    """Taken where none is given."""
    usual_file_gib: float
    """Size of the file of that quantisation, in GiB."""
    source: str
    as_of: date


class ModelList(_Answer):
    """The language models that are known."""

    count: int
    models: tuple[KnownModel, ...]


class QuantList(_Answer):
    """The quantisations that are known."""

    count: int
    quants: tuple[Quant, ...]


class CountingQuote(_Answer):
    """The price that counts for a part."""

    price_usd: float
    as_of: date | None
    source: str
    condition: str
    judgement: str


class PriceList(_Answer):
    """Quotes of one part; `counting` has the one that rankings take, by condition and memory size."""

    kind: PartKind
    part: str
    quotes: tuple[Price, ...]
    counting: tuple["CountingPrice", ...]


class CountingPrice(_Answer):
    """Which quotes count for one memory size (null: the part has only one)."""

    memory_gib: float | None
    new: CountingQuote | None
    used: CountingQuote | None


class StoredCalibration(_Answer):
    """A stored calibration as it is listed."""

    id: str
    name: str
    fingerprint: str
    engine: str
    backend: str
    measured_on: str
    stored_at: str | None


class CalibrationPage(_Answer):
    """One page of the stored calibrations, those stored last first."""

    calibrations: tuple[StoredCalibration, ...]
    total: int
    offset: int
    next_offset: int | None


class Computing(_Answer):
    """Not there yet."""

    status: Literal["computing"] = "computing"


class Health(_Answer):
    """The state of the server."""

    status: Literal["ok"] = "ok"


class ProblemKind(_Answer):
    """A kind of problem."""

    code: str
    status: int
    title: str
    example: str


class ProblemKinds(_Answer):
    """Every kind of problem."""

    problems: tuple[ProblemKind, ...]
