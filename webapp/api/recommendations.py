"""POST /v1/recommendations: ranked builds in pages. A ranking is computed once and kept for its further pages."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request
from pydantic import Field, model_validator
from pydantic_core import to_json
from starlette.responses import Response

from advisor.buying.recommendation import recommend
from advisor.buying.wish import Text, Wish
from advisor.errors import InputError
from advisor.physics.knowledge import load
from advisor.question import few
from catalog.names.index import UnknownName
from webapp.api import predictions
from webapp.api.answers import RecommendationPage
from webapp.api.bodies import Described, JsonRoute, validated
from webapp.api.problems import FURTHEST, MOST, OF_BODIES, Refused, next_offset, problems
from webapp.api.service import Service, service_of

router = APIRouter(route_class=JsonRoute, tags=["recommendations"])
ALL = 100_000
KEPT_BYTES = 64 * 2**20
"""Rankings kept for further pages; a ranking of one build for each card has about 200 kB, of every build 5 MB."""


class WishBody(Wish):
    """A wish, and which page of its ranking: `limit` builds from `offset` on."""

    own: Annotated[tuple[Text, ...], Field(max_length=50)] = ()
    limit: Annotated[int, Field(ge=1, le=MOST)] = 10
    offset: Annotated[int, Field(ge=0, le=FURTHEST)] = 0

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: Any) -> Any:
        return few(value)


@dataclass(frozen=True, slots=True)
class Ranking:
    """A ranking with its builds as JSON."""

    builds: tuple[bytes, ...]
    rest: bytes
    """The other fields of the answer, as the inside of a JSON object."""

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        return sum(map(len, self.builds)) + len(self.rest)


class Rankings:
    """Rankings kept by their wish, those used last; as many as a sum of bytes allows."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._most, self._size, self._kept = most_bytes, 0, OrderedDict[str, Ranking]()

    def get(self, key: str) -> Ranking | None:
        """The ranking kept for a wish."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def keep(self, key: str, ranking: Ranking) -> None:
        """Keep a ranking, and drop those not used for longest."""
        if key not in self._kept:
            self._size += ranking.size_bytes
            self._kept[key] = ranking
        while self._size > self._most:
            self._size -= self._kept.popitem(last=False)[1].size_bytes


EXAMPLE: Final = {"model": predictions.EXAMPLE["model"], "budget_usd": 1500, "limit": 5}
Asked = Annotated[Any, Described(WishBody), Body(openapi_examples={"wish": {"value": EXAMPLE}})]


@router.post(
    "/v1/recommendations", response_model=RecommendationPage, response_description="One page of the ranking",
    responses=problems(
        *OF_BODIES, "invalid_scenario", "unknown_name", "ambiguous_name", "invalid_input", "too_slow",
    ),
)  # fmt: skip
async def recommendations(request: Request, asked: Asked) -> Response:
    """Whole builds for a model and a budget, ranked by dollars per token per second."""
    wish = validated(WishBody, asked)
    ranking = await _ranking(service_of(request), wish)
    return Response(_page(ranking, wish.offset, wish.limit), media_type="application/json")


async def _ranking(service: Service, wish: WishBody) -> Ranking:
    whole = _whole(wish)
    key = whole.model_dump_json()
    found = service.rankings.get(key)
    if found is None:
        found = await service.computed(lambda: _computed(whole))
        service.metrics.recommendations.inc()
        service.rankings.keep(key, found)
    return found


def ranked_page(wish: WishBody) -> bytes:
    """The page of a wish, computed here and now. Raises `Refused`."""
    return _page(_computed(_whole(wish)), wish.offset, wish.limit)


def _whole(wish: WishBody) -> Wish:
    return Wish.model_validate(wish.model_dump(exclude={"offset", "limit"}) | {"limit": ALL})


def _computed(wish: Wish) -> Ranking:
    try:
        found = recommend(wish, load())
    except UnknownName as error:
        code = "ambiguous_name" if error.ambiguous else "unknown_name"
        raise Refused(code, str(error), error.nearest) from None
    except InputError as error:
        raise Refused("invalid_input", str(error)) from None
    builds = tuple(build.model_dump_json().encode() for build in found.builds)
    rest = found.model_dump(mode="json", exclude={"builds"})
    return Ranking(builds, to_json(rest)[1:-1])


def _page(ranking: Ranking, offset: int, limit: int) -> bytes:
    shown, total = ranking.builds[offset : offset + limit], len(ranking.builds)
    where = to_json({"total": total, "offset": offset, "next_offset": next_offset(offset, len(shown), total)})
    return b'{"builds":[' + b",".join(shown) + b"]," + where[1:-1] + b"," + ranking.rest + b"}"
