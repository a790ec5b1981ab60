"""What the API answers besides predictions: the types, for the code and for OpenAPI alike, and bodies with an ETag."""

from datetime import date
from hashlib import sha256
from typing import Annotated, Any, Final, Literal

from fastapi import Header
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from advisor.answer import Prediction
from advisor.buying.recommendation import Recommendation
from advisor.choosing.runnable import IndexOfModel
from catalog.quants import Quant


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ItemError(_Reply):
    """Why one of many scenarios has no prediction."""

    code: str
    message: str
    input: Any
    """The scenario as it was sent."""


class FailedItem(_Reply):
    """Stands in the place of the prediction."""

    error: ItemError


class Predictions(_Reply):
    """One prediction or error for each scenario, in the same order."""

    predictions: tuple[Prediction | FailedItem, ...]


class RecommendationPage(Recommendation):
    """A page of a ranking, best builds first; the order is the same on every page.

    The first page has the picks, and behind its builds those of picks that are further down: they come again on their
    own page, with the same `rank`.
    """

    total: int
    """Builds on all pages."""
    offset: int
    next_offset: int | None
    """Where the next page begins; null on the last."""


class CatalogTable(_Reply):
    """All rows of one table; their columns are described in the catalog's README."""

    kind: str
    count: int
    rows: tuple[dict[str, Any], ...]


class KnownModel(_Reply):
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
    index: IndexOfModel | None
    """At the task that was asked, in that quantisation; null without a task, and where nothing is known."""
    source: str
    as_of: date


class ModelList(_Reply):
    """The language models that are known."""

    count: int
    models: tuple[KnownModel, ...]


class QuantList(_Reply):
    """The quantisations that are known."""

    count: int
    quants: tuple[Quant, ...]


class StoredCalibration(_Reply):
    """A stored calibration as it is listed."""

    id: str
    name: str
    fingerprint: str
    engine: str
    backend: str
    measured_on: str
    stored_at: str | None


class CalibrationPage(_Reply):
    """One page of the stored calibrations, those stored last first."""

    calibrations: tuple[StoredCalibration, ...]
    total: int
    offset: int
    next_offset: int | None


class Computing(_Reply):
    """Not there yet."""

    status: Literal["computing"] = "computing"


class Health(_Reply):
    """The state of the server."""

    status: Literal["ok"] = "ok"


class ProblemKind(_Reply):
    """A kind of problem."""

    code: str
    status: int
    title: str
    example: str


class ProblemKinds(_Reply):
    """Every kind of problem."""

    problems: tuple[ProblemKind, ...]


class Accuracy(BaseModel):
    """Figures by kind of speed and placement, of predictions by fits that never saw the machine."""

    model_config = ConfigDict(extra="allow")

    rows_read: int


# Answers that stay the same have an ETag: a client that has one is told so instead of sent it again.

CATALOG_CACHE: Final = "public, max-age=3600"
"""The catalog changes with a new version of the program only; an hour bounds how long one is not seen."""
OWN_CACHE: Final = "private, no-cache"
"""Stored calibrations: asked for again each time, sent only where changed."""
Tag = Annotated[str, Header(alias="If-None-Match", description="ETag of the copy that the client has.")]
TAGGED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "headers": {
            "ETag": {"schema": {"type": "string"}, "description": "Send it back as If-None-Match."},
            "Cache-Control": {"schema": {"type": "string"}},
        }
    },
    304: {"description": "The client's copy, by its ETag, is still right."},
}
"""What OpenAPI says of such an answer."""


class Entity:
    """A body of JSON and its tag."""

    __slots__ = ("cache", "content", "tag")

    def __init__(self, content: bytes, cache: str = CATALOG_CACHE) -> None:
        # Weak, since the same body also goes out compressed.
        self.content, self.cache, self.tag = content, cache, f'W/"{sha256(content).hexdigest()[:32]}"'

    def answer(self, asked: str) -> Response:
        """The body, or 304 where `asked`, the request's If-None-Match, names this copy.

        RFC 9110, 13.1.2: any of a list of tags, compared weakly, or "*".
        """
        headers = {"etag": self.tag, "cache-control": self.cache}
        tags = {item.strip().removeprefix("W/") for item in asked.split(",")}
        if asked.strip() == "*" or self.tag.removeprefix("W/") in tags:
            return Response(status_code=304, headers=headers)
        return Response(self.content, headers=headers, media_type="application/json")
