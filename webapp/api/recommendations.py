"""POST /v1/recommendations: ranked builds in pages. A ranking is computed once and kept for its further pages."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request
from pydantic import Field, model_validator
from pydantic_core import to_json
from starlette.responses import Response

from advisor.asked import few
from advisor.buying.advice import advise
from advisor.buying.recommendation import Pick
from advisor.buying.wish import Text, Wish
from advisor.errors import InputError
from advisor.kept import size_of
from advisor.market.market import today
from advisor.physics.knowledge import load
from catalog.names.index import UnknownName
from catalog.prices import Observation
from webapp.api import predictions
from webapp.api.answers import RecommendationPage
from webapp.api.bodies import Described, JsonRoute, made_of, validated
from webapp.api.problems import FURTHEST, MOST, OF_BODIES, Refused, next_offset, problems
from webapp.api.service import market_with, service_of

router = APIRouter(route_class=JsonRoute, tags=["recommendations"])
ALL = 100_000


class WishBody(Wish):
    """A wish, and which page of its ranking: `limit` builds from `offset` on."""

    own: Annotated[tuple[Text, ...], Field(max_length=50, fail_fast=True)] = ()
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
    picks: tuple[Pick, ...]
    rest: bytes
    """The other fields of the answer, as the inside of a JSON object."""


EXAMPLE: Final = {"model": predictions.EXAMPLE["model"], "budget_usd": 1500, "limit": 5}
Asked = Annotated[Any, Described(WishBody), Body(openapi_examples={"wish": {"value": EXAMPLE}})]


@router.post(
    "/v1/recommendations", response_model=RecommendationPage, response_description="One page of the ranking",
    responses=problems(
        *OF_BODIES, "invalid_scenario", "unknown_name", "ambiguous_name", "invalid_input", "too_slow",
    ),
)
async def recommendations(request: Request, asked: Asked) -> Response:
    """Whole builds for a model and a budget, ranked by dollars per token per second."""
    wish = await made_of(request, asked, partial(validated, WishBody))
    ranking = await _ranking(request, wish)
    return Response(_page(ranking, wish.offset, wish.limit), media_type="application/json")


async def _ranking(request: Request, wish: WishBody) -> Ranking:
    service = service_of(request)
    whole = _whole(wish)
    own = await service.own_prices()
    key = f"{whole.model_dump_json(exclude_unset=True)} {today()} {len(own)}"
    ranking = service.rankings.get(key)
    if ranking is None:
        ranking = await service.turns.computed(request, key, partial(ranked, whole, own))
        if service.rankings.get(key) is None:  # else another one who waited for it was first
            service.metrics.recommendations.inc()
            service.rankings.keep(key, ranking, size_of(ranking))
    return ranking


def ranked_page(wish: WishBody) -> bytes:
    """The page of a wish, computed here and now. Raises `Refused`."""
    return _page(ranked(_whole(wish)), wish.offset, wish.limit)


def _whole(wish: WishBody) -> Wish:
    # What is not said stays so: a task has limits of its own.
    return Wish.model_validate(wish.model_dump(exclude={"offset", "limit"}, exclude_unset=True) | {"limit": ALL})


def ranked(wish: Wish, own: tuple[Observation, ...] = ()) -> Ranking:
    """The whole ranking, by the shipped prices and those of the server's own. Raises `Refused`."""
    try:
        found = advise(wish, load(), market_with(own))
    except UnknownName as error:
        code = "ambiguous_name" if error.ambiguous else "unknown_name"
        raise Refused(code, str(error), error.nearest) from None
    except InputError as error:
        raise Refused("invalid_input", str(error)) from None
    builds = tuple(build.model_dump_json().encode() for build in found.builds)
    rest = found.model_dump(mode="json", exclude={"builds", "picks"})
    return Ranking(builds, found.picks, to_json(rest)[1:-1])


def _page(ranking: Ranking, offset: int, limit: int) -> bytes:
    """The first page has the picks, and their builds whatever its limit: behind its own."""
    total, places = len(ranking.builds), list(range(len(ranking.builds)))[offset : offset + limit]
    following = next_offset(offset, len(places), total)
    where: dict[str, Any] = {"total": total, "offset": offset, "next_offset": following, "picks": []}
    if not offset:
        places += dict.fromkeys(pick.build for pick in ranking.picks if pick.build not in places)
        where["picks"] = [pick.model_copy(update={"build": places.index(pick.build)}) for pick in ranking.picks]
    shown = [ranking.builds[place] for place in places]
    return b'{"builds":[' + b",".join(shown) + b"]," + to_json(where)[1:-1] + b"," + ranking.rest + b"}"
